//! What templates can call, each bounded: whoever makes text pays for it from one account.

use super::{Fault, MAX_OUTPUT_BYTES, MAX_VARIABLES_BYTES, Place, value};
use crate::jsonb::Document;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};

/// The filters of a template's author.
pub(super) const FILTERS: [&str; 25] = [
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "sort",
    "string",
    "title",
    "trim",
    "upper",
];

/// The functions of a template's author.
pub(super) const FUNCTIONS: [&str; 1] = ["range"];

/// The tests of a template's author.
pub(super) const TESTS: [&str; 16] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
];

/// The one test that is also known by its opposite.
pub(super) const UNDEFINED: &str = "undefined";

// Names of filters that only the checked tree has, as no author can write them.
pub(super) const EMIT: &str = ">";
pub(super) const NEED: &str = "!";
pub(super) const NEED_TEXT: &str = "!>";
pub(super) const CONCATENATE: &str = "~";
pub(super) const ADD: &str = "+";
pub(super) const SUBTRACT: &str = "-";
pub(super) const MULTIPLY: &str = "*";
pub(super) const DIVIDE: &str = "/";
pub(super) const DIVIDE_WHOLE: &str = "//";
pub(super) const REMAINDER: &str = "%";
pub(super) const NEGATE: &str = "0-";

/// Most numbers of `range`.
const MAX_RANGE: i64 = 10_000;

/// What an element of a list costs, in bytes.
const ELEMENT_BYTES: usize = 64;

thread_local! {
    static ACCOUNT: Cell<usize> = const { Cell::new(0) };
    static MISSING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What `work` gives, and what it found missing.
pub(super) fn counted<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    ACCOUNT.set(MAX_OUTPUT_BYTES);
    MISSING.take();
    let result = work();
    (result, MISSING.take())
}

/// The variables of a rendering.
pub(super) fn root(variables: &(impl Document + ?Sized)) -> Result<Value, Fault> {
    let length = variables.source().len();
    if length > MAX_VARIABLES_BYTES {
        let reason = format!("the variables have {length} bytes, more than the {MAX_VARIABLES_BYTES} allowed");
        return Err(Fault::TooLarge(reason));
    }
    let refused = |reason: String| Fault::Failed { place: Place { line: 1, column: 1 }, reason };
    match variables.value() {
        Ok(json @ serde_json::Value::Object(_)) => Ok(value(&json)),
        Ok(_) => Err(refused("the variables are not a JSON object".to_owned())),
        Err(error) => Err(refused(format!("the variables are not JSON: {error}"))),
    }
}

pub(super) fn environment<'source>(steps: u64) -> Environment<'source> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(steps));
    environment.set_debug(true);
    add_operators(&mut environment);
    add_text_filters(&mut environment);
    add_other_filters(&mut environment);
    add_tests(&mut environment);
    environment.add_function("range", range);
    environment
}

fn add_operators(environment: &mut Environment<'_>) {
    environment.add_filter(EMIT, |text: &Value| written(&[text]));
    environment.add_filter(NEED, |found: &Value, name: String| need(found, found.is_undefined(), name));
    // Nobody wants to tell a customer that his name is None.
    environment.add_filter(NEED_TEXT, |found: &Value, name: String| {
        need(found, found.is_undefined() || found.is_none(), name)
    });
    environment
        .add_filter(CONCATENATE, |left: &Value, right: &Value| defined(&[left, right], || written(&[left, right])));
    environment.add_filter(ADD, |left: &Value, right: &Value| {
        defined(&[left, right], || match (left.as_str(), right.as_str()) {
            (Some(_), Some(_)) => written(&[left, right]),
            _ => computed("+", left, right, i128::checked_add, |a, b| a + b),
        })
    });
    environment.add_filter(SUBTRACT, |left: &Value, right: &Value| {
        defined(&[left, right], || computed("-", left, right, i128::checked_sub, |a, b| a - b))
    });
    environment.add_filter(MULTIPLY, |left: &Value, right: &Value| {
        defined(&[left, right], || computed("*", left, right, i128::checked_mul, |a, b| a * b))
    });
    environment.add_filter(DIVIDE, |left: &Value, right: &Value| {
        defined(&[left, right], || computed("/", left, right, |_, _| None, |a, b| a / b))
    });
    environment.add_filter(DIVIDE_WHOLE, |left: &Value, right: &Value| {
        defined(&[left, right], || computed("//", left, right, i128::checked_div_euclid, |a, b| a.div_euclid(b)))
    });
    environment.add_filter(REMAINDER, |left: &Value, right: &Value| {
        defined(&[left, right], || computed("%", left, right, i128::checked_rem_euclid, |a, b| a.rem_euclid(b)))
    });
    environment.add_filter(NEGATE, |number: &Value| {
        defined(&[number], || computed("-", &Value::from(0), number, i128::checked_sub, |_, b| -b))
    });
}

fn add_text_filters(environment: &mut Environment<'_>) {
    environment.add_filter("string", |text: &Value| defined(&[text], || written(&[text])));
    environment.add_filter("upper", |text: &Value| changed(text, str::to_uppercase));
    environment.add_filter("lower", |text: &Value| changed(text, str::to_lowercase));
    environment.add_filter("title", |text: &Value| changed(text, |text| filters::title(text.into()).to_string()));
    environment.add_filter("capitalize", |text: &Value| changed(text, capitalize));
    environment.add_filter("trim", |text: &Value, characters: Option<String>| {
        changed(text, |text| match &characters {
            Some(characters) => text.trim_matches(|c| characters.contains(c)).to_owned(),
            None => text.trim().to_owned(),
        })
    });
    environment.add_filter("replace", |text: &Value, from: &Value, to: &Value| {
        defined(&[text, from, to], || replace(text, from, to))
    });
    environment.add_filter("join", |list: &Value, separator: Option<Value>| join(list, separator.as_ref()));
}

fn add_other_filters(environment: &mut Environment<'_>) {
    environment.add_filter("default", filters::default);
    environment.add_filter("d", filters::default);
    environment.add_filter("length", |list: &Value| defined(&[list], || filters::length(list).map(Value::from)));
    environment.add_filter("count", |list: &Value| defined(&[list], || filters::length(list).map(Value::from)));
    environment.add_filter("first", |list: &Value| defined(&[list], || filters::first(list)));
    environment.add_filter("last", |list: &Value| defined(&[list], || filters::last(list.clone())));
    environment.add_filter("round", |number: &Value, places: Option<i32>| {
        defined(&[number], || filters::round(number.clone(), places.map(|places| places.clamp(-30, 30))))
    });
    environment.add_filter("abs", |number: &Value| defined(&[number], || filters::abs(number.clone())));
    environment.add_filter("int", |state: &State, number: &Value| defined(&[number], || filters::int(state, number)));
    environment
        .add_filter("float", |state: &State, number: &Value| defined(&[number], || filters::float(state, number)));
    environment.add_filter("min", |state: &State, list: &Value| of_list(list, |list| filters::min(state, list)));
    environment.add_filter("max", |state: &State, list: &Value| of_list(list, |list| filters::max(state, list)));
    environment.add_filter("list", |state: &State, list: &Value| of_list(list, |list| filters::list(state, list)));
    environment.add_filter("reverse", |list: &Value| of_list(list, |list| filters::reverse(&list)));
    environment.add_filter("items", |list: &Value| of_list(list, |list| filters::items(&list)));
    environment.add_filter("sort", |state: &State, list: &Value, options: Kwargs| {
        of_list(list, |list| filters::sort(state, list, options))
    });
    environment.add_filter("dictsort", |list: &Value, options: Kwargs| {
        of_list(list, |list| filters::dictsort(&list, options))
    });
}

fn add_tests(environment: &mut Environment<'_>) {
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test(UNDEFINED, tests::is_undefined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("iterable", tests::is_iterable);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
}

/// Notes that a value the template cannot do without is not there, and goes on, to find what else is not.
fn need(found: &Value, is_missing: bool, name: String) -> Value {
    if is_missing {
        MISSING.with_borrow_mut(|missing| {
            if !missing.contains(&name) {
                missing.push(name);
            }
        });
    }
    found.clone()
}

/// An operation on what is undefined is undefined.
fn defined(operands: &[&Value], operation: impl FnOnce() -> Result<Value, Error>) -> Result<Value, Error> {
    if operands.iter().any(|operand| operand.is_undefined()) { Ok(Value::UNDEFINED) } else { operation() }
}

fn pay(bytes: usize) -> Result<(), Error> {
    match ACCOUNT.get().checked_sub(bytes) {
        Some(rest) => {
            ACCOUNT.set(rest);
            Ok(())
        }
        None => Err(ErrorKind::WriteFailure.into()),
    }
}

/// A text that is paid for as it is written.
struct Paid(String);

impl Write for Paid {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        pay(text.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}

impl Paid {
    fn write_value(&mut self, value: &Value) -> Result<(), Error> {
        write!(self, "{value}").map_err(|_| ErrorKind::WriteFailure.into())
    }
}

fn written(values: &[&Value]) -> Result<Value, Error> {
    let mut text = Paid(String::new());
    for value in values {
        text.write_value(value)?;
    }
    Ok(Value::from(text.0))
}

fn changed(text: &Value, change: impl FnOnce(&str) -> String) -> Result<Value, Error> {
    defined(&[text], || {
        let text = written(&[text])?;
        // No change of case makes more than three times as much.
        pay(text.as_str().map_or(0, str::len).saturating_mul(3))?;
        Ok(Value::from(change(text.as_str().unwrap_or_default())))
    })
}

fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.as_str().to_lowercase().chars()).collect()
}

fn replace(text: &Value, from: &Value, to: &Value) -> Result<Value, Error> {
    let (text, from, to) = (written(&[text])?, written(&[from])?, written(&[to])?);
    let (text, from, to) =
        (text.as_str().unwrap_or_default(), from.as_str().unwrap_or_default(), to.as_str().unwrap_or_default());
    if from.is_empty() {
        return Ok(Value::from(text));
    }
    let mut replaced = Paid(String::new());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(from) {
        replaced.write_str(before).and_then(|()| replaced.write_str(to)).map_err(|_| ErrorKind::WriteFailure)?;
        rest = behind;
    }
    replaced.write_str(rest).map_err(|_| ErrorKind::WriteFailure)?;
    Ok(Value::from(replaced.0))
}

fn join(list: &Value, separator: Option<&Value>) -> Result<Value, Error> {
    if list.is_undefined() || separator.is_some_and(Value::is_undefined) {
        return Ok(Value::UNDEFINED);
    }
    let mut text = Paid(String::new());
    for (n, element) in list.try_iter()?.enumerate() {
        if let (true, Some(separator)) = (n > 0, separator) {
            text.write_value(separator)?;
        }
        text.write_value(&element)?;
    }
    Ok(Value::from(text.0))
}

fn of_list<T: Into<Value>>(list: &Value, operation: impl FnOnce(Value) -> Result<T, Error>) -> Result<Value, Error> {
    defined(&[list], || {
        let length = list.as_str().map(str::len).or_else(|| list.len()).unwrap_or(0);
        pay(length.saturating_mul(ELEMENT_BYTES))?;
        operation(list.clone()).map(Into::into)
    })
}

/// Arithmetic, exact between whole numbers where `exact` is defined.
fn computed(
    operator: &str,
    left: &Value,
    right: &Value,
    exact: impl FnOnce(i128, i128) -> Option<i128>,
    approximate: impl FnOnce(f64, f64) -> f64,
) -> Result<Value, Error> {
    let refused = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    if left.kind() != ValueKind::Number || right.kind() != ValueKind::Number {
        return Err(refused(format!("{operator} is for numbers, not for {} and {}", left.kind(), right.kind())));
    }
    if operator != "/" && left.is_integer() && right.is_integer() {
        let result = exact(i128::try_from(left.clone())?, i128::try_from(right.clone())?);
        return result
            .map(|result| i64::try_from(result).map_or_else(|_| Value::from(result), Value::from))
            .ok_or_else(|| refused(format!("{left} {operator} {right} is no number that templates can hold")));
    }
    let result = approximate(f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    if result.is_finite() {
        Ok(Value::from(result))
    } else {
        Err(refused(format!("{left} {operator} {right} is no number that templates can hold")))
    }
}

fn range(bounds: Rest<i64>) -> Result<Value, Error> {
    let (from, to, step) = match *bounds.as_slice() {
        [to] => (0, to, 1),
        [from, to] => (from, to, 1),
        [from, to, step] if step > 0 => (from, to, step),
        _ => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "range takes an end, a start and an end, or also a step above 0",
            ));
        }
    };
    let length = to.checked_sub(from).map_or(i64::MAX, |distance| distance.max(0) / step);
    if length > MAX_RANGE {
        return Err(ErrorKind::OutOfFuel.into());
    }
    let numbers = (0_i64..).map_while(|n| from.checked_add(n.checked_mul(step)?).filter(|number| *number < to));
    Ok(Value::from(numbers.collect::<Vec<_>>()))
}
