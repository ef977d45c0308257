//! References in texts, `<block.path>`, `<variable.x>`, `<loop.index>` and `{{ENV}}`, and what they become: variables
//! of Jinja templates and of CEL expressions, under names that are valid in both.

use super::fault::{Fault, member};
use super::secret::is_secret_key;
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// Longest value of a parameter, in bytes of its text.
pub const MAX_PARAMETER_BYTES: usize = 10_000;
/// Most bytes that all references of a workflow together may be replaced by.
pub const MAX_SUBSTITUTED_BYTES: usize = 16 * 1024 * 1024;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// A path such as `start.input` or `fetch.items[0].id`.
    Variable(String),
    /// The value of a parameter.
    Value(Value),
}

/// What the references of a workflow stand for.
pub(super) struct References {
    /// Variables by the form that references use for the name of a block, and by its id.
    variables: HashMap<String, Rc<str>>,
    parameters: Map<String, Value>,
    used: RefCell<BTreeSet<String>>,
    unknown: RefCell<BTreeSet<String>>,
    budget: Cell<usize>,
    /// Which names of fields are those of secrets: blocks of one type have the same fields.
    secret_keys: RefCell<HashMap<String, bool>>,
}

impl References {
    /// `blocks` are ids and names, in an order that does not depend on that of the document.
    pub(super) fn new<'a>(
        blocks: impl Iterator<Item = (&'a str, &'a str)>,
        parameters: Map<String, Value>,
    ) -> Result<Self, Fault> {
        for (name, value) in &parameters {
            let bytes = plain_text(value).len();
            if bytes > MAX_PARAMETER_BYTES {
                let message = format!("the value has {bytes} bytes, more than the {MAX_PARAMETER_BYTES} allowed");
                return Err(Fault::new(&member("parameters", name), message));
            }
        }
        let mut variables: HashMap<String, Rc<str>> = HashMap::new();
        let mut taken: HashSet<Rc<str>> = ["env", "variable", "parallel", "loop_"].map(Rc::from).into();
        let mut of_blocks = Vec::new();
        for (id, name) in blocks {
            let reference = reference_form(name);
            if reference.is_empty() {
                continue;
            }
            let entry = variables.entry(reference);
            let variable = entry.or_insert_with_key(|reference| free_variable(&identifier(reference), &mut taken));
            of_blocks.push((id, variable.clone()));
        }
        // The name of one block may be the id of another: then it is the name that counts.
        for (id, variable) in of_blocks {
            variables.entry(reference_form(id)).or_insert(variable);
        }
        Ok(References {
            variables,
            parameters,
            used: RefCell::default(),
            unknown: RefCell::default(),
            budget: Cell::new(MAX_SUBSTITUTED_BYTES),
            secret_keys: RefCell::default(),
        })
    }

    pub(super) fn is_secret_key(&self, key: &str) -> bool {
        let known = self.secret_keys.borrow().get(key).copied();
        known.unwrap_or_else(|| {
            let is_secret = is_secret_key(key);
            self.secret_keys.borrow_mut().insert(key.to_owned(), is_secret);
            is_secret
        })
    }

    /// The variable that holds the output of a block of this name.
    pub(super) fn variable_of(&self, name: &str) -> Option<&str> {
        self.variables.get(&reference_form(name)).map(|variable| &**variable)
    }

    pub(super) fn parameters(&self) -> &Map<String, Value> {
        &self.parameters
    }

    pub(super) fn unused_parameters(&self) -> Vec<String> {
        let used = self.used.borrow();
        self.parameters.keys().filter(|name| !used.contains(*name)).cloned().collect()
    }

    /// The references met since the last call that name no block of the workflow.
    pub(super) fn take_unknown(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.unknown.borrow_mut())
    }

    /// Whether so many references were replaced that the journey would grow without bound.
    pub(super) fn is_over_budget(&self) -> bool {
        self.budget.get() == 0
    }

    pub(super) fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut literal = String::new();
        while let Some(at) = rest.find(['<', '{']) {
            let (before, candidate) = rest.split_at(at);
            literal.push_str(before);
            match self.reference_at(candidate) {
                Some((piece, length)) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                    rest = candidate.get(length..).unwrap_or_default();
                }
                None => {
                    literal.push_str(candidate.get(..1).unwrap_or_default());
                    rest = candidate.get(1..).unwrap_or_default();
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        pieces
    }

    /// The reference that the text begins with, and its length.
    pub(super) fn reference_at(&self, text: &str) -> Option<(Piece, usize)> {
        if let Some(rest) = text.strip_prefix("{{") {
            let end = rest.find(['{', '}'])?;
            let name = rest.get(..end)?.trim();
            if !rest.get(end..)?.starts_with("}}") || !is_environment_name(name) {
                return None;
            }
            return Some((self.environment(name), 2 + end + 2));
        }
        let rest = text.strip_prefix('<')?;
        let end = rest.find(['<', '>'])?;
        let inner = rest.get(..end)?;
        if !rest.get(end..)?.starts_with('>') || !is_likely_reference(inner) {
            return None;
        }
        self.reference(inner).map(|piece| (piece, 1 + end + 1))
    }

    fn environment(&self, name: &str) -> Piece {
        let path = format!("env.{name}");
        self.parameter(&[&path, name]).unwrap_or(Piece::Variable(path))
    }

    fn reference(&self, source: &str) -> Option<Piece> {
        let (root, steps) = split_path(source)?;
        let root = reference_form(root);
        let mut path = match root.as_str() {
            "loop" => "loop_".to_owned(),
            "parallel" | "variable" => root.clone(),
            _ => match self.variables.get(&root) {
                Some(variable) => variable.to_string(),
                None => {
                    if source.contains('.') && is_plain(&root) {
                        self.unknown.borrow_mut().insert(source.to_owned());
                    }
                    return None;
                }
            },
        };
        let mut name_of_variable = None;
        for (position, step) in steps.iter().enumerate() {
            match step {
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Field(field) if position == 0 && root == "variable" => {
                    name_of_variable = Some(*field);
                    push_field(&mut path, &reference_form(field));
                }
                Step::Field(field) => push_field(&mut path, field),
            }
        }
        if self.parameters.is_empty() {
            return Some(Piece::Variable(path));
        }
        let mut keys = vec![source, path.as_str()];
        let of_variable = name_of_variable.filter(|_| steps.len() == 1);
        let form = of_variable.map(reference_form);
        keys.extend(of_variable);
        keys.extend(form.as_deref());
        Some(self.parameter(&keys).unwrap_or_else(|| Piece::Variable(path.clone())))
    }

    fn parameter(&self, keys: &[&str]) -> Option<Piece> {
        let (key, value) = keys.iter().find_map(|key| self.parameters.get_key_value(*key))?;
        self.used.borrow_mut().insert(key.clone());
        self.budget.set(self.budget.get().saturating_sub(plain_text(value).len() + 1));
        if self.is_over_budget() {
            return Some(Piece::Value(Value::Null));
        }
        Some(Piece::Value(value.clone()))
    }

    /// The text as a Jinja template that renders references as values and everything else as it was.
    pub(super) fn template(&self, text: &str) -> String {
        self.template_of_at_most(text, usize::MAX).0
    }

    /// The same with a bound on its characters, and whether something was cut off at the end.
    pub(super) fn template_of_at_most(&self, text: &str, most: usize) -> (String, bool) {
        if !text.contains(['<', '{']) && text.len() <= most {
            // Nothing is referred to, and nothing has to be escaped.
            return (text.to_owned(), false);
        }
        let mut template = String::new();
        let mut left = most;
        for piece in self.pieces(text) {
            let atoms: Vec<String> = match piece {
                Piece::Text(text) if !text.contains('{') => vec![text],
                Piece::Variable(path) => vec![format!("{{{{ {path} }}}}")],
                Piece::Text(text) => escaped_atoms(&text),
                Piece::Value(value) => escaped_atoms(&plain_text(&value)),
            };
            for atom in atoms {
                let length = atom.chars().count();
                if length <= left {
                    left -= length;
                    template.push_str(&atom);
                    continue;
                }
                // Only plain text can be cut inside.
                if !atom.starts_with("{{") {
                    template.extend(atom.chars().take(left));
                }
                return (template, true);
            }
        }
        (template, false)
    }

    /// The text with parameters put in, and other references as they were written.
    pub(super) fn text(&self, text: &str) -> String {
        let mut kept = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['<', '{']) {
            let (before, candidate) = rest.split_at(at);
            kept.push_str(before);
            let length = match self.reference_at(candidate) {
                Some((Piece::Value(value), length)) => {
                    kept.push_str(&plain_text(&value));
                    length
                }
                Some((_, length)) => {
                    kept.push_str(candidate.get(..length).unwrap_or_default());
                    length
                }
                None => {
                    kept.push_str(candidate.get(..1).unwrap_or_default());
                    1
                }
            };
            rest = candidate.get(length..).unwrap_or_default();
        }
        kept.push_str(rest);
        kept
    }
}

/// The name, or else the first one with a number that is not taken.
fn free_variable(base: &str, taken: &mut HashSet<Rc<str>>) -> Rc<str> {
    let mut variable: Rc<str> = base.into();
    let mut suffix = 2;
    while !taken.insert(variable.clone()) {
        variable = format!("{base}_{suffix}").into();
        suffix += 1;
    }
    variable
}

/// How references write a name: lower case, without blanks and dots.
pub(super) fn reference_form(name: &str) -> String {
    if name.is_ascii() {
        let kept = name.bytes().filter(|byte| !matches!(byte, b' ' | b'\t'..=b'\r' | b'.'));
        return kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    }
    name.chars().filter(|c| !c.is_whitespace() && *c != '.').flat_map(char::to_lowercase).collect()
}

/// A value as it reads inside a text.
pub(super) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

enum Step<'a> {
    Field(&'a str),
    Index(u32),
}

/// `name.field[0].field` in its parts.
fn split_path(source: &str) -> Option<(&str, Vec<Step<'_>>)> {
    let end = source.find(['.', '[']).unwrap_or(source.len());
    let (root, mut rest) = source.split_at(end);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(field) = rest.strip_prefix('.') {
            let end = field.find(['.', '[']).unwrap_or(field.len());
            let (field, after) = field.split_at(end);
            if field.is_empty() || field.trim() != field {
                return None;
            }
            steps.push(match field.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Field(field),
            });
            rest = after;
        } else {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(match index.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Field(index.trim_matches(['"', '\''])),
            });
            rest = after;
        }
    }
    (!root.is_empty() && steps.len() <= 32).then_some((root, steps))
}

/// Sim's own test of what stands between `<` and `>`.
fn is_likely_reference(inner: &str) -> bool {
    if inner.starts_with(' ') || inner.is_empty() || inner.len() > 500 || inner.contains('\n') {
        return false;
    }
    match inner.split_once('.') {
        Some((name, path)) => !name.contains(' ') && !path.contains(['+', '*', '/', '=', '!']),
        None => {
            !inner.contains(['+', '-', '*', '/', '=', '!', ' ']) && !inner.starts_with(|c: char| c.is_ascii_digit())
        }
    }
}

fn is_environment_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && is_plain(name) && !name.contains('-')
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Words that mean something else in CEL or in Jinja.
const RESERVED: &[&str] = &[
    "and",
    "as",
    "autoescape",
    "block",
    "break",
    "call",
    "const",
    "continue",
    "do",
    "elif",
    "else",
    "extends",
    "false",
    "filter",
    "for",
    "from",
    "function",
    "has",
    "if",
    "import",
    "in",
    "include",
    "is",
    "journey",
    "let",
    "loop",
    "macro",
    "message",
    "namespace",
    "none",
    "not",
    "null",
    "or",
    "package",
    "raw",
    "recursive",
    "return",
    "self",
    "session",
    "set",
    "super",
    "true",
    "type",
    "var",
    "void",
    "while",
    "with",
];

/// A name as an identifier: other characters become `_`, and a word that is taken gets one at its end.
fn identifier(name: &str) -> String {
    let mut identifier: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if identifier.starts_with(|c: char| c.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    identifier.truncate(100);
    if RESERVED.contains(&identifier.as_str()) || FUNCTIONS.contains(&identifier.as_str()) {
        identifier.push('_');
    }
    identifier
}

/// Functions and types of CEL and functions of Jinja.
const FUNCTIONS: &[&str] = &[
    "all",
    "bool",
    "bytes",
    "debug",
    "dict",
    "double",
    "duration",
    "dyn",
    "exists",
    "exists_one",
    "int",
    "list",
    "map",
    "matches",
    "max",
    "min",
    "optional",
    "range",
    "size",
    "string",
    "timestamp",
    "uint",
];

fn push_field(path: &mut String, field: &str) {
    let is_identifier = is_plain(field)
        && !field.contains('-')
        && !field.starts_with(|c: char| c.is_ascii_digit())
        && !RESERVED.contains(&field);
    if is_identifier {
        path.push('.');
        path.push_str(field);
    } else {
        path.push('[');
        path.push_str(&Value::from(field).to_string());
        path.push(']');
    }
}

/// Text as parts of a template: where `{{`, `{%` or `{#` would begin something, an expression that renders it.
pub(super) fn escaped_atoms(text: &str) -> Vec<String> {
    let mut atoms = Vec::new();
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '{'
            && let Some(mark) = characters.next_if(|next| ['{', '%', '#'].contains(next))
        {
            if !plain.is_empty() {
                atoms.push(std::mem::take(&mut plain));
            }
            atoms.push(format!("{{{{ '{{{mark}' }}}}"));
            continue;
        }
        plain.push(c);
    }
    // A brace before a variable would begin an expression with it.
    if plain.ends_with('{') {
        plain.pop();
        if !plain.is_empty() {
            atoms.push(plain);
        }
        atoms.push("{{ '{' }}".to_owned());
        return atoms;
    }
    if !plain.is_empty() {
        atoms.push(plain);
    }
    atoms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Template, Variables};
    use proptest::prelude::*;
    use serde_json::json;

    fn references(parameters: Value) -> References {
        let blocks = [("b1", "Start"), ("b2", "Fetch Data"), ("b3", "session"), ("b4", "2nd-step"), ("b5", "2nd step")];
        References::new(blocks.into_iter(), parameters.as_object().cloned().unwrap_or_default()).unwrap()
    }

    #[track_caller]
    fn assert_template(text: &str, template: &str) {
        assert_eq!(references(json!({})).template(text), template);
    }

    #[test]
    fn references_become_template_variables() {
        assert_template("Hi <start.input>!", "Hi {{ start.input }}!");
        assert_template("<fetchdata.items[0].id>", "{{ fetchdata.items[0].id }}");
        assert_template("<fetchdata.items.0.id>", "{{ fetchdata.items[0].id }}");
        assert_template("<variable.apiHost>/<loop.index>", "{{ variable.apihost }}/{{ loop_.index }}");
        assert_template("{{API_KEY}} {{ API_KEY }}", "{{ env.API_KEY }} {{ env.API_KEY }}");
        assert_template("<b2.content-type>", r#"{{ fetchdata["content-type"] }}"#);
        assert_template("<start>", "{{ start }}");
    }

    #[test]
    fn variables_have_names_that_mean_nothing_else() {
        assert_template("<session.in>", r#"{{ session_["in"] }}"#);
        assert_template("<2nd-step.x> <2ndstep.x>", "{{ _2nd_step.x }} {{ _2ndstep.x }}");
    }

    #[test]
    fn what_is_no_reference_stays_as_it_is() {
        for text in ["a < b && c > d", "<div>", "</p>", "x <y.z>", "<a@b.com>", "1 <2", "<start .x>", "<", "{", "}"] {
            if !text.ends_with('{') {
                assert_template(text, text);
            }
        }
    }

    #[test]
    fn braces_of_the_source_are_escaped() {
        assert_template("{% if %}", "{{ '{%' }} if %}");
        assert_template("{{ not a name }}", "{{ '{{' }} not a name }}");
        assert_template("{#<start.input>", "{{ '{#' }}{{ start.input }}");
        assert_template("{<start.input>}", "{{ '{' }}{{ start.input }}}");
    }

    #[test]
    fn parameters_replace_references() {
        let references = references(json!({
            "start.input": "{{x", "apiHost": "h", "KEY": 1, "env.B": [true], "unused": null
        }));
        let template = references.template("<start.input> <variable.apihost> <variable.apiHost> {{KEY}} {{B}} {{C}}");
        assert_eq!(template, "{{ '{{' }}x {{ variable.apihost }} h 1 [true] {{ env.C }}");
        assert_eq!(references.unused_parameters(), ["unused"]);
    }

    #[test]
    fn unknown_references_are_told() {
        let references = references(json!({}));
        assert_eq!(references.template("<nobody.x> <div>"), "<nobody.x> <div>");
        assert_eq!(references.take_unknown().into_iter().collect::<Vec<_>>(), ["nobody.x"]);
    }

    #[test]
    fn a_template_is_cut_between_its_parts() {
        let references = references(json!({}));
        assert_eq!(references.template_of_at_most("abc<start.input>", 10), ("abc".to_owned(), true));
        assert_eq!(references.template_of_at_most("abcdef", 3), ("abc".to_owned(), true));
        assert_eq!(references.template_of_at_most("abc", 3), ("abc".to_owned(), false));
    }

    #[test]
    fn values_are_bounded() {
        let long = json!({"a": "x".repeat(MAX_PARAMETER_BYTES + 1)});
        let fault = References::new(std::iter::empty(), long.as_object().unwrap().clone()).err().unwrap();
        assert_eq!(fault.to_string(), "parameters.a: the value has 10001 bytes, more than the 10000 allowed");
    }

    proptest! {
        #[test]
        fn pieces_lose_nothing(text in "([<>{}%#.a-z ]|start|<start.input>){0,30}") {
            let references = references(json!({}));
            prop_assert_eq!(references.text(&text), text);
        }

        #[test]
        fn a_template_renders_what_the_source_said(text in "([{}%#a-z \n-]|<start\\.input>){0,30}x") {
            let template = references(json!({})).template(&text);
            let variables = Variables::read(r#"{"start": {"input": "{{ y }}"}}"#).unwrap();
            let rendered = Template::compile(&template).and_then(|template| template.render(&variables));
            prop_assert_eq!(rendered.ok(), Some(text.replace("<start.input>", "{{ y }}")), "{}", template);
        }

        #[test]
        fn a_bound_is_kept(text in "([<>{}%#.a-z ]|<start.input>|\\PC){0,30}", most in 0_usize..40) {
            let (template, _) = references(json!({})).template_of_at_most(&text, most);
            prop_assert!(template.chars().count() <= most);
        }
    }
}
