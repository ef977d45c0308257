//! Conditions in JavaScript, as far as CEL can say the same.
//!
//! What JavaScript lets pass, CEL takes exactly: a missing member is an error there and makes a condition not hold,
//! numbers and texts are never equal, and only `true` is true. So a value that stands for itself becomes a test of
//! what JavaScript calls truthy, and `null` and `undefined` become tests of presence.

use super::reference::References;
use super::token::{Token, tokens};
use crate::condition::Condition;
use serde_json::Value;

/// Longest source that is looked at, in bytes.
const MAX_SOURCE_BYTES: usize = 8000;
const MAX_TOKENS: usize = 400;
/// Deepest nesting; the parser and the writer recurse.
const MAX_DEPTH: usize = 64;

/// The CEL expression that holds when the JavaScript `source` is truthy, or `None` if CEL cannot say it.
pub(super) fn translate(source: &str, references: &References) -> Option<String> {
    if source.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let mut tokens = tokens(source, references)?;
    while tokens.last() == Some(&Token::Sign(";")) {
        tokens.pop();
    }
    if tokens.first() == Some(&Token::Word("return".to_owned())) {
        tokens.remove(0);
    }
    if tokens.len() > MAX_TOKENS {
        return None;
    }
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let parsed = parser.ternary()?;
    if parser.at != tokens.len() {
        return None;
    }
    let expression = boolean(&parsed)?.text;
    Condition::compile(&expression).is_ok().then_some(expression)
}

#[derive(Debug, Clone)]
enum Js {
    Variable(String),
    Text(String),
    Integer(i64),
    Decimal(f64),
    Boolean(bool),
    Null,
    Undefined,
    List(Vec<Js>),
    Not(Box<Js>),
    Negative(Box<Js>),
    TypeOf(Box<Js>),
    Binary(&'static str, Box<Js>, Box<Js>),
    Ternary(Box<(Js, Js, Js)>),
    Length(Box<Js>),
    Method(String, Box<Js>, Vec<Js>),
    Function(String, Box<Js>),
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, sign: &str) -> Option<()> {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        found.then(|| self.at += 1)
    }

    fn take_any(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.take(sign).is_some())
    }

    fn ternary(&mut self) -> Option<Js> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let condition = self.binary(0)?;
        let parsed = if self.take("?").is_some() {
            let yes = self.ternary()?;
            self.take(":")?;
            let no = self.ternary()?;
            Js::Ternary(Box::new((condition, yes, no)))
        } else {
            condition
        };
        self.depth -= 1;
        Some(parsed)
    }

    fn binary(&mut self, level: usize) -> Option<Js> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = self.take_any(signs) {
            let right = self.binary(level + 1)?;
            left = Js::Binary(sign, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Js> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let parsed = if self.take("!").is_some() {
            Js::Not(Box::new(self.unary()?))
        } else if self.take("-").is_some() {
            Js::Negative(Box::new(self.unary()?))
        } else if self.tokens.get(self.at) == Some(&Token::Word("typeof".to_owned())) {
            self.at += 1;
            Js::TypeOf(Box::new(self.unary()?))
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Some(parsed)
    }

    fn postfix(&mut self) -> Option<Js> {
        let mut value = self.primary()?;
        loop {
            if self.take_any(&[".", "?."]).is_some() {
                let Some(Token::Word(member)) = self.tokens.get(self.at) else { return None };
                self.at += 1;
                value = if self.take("(").is_some() {
                    Js::Method(member.clone(), Box::new(value), self.list(")")?)
                } else if member == "length" {
                    Js::Length(Box::new(value))
                } else {
                    let Js::Variable(path) = value else { return None };
                    Js::Variable(format!("{path}.{member}"))
                };
            } else if self.take("[").is_some() {
                let Js::Variable(path) = value else { return None };
                let step = match self.tokens.get(self.at)? {
                    Token::Integer(index) => index.to_string(),
                    Token::Text(key) => Value::from(key.as_str()).to_string(),
                    _ => return None,
                };
                self.at += 1;
                self.take("]")?;
                value = Js::Variable(format!("{path}[{step}]"));
            } else {
                return Some(value);
            }
        }
    }

    fn primary(&mut self) -> Option<Js> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        match token {
            Token::Variable(path) => Some(Js::Variable(path.clone())),
            Token::Value(value) => literal(value),
            Token::Text(text) => Some(Js::Text(text.clone())),
            Token::Integer(integer) => Some(Js::Integer(*integer)),
            Token::Decimal(decimal) => Some(Js::Decimal(*decimal)),
            Token::Sign("(") => {
                let inner = self.ternary()?;
                self.take(")")?;
                Some(inner)
            }
            Token::Sign("[") => self.list("]").map(Js::List),
            Token::Sign(_) => None,
            Token::Word(word) => match word.as_str() {
                "true" => Some(Js::Boolean(true)),
                "false" => Some(Js::Boolean(false)),
                "null" => Some(Js::Null),
                "undefined" => Some(Js::Undefined),
                "Number" | "parseFloat" | "parseInt" | "String" | "Boolean" => {
                    self.take("(")?;
                    let mut arguments = self.list(")")?;
                    let decimal = matches!((word.as_str(), arguments.get(1)), ("parseInt", Some(Js::Integer(10))));
                    if decimal {
                        arguments.pop();
                    }
                    let argument = arguments.pop()?;
                    arguments.is_empty().then(|| Js::Function(word.clone(), Box::new(argument)))
                }
                _ => None,
            },
        }
    }

    fn list(&mut self, end: &str) -> Option<Vec<Js>> {
        let mut elements = Vec::new();
        while self.take(end).is_none() {
            if !elements.is_empty() {
                self.take(",")?;
            }
            elements.push(self.ternary()?);
        }
        Some(elements)
    }
}

/// Binary operators, the loosest first. `??` and `**` have no counterpart.
const LEVELS: &[&[&str]] =
    &[&["||"], &["&&"], &["===", "!==", "==", "!="], &["<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

fn literal(value: &Value) -> Option<Js> {
    match value {
        Value::Null => Some(Js::Null),
        Value::Bool(boolean) => Some(Js::Boolean(*boolean)),
        Value::String(text) => Some(Js::Text(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(Js::Integer(integer)),
            None => number.as_f64().filter(|decimal| decimal.is_finite()).map(Js::Decimal),
        },
        Value::Array(elements) => elements.iter().map(literal).collect::<Option<_>>().map(Js::List),
        Value::Object(_) => None,
    }
}

/// CEL text, and how tightly its outermost operator binds.
struct Cel {
    text: String,
    binds: u8,
}

const CHOICE: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const UNARY: u8 = 6;
const ATOM: u8 = 7;

impl Cel {
    fn atom(text: impl Into<String>) -> Self {
        Cel { text: text.into(), binds: ATOM }
    }

    /// In parentheses where it would fall apart.
    fn within(self, binds: u8) -> String {
        if self.binds < binds { format!("({})", self.text) } else { self.text }
    }

    fn infix(left: Cel, sign: &str, right: Cel, binds: u8) -> Self {
        // Relations do not associate, and `a - (b - c)` keeps its parentheses.
        let left_binds = if binds == RELATION { binds + 1 } else { binds };
        let right_binds = if matches!(binds, OR | AND) { binds } else { binds + 1 };
        Cel { text: format!("{} {sign} {}", left.within(left_binds), right.within(right_binds)), binds }
    }
}

/// The value as JavaScript takes it for true or false.
fn boolean(js: &Js) -> Option<Cel> {
    match js {
        Js::Boolean(value) => Some(Cel::atom(value.to_string())),
        Js::Null | Js::Undefined => Some(Cel::atom("false")),
        Js::Text(text) => Some(Cel::atom((!text.is_empty()).to_string())),
        Js::Integer(integer) => Some(Cel::atom((*integer != 0).to_string())),
        Js::Decimal(decimal) => Some(Cel::atom((*decimal != 0.0).to_string())),
        Js::List(_) | Js::TypeOf(_) => Some(Cel::atom("true")),
        Js::Variable(path) => Some(truthy(path)),
        Js::Not(inner) => Some(Cel { text: format!("!{}", boolean(inner)?.within(UNARY)), binds: UNARY }),
        Js::Binary("&&", left, right) => Some(Cel::infix(boolean(left)?, "&&", boolean(right)?, AND)),
        Js::Binary("||", left, right) => Some(Cel::infix(boolean(left)?, "||", boolean(right)?, OR)),
        Js::Ternary(parts) => {
            let (condition, yes, no) = parts.as_ref();
            choice(boolean(condition)?, boolean(yes)?, boolean(no)?)
        }
        Js::Function(name, argument) if name == "Boolean" => boolean(argument),
        Js::Binary("===" | "!==" | "==" | "!=" | "<" | "<=" | ">" | ">=", ..) => value(js),
        Js::Method(name, ..) if matches!(name.as_str(), "includes" | "startsWith" | "endsWith") => value(js),
        Js::Length(_) => Some(Cel::infix(value(js)?, "!=", Cel::atom("0"), RELATION)),
        Js::Function(name, _) if name == "String" => Some(Cel::infix(value(js)?, "!=", Cel::atom("\"\""), RELATION)),
        Js::Function(..) | Js::Negative(_) | Js::Binary(..) => {
            let zero = if is_text(js) { "\"\"" } else { "0" };
            Some(Cel::infix(value(js)?, "!=", Cel::atom(zero), RELATION))
        }
        Js::Method(..) => None,
    }
}

fn choice(condition: Cel, yes: Cel, no: Cel) -> Option<Cel> {
    let text = format!("{} ? {} : {}", condition.within(OR), yes.within(OR), no.within(OR));
    Some(Cel { text, binds: CHOICE })
}

fn truthy(path: &str) -> Cel {
    let falsy = format!("{path} in [null, false, 0, \"\"]");
    match presence(path) {
        Some(has) => Cel { text: format!("{has} && !({falsy})"), binds: AND },
        None => Cel { text: format!("!({falsy})"), binds: UNARY },
    }
}

/// CEL can ask for the presence of a member by name only.
fn presence(path: &str) -> Option<String> {
    let at = path.rfind(['.', '[', ']', '"'])?;
    path.get(at..)?.starts_with('.').then(|| format!("has({path})"))
}

fn value(js: &Js) -> Option<Cel> {
    match js {
        Js::Variable(path) => Some(Cel::atom(path)),
        Js::Text(text) => Some(Cel::atom(quoted(text))),
        Js::Integer(integer) if *integer < 0 => Some(Cel { text: integer.to_string(), binds: UNARY }),
        Js::Integer(integer) => Some(Cel::atom(integer.to_string())),
        Js::Decimal(decimal) => Some(decimal_literal(*decimal)),
        Js::Boolean(boolean) => Some(Cel::atom(boolean.to_string())),
        Js::Null => Some(Cel::atom("null")),
        Js::Undefined | Js::TypeOf(_) => None,
        Js::List(elements) => {
            let elements: Option<Vec<_>> = elements.iter().map(|element| value(element).map(|cel| cel.text)).collect();
            Some(Cel::atom(format!("[{}]", elements?.join(", "))))
        }
        Js::Not(_) => boolean(js),
        Js::Negative(inner) => match inner.as_ref() {
            Js::Integer(integer) => value(&Js::Integer(integer.checked_neg()?)),
            Js::Decimal(decimal) => Some(decimal_literal(-decimal)),
            other => Some(Cel { text: format!("-{}", number(other)?.within(UNARY)), binds: UNARY }),
        },
        Js::Binary(sign @ ("===" | "!==" | "==" | "!="), left, right) => {
            equality(sign.len() == 3, sign.starts_with('!'), left, right)
        }
        Js::Binary(sign @ ("<" | "<=" | ">" | ">="), left, right) => {
            let never = |js: &Js| matches!(js, Js::Null | Js::Undefined | Js::Boolean(_) | Js::List(_) | Js::Not(_));
            if never(left) || never(right) {
                return None;
            }
            Some(Cel::infix(value(left)?, sign, value(right)?, RELATION))
        }
        Js::Binary("&&" | "||", left, right) => (is_boolean(left) && is_boolean(right)).then(|| boolean(js))?,
        Js::Binary("+", left, right) if is_text(left) || is_text(right) => {
            Some(Cel::infix(text(left)?, "+", text(right)?, SUM))
        }
        Js::Binary("+", left, right) => {
            let adds = is_number(left) || is_number(right);
            adds.then(|| Some(Cel::infix(number(left)?, "+", number(right)?, SUM)))?
        }
        Js::Binary("-", left, right) => Some(Cel::infix(number(left)?, "-", number(right)?, SUM)),
        Js::Binary(sign @ ("*" | "/"), left, right) => Some(Cel::infix(number(left)?, sign, number(right)?, PRODUCT)),
        Js::Binary("%", left, right) => Some(Cel::infix(integer(left)?, "%", integer(right)?, PRODUCT)),
        Js::Binary(..) => None,
        Js::Ternary(parts) => {
            let (condition, yes, no) = parts.as_ref();
            choice(boolean(condition)?, value(yes)?, value(no)?)
        }
        Js::Length(of) => match of.as_ref() {
            Js::Variable(_) | Js::Text(_) | Js::List(_) => Some(Cel::atom(format!("size({})", value(of)?.text))),
            _ => None,
        },
        Js::Method(name, target, arguments) => method(name, target, arguments),
        Js::Function(name, argument) => match name.as_str() {
            "Number" | "parseFloat" => number(argument),
            "parseInt" => Some(Cel::atom(format!("int({})", value(argument)?.text))),
            "String" => text(argument),
            _ => boolean(argument),
        },
    }
}

fn equality(strict: bool, negated: bool, left: &Js, right: &Js) -> Option<Cel> {
    match (left, right) {
        (Js::Null | Js::Undefined | Js::TypeOf(_), Js::Null | Js::Undefined) => None,
        (other, Js::Null) | (Js::Null, other) if !strict => is_nothing(other, negated),
        (other, Js::Undefined) | (Js::Undefined, other) if !strict => is_nothing(other, negated),
        (Js::Variable(path), Js::Undefined) | (Js::Undefined, Js::Variable(path)) => {
            let has = presence(path)?;
            Some(if negated { Cel::atom(has) } else { Cel { text: format!("!{has}"), binds: UNARY } })
        }
        (Js::Variable(path), Js::Null) | (Js::Null, Js::Variable(path)) => {
            if negated {
                let other = format!("{path} != null");
                Some(match presence(path) {
                    Some(has) => Cel { text: format!("!{has} || {other}"), binds: OR },
                    None => Cel { text: other, binds: RELATION },
                })
            } else {
                Some(Cel { text: format!("{path} == null"), binds: RELATION })
            }
        }
        (Js::TypeOf(of), Js::Text(name)) | (Js::Text(name), Js::TypeOf(of)) => type_test(of, name, negated),
        _ => {
            if let Some(folded) = folded_equality(left, right).or_else(|| folded_equality(right, left)) {
                let folded = folded?;
                return Some(if negated { Cel { text: format!("!{}", folded.text), binds: UNARY } } else { folded });
            }
            Some(Cel::infix(value(left)?, if negated { "!=" } else { "==" }, value(right)?, RELATION))
        }
    }
}

/// `x == null` holds for null and for undefined.
fn is_nothing(js: &Js, negated: bool) -> Option<Cel> {
    let Js::Variable(path) = js else { return None };
    Some(match (presence(path), negated) {
        (Some(has), false) => Cel { text: format!("!{has} || {path} == null"), binds: OR },
        (Some(has), true) => Cel { text: format!("{has} && {path} != null"), binds: AND },
        (None, false) => Cel { text: format!("{path} == null"), binds: RELATION },
        (None, true) => Cel { text: format!("{path} != null"), binds: RELATION },
    })
}

fn type_test(of: &Js, name: &str, negated: bool) -> Option<Cel> {
    let Js::Variable(path) = of else { return None };
    let cel_type = match name {
        "undefined" => return equality(true, negated, of, &Js::Undefined),
        "string" => "string",
        "boolean" => "bool",
        _ => return None,
    };
    let sign = if negated { "!=" } else { "==" };
    Some(Cel { text: format!("type({path}) {sign} {cel_type}"), binds: RELATION })
}

fn method(name: &str, target: &Js, arguments: &[Js]) -> Option<Cel> {
    let [argument] = arguments else { return None };
    if let Some((inner, case)) = folded(target) {
        let Js::Text(text) = argument else { return None };
        let pattern = match name {
            "includes" => regex_literal(text),
            "startsWith" => format!("^{}", regex_literal(text)),
            "endsWith" => format!("{}$", regex_literal(text)),
            _ => return None,
        };
        return matches_folded(inner, text, case, &pattern);
    }
    match (name, target) {
        ("includes", Js::List(_)) => {
            let list = value(target)?;
            Some(Cel::infix(value(argument)?, "in", list, RELATION))
        }
        ("includes", Js::Variable(path)) => {
            let item = value(argument)?;
            if is_number(argument) {
                return Some(Cel::infix(item, "in", Cel::atom(path), RELATION));
            }
            if !matches!(argument, Js::Text(_) | Js::Variable(_)) {
                return None;
            }
            let item = item.text;
            Some(Cel {
                text: format!("type({path}) == string ? {path}.contains({item}) : {item} in {path}"),
                binds: CHOICE,
            })
        }
        ("includes", Js::Text(_)) => string_call(target, "contains", argument),
        ("startsWith" | "endsWith", Js::Text(_) | Js::Variable(_)) => string_call(target, name, argument),
        _ => None,
    }
}

fn string_call(target: &Js, function: &str, argument: &Js) -> Option<Cel> {
    let argument = matches!(argument, Js::Text(_) | Js::Variable(_)).then(|| value(argument))??;
    Some(Cel::atom(format!("{}.{function}({})", value(target)?.text, argument.text)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

/// The variable whose text is taken in one case: `<x>.toLowerCase()`, also after `.trim()` or `String(…)`.
fn folded(js: &Js) -> Option<(&str, Case)> {
    let Js::Method(name, target, arguments) = js else { return None };
    let case = match name.as_str() {
        "toLowerCase" | "toLocaleLowerCase" => Case::Lower,
        "toUpperCase" | "toLocaleUpperCase" => Case::Upper,
        _ => return None,
    };
    let Js::Variable(path) = target.as_ref() else { return None };
    arguments.is_empty().then_some((path.as_str(), case))
}

fn matches_folded(path: &str, text: &str, case: Case, pattern: &str) -> Option<Cel> {
    let same = match case {
        Case::Lower => text.to_lowercase() == text,
        Case::Upper => text.to_uppercase() == text,
    };
    // A text in one case never contains a letter of the other.
    if !same {
        return Some(Cel::atom("false"));
    }
    Some(Cel::atom(format!("{path}.matches({})", quoted(&format!("(?is){pattern}")))))
}

/// `<x>.toLowerCase() === 'yes'`; the outer `None` if it is no such comparison.
fn folded_equality(left: &Js, right: &Js) -> Option<Option<Cel>> {
    let (path, case) = folded(left)?;
    let Js::Text(text) = right else { return Some(None) };
    Some(matches_folded(path, text, case, &format!("^{}$", regex_literal(text))))
}

fn regex_literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn decimal_literal(decimal: f64) -> Cel {
    // Debug always writes a point or an exponent.
    let binds = if decimal.is_sign_negative() { UNARY } else { ATOM };
    Cel { text: format!("{decimal:?}"), binds }
}

fn is_boolean(js: &Js) -> bool {
    match js {
        Js::Boolean(_) | Js::Not(_) => true,
        Js::Binary("&&" | "||", left, right) => is_boolean(left) && is_boolean(right),
        Js::Binary(sign, ..) => LEVELS.iter().skip(2).take(2).any(|level| level.contains(sign)),
        Js::Method(name, ..) => matches!(name.as_str(), "includes" | "startsWith" | "endsWith"),
        Js::Function(name, _) => name == "Boolean",
        _ => false,
    }
}

fn is_text(js: &Js) -> bool {
    match js {
        Js::Text(_) => true,
        Js::Function(name, _) => name == "String",
        Js::Binary("+", left, right) => is_text(left) || is_text(right),
        _ => false,
    }
}

fn is_number(js: &Js) -> bool {
    match js {
        Js::Integer(_) | Js::Decimal(_) | Js::Negative(_) | Js::Length(_) => true,
        Js::Binary("-" | "*" | "/" | "%", ..) => true,
        Js::Binary("+", left, right) => !is_text(js) && (is_number(left) || is_number(right)),
        Js::Function(name, _) => matches!(name.as_str(), "Number" | "parseFloat" | "parseInt"),
        _ => false,
    }
}

/// As a CEL text.
fn text(js: &Js) -> Option<Cel> {
    match js {
        Js::Text(_) => value(js),
        Js::Variable(path) => Some(Cel::atom(format!("string({path})"))),
        Js::Integer(integer) => Some(Cel::atom(quoted(&integer.to_string()))),
        Js::Function(name, inner) if name == "String" => text(inner),
        Js::Binary("+", ..) if is_text(js) => value(js),
        _ => None,
    }
}

/// As a CEL double: CEL does not compute with a mixture of whole and other numbers.
fn number(js: &Js) -> Option<Cel> {
    match js {
        Js::Integer(integer) if integer.unsigned_abs() < 1 << 53 => Some(decimal_literal(*integer as f64)),
        Js::Decimal(_) => value(js),
        Js::Variable(path) => Some(Cel::atom(format!("double({path})"))),
        Js::Length(_) | Js::Binary("%", ..) => Some(Cel::atom(format!("double({})", value(js)?.text))),
        Js::Function(name, _) if name == "parseInt" => Some(Cel::atom(format!("double({})", value(js)?.text))),
        Js::Text(text) => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(decimal_literal),
        _ if is_number(js) => value(js),
        _ => None,
    }
}

/// As a CEL int, for remainders.
fn integer(js: &Js) -> Option<Cel> {
    match js {
        Js::Integer(_) | Js::Length(_) | Js::Binary("%", ..) => value(js),
        Js::Variable(path) => Some(Cel::atom(format!("int({path})"))),
        _ if is_number(js) => Some(Cel::atom(format!("int({})", value(js)?.text))),
        _ => None,
    }
}

/// What a person or a model can judge, where CEL cannot say it.
pub(super) fn as_text(source: &str, references: &References) -> String {
    references.text(source).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Outcome, Variables};
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn references() -> References {
        let parameters = json!({"variable.limit": 10, "LEVEL": "high"});
        let blocks = [("b1", "Start"), ("b2", "Triage"), ("b3", "Agent 1")];
        References::new(blocks.into_iter(), parameters.as_object().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn assert_translates(source: &str, expected: &str) {
        assert_eq!(translate(source, &references()).as_deref(), Some(expected), "{source}");
    }

    #[test]
    fn comparisons_and_logic() {
        assert_translates("<start.kind> === 'lead'", r#"start.kind == "lead""#);
        assert_translates("<start.kind> !== \"it's\"", r#"start.kind != "it's""#);
        assert_translates("'<start.kind>' == 'lead'", r#"start.kind == "lead""#);
        assert_translates(
            "<triage.score> >= 80 && !(<triage.score> > 90.5);",
            "triage.score >= 80 && !(triage.score > 90.5)",
        );
        assert_translates(
            "<start.a> > 1 || <start.b> > 2 && <start.c> > 3",
            "start.a > 1 || start.b > 2 && start.c > 3",
        );
        assert_translates("(<start.a> > 1 || <start.b> > 2) && true", "(start.a > 1 || start.b > 2) && true");
        assert_translates("return <agent1.content> === true", "agent1.content == true");
        assert_translates(
            "<start.a> ? <start.b> > 1 : false",
            "has(start.a) && !(start.a in [null, false, 0, \"\"]) ? start.b > 1 : false",
        );
    }

    #[test]
    fn values_that_stand_for_themselves() {
        let truthy = r#"has(triage.urgent) && !(triage.urgent in [null, false, 0, ""])"#;
        assert_translates("<triage.urgent>", truthy);
        assert_translates("!!<triage.urgent>", &format!("!!({truthy})"));
        assert_translates("!<triage.urgent>", &format!("!({truthy})"));
        assert_translates("<triage.items[0]>", r#"!(triage.items[0] in [null, false, 0, ""])"#);
        assert_translates("true", "true");
        assert_translates("'x'", "true");
    }

    #[test]
    fn null_and_undefined() {
        assert_translates("<start.a> === null", "start.a == null");
        assert_translates("<start.a> !== null", "!has(start.a) || start.a != null");
        assert_translates("<start.a> != null", "has(start.a) && start.a != null");
        assert_translates("<start.a> == undefined", "!has(start.a) || start.a == null");
        assert_translates("<start.a> !== undefined", "has(start.a)");
        assert_translates("typeof <start.a> === 'undefined'", "!has(start.a)");
        assert_translates("typeof <start.a> === 'string'", "type(start.a) == string");
    }

    #[test]
    fn arithmetic_is_done_with_doubles() {
        assert_translates("<start.a> + 1 > 2", "double(start.a) + 1.0 > 2");
        assert_translates("<start.a> * (<start.b> - 2) < 1.5", "double(start.a) * (double(start.b) - 2.0) < 1.5");
        assert_translates("<start.a> - (1 - 2) > -1", "double(start.a) - (1.0 - 2.0) > -1");
        assert_translates("<loop.index> % 2 === 0", "int(loop_.index) % 2 == 0");
        assert_translates("'a' + <start.b> === 'ab'", r#""a" + string(start.b) == "ab""#);
        assert_translates("Number(<start.a>) > 3", "double(start.a) > 3");
        assert_translates("parseInt(<start.a>, 10) > 3", "int(start.a) > 3");
    }

    #[test]
    fn methods_of_texts_and_lists() {
        assert_translates("<start.t>.length > 3", "size(start.t) > 3");
        assert_translates("<start.t>.length", "size(start.t) != 0");
        assert_translates(
            "<start.t>.includes('x')",
            r#"type(start.t) == string ? start.t.contains("x") : "x" in start.t"#,
        );
        assert_translates("['a', 'b'].includes(<start.t>)", r#"start.t in ["a", "b"]"#);
        assert_translates("<start.t>?.startsWith('x')", r#"start.t.startsWith("x")"#);
        assert_translates("<start.t>.toLowerCase().includes('a.b')", r#"start.t.matches("(?is)a\\.b")"#);
        assert_translates("<start.t>.toUpperCase() === 'YES'", r#"start.t.matches("(?is)^YES$")"#);
        assert_translates("<start.t>.toUpperCase() === 'yes'", "false");
        assert_translates("<start.t>.a.b[0]['c d'] == 1", r#"start.t.a.b[0]["c d"] == 1"#);
    }

    #[test]
    fn parameters_are_put_in() {
        assert_translates("<start.n> > <variable.limit>", "start.n > 10");
        assert_translates("<triage.level> === '{{LEVEL}}'", r#"triage.level == "high""#);
        assert_translates("<triage.level> === {{OTHER}}", "triage.level == env.OTHER");
    }

    #[test]
    fn what_cel_cannot_say_is_left() {
        for source in [
            "",
            "context.x > 1",
            "/a/.test(<start.t>)",
            "`a` === <start.t>",
            "<start.a> ?? 1",
            "<start.a> => 1",
            "<start.a> || 'x' === 'x'; <start.b>",
            "<start.items>.some(x => x > 1)",
            "new Date() > <start.d>",
            "<start.a> +",
            "(<start.a>",
            "<nobody.a> === 1",
            "<start.a> > null",
            "// no\ntrue",
            "x = 1",
            "<start.t>.trim() === 'a'",
            "JSON.parse(<start.t>).a === 1",
            "<start.a> + <start.b> > 1",
            "1 < 2 < <start.items>.map(1)",
        ] {
            assert_eq!(translate(source, &references()), None, "{source}");
        }
        assert_eq!(translate(&"(".repeat(5000), &references()), None);
        assert_eq!(translate(&"!".repeat(5000), &references()), None);
        assert_eq!(translate(&format!("{}1", "1+".repeat(3000)), &references()), None);
    }

    /// What JavaScript makes of each condition, worked out by hand, for these variables.
    #[test]
    fn the_translation_holds_when_the_javascript_does() {
        let variables = json!({
            "start": {"n": 5, "f": 81.5, "zero": 0, "t": "Hello", "empty": "", "yes": true, "no": false, "nil": null,
                      "list": ["a", "b", 3], "o": {"k": 1}, "numeral": "7"},
            "loop_": {"index": 4}
        });
        let variables = Variables::new(variables.as_object().cloned().unwrap_or_else(Map::new));
        for (source, holds) in [
            ("<start.n> === 5", true),
            ("<start.n> == 5.0", true),
            ("<start.n> === '5'", false),
            ("<start.f> > 80", true),
            ("<start.zero>", false),
            ("<start.t>", true),
            ("<start.empty>", false),
            ("<start.list>", true),
            ("<start.nil>", false),
            ("<start.gone>", false),
            ("!<start.gone>", true),
            ("!<start.yes>", false),
            ("<start.o>", true),
            ("<start.nil> === null", true),
            ("<start.gone> === null", false),
            ("<start.gone> == null", true),
            ("<start.gone> === undefined", true),
            ("<start.nil> !== undefined", true),
            ("<start.t>.length === 5", true),
            ("<start.list>.includes('b')", true),
            ("<start.list>.includes(3)", true),
            ("<start.t>.includes('ell')", true),
            ("<start.t>.toLowerCase() === 'hello'", true),
            ("<start.t>.toLowerCase().startsWith('HE')", false),
            ("<start.n> + 1 === 6", true),
            ("<start.n> / 2 === 2.5", true),
            ("<start.numeral> * 2 === 14", true),
            ("<loop.index> % 2 === 0", true),
            ("<start.t> + '!' === 'Hello!'", true),
            ("<start.n> > 3 ? <start.yes> : <start.no>", true),
            ("['x', 'Hello'].includes(<start.t>)", true),
            ("-<start.n> < -4", true),
            ("!!<start.t> && !<start.no>", true),
            ("<start.no> || <start.n> - 5", false),
            ("typeof <start.t> === 'string'", true),
            ("<start.list>[2] === 3", true),
            ("<start.o>.k === 1", true),
            ("Boolean(<start.empty>)", false),
        ] {
            let expression = translate(source, &references()).unwrap_or_else(|| panic!("left: {source}"));
            let outcome = Condition::compile(&expression).unwrap().evaluate(&variables);
            assert_eq!(outcome == Ok(Outcome::Holds), holds, "{source} became {expression}: {outcome:?}");
        }
    }

    proptest! {
        #[test]
        fn no_source_panics_and_every_translation_compiles(
            source in "(<start.a>|<loop.index>|'x'|[0-9.]|===|!==|&&|\\|\\||[-+*/%!<>=?:()\\[\\]., ]|\\.length|\\.includes|true|null|typeof |\\PC){0,24}"
        ) {
            if let Some(expression) = translate(&source, &references()) {
                prop_assert!(Condition::compile(&expression).is_ok());
            }
        }
    }
}
