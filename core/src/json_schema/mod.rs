//! JSON Schemas as parlant accepts them for tools: draft 2020-12 unless `$schema` names another, complete in
//! themselves, and small enough that nothing a user stores can slow the server down.

mod steps;

use crate::cache::Cache;
use crate::jsonb::Document;
use jsonschema::json::{Json, Jsonb, SerdeJson};
use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

/// Longest schema, in bytes of its JSON text.
pub const MAX_BYTES: usize = 256 * 1024;

/// Most regular expressions in one schema, in `pattern` and `patternProperties` together. A compiled one can take a
/// thousand times the memory of its text.
pub const MAX_PATTERNS: usize = 100;

/// Largest compiled regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Most backtracking steps that matching one regular expression may take.
const MAX_BACKTRACKING_STEPS: usize = 10_000;

/// Longest JSON text of what is checked against a schema, in bytes.
pub const MAX_INSTANCE_BYTES: usize = 1024 * 1024;

/// Most violations that are told.
pub const MAX_VIOLATIONS: usize = 100;

/// Most steps of a validation, roughly the subschemas that are tried.
const MAX_STEPS: u64 = 100_000;

/// Longest message that quotes what is wrong.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// Room for compiled schemas of each kind, in bytes of a connection's memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// A guess at the memory of a compiled schema for each byte of its text, and for each of its regular expressions.
const BYTES_FOR_EACH_BYTE: usize = 20;
const BYTES_FOR_EACH_PATTERN: usize = 64 * 1024;

/// A rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer to what is wrong; empty for the document itself.
    pub path: String,
    pub message: String,
}

/// Why a document is no JSON Schema that parlant accepts, or `None` if it is one.
///
/// Refused are schemas that break their own meta-schema, hold a regular expression that does not compile, refer to
/// something outside themselves, are longer than [`MAX_BYTES`], nested more than 127 levels deep, or hold more than
/// [`MAX_PATTERNS`] regular expressions.
pub fn error(schema: &(impl Document + ?Sized)) -> Option<String> {
    compile::<SerdeJson>(schema).err()
}

/// The validator of a schema and how many regular expressions it has, or why there is none.
fn compile<F: Json>(document: &(impl Document + ?Sized)) -> Result<(Validator<F>, usize), String> {
    let length = document.source().len();
    if length > MAX_BYTES {
        return Err(format!("the schema has {length} bytes, more than the {MAX_BYTES} allowed"));
    }
    let mut schema = document.value()?;
    let patterns = count_patterns(&schema);
    if patterns > MAX_PATTERNS {
        return Err(format!("the schema has {patterns} regular expressions, more than the {MAX_PATTERNS} allowed"));
    }
    steps::insert(&mut schema);
    let pattern_bounds =
        PatternOptions::fancy_regex().backtrack_limit(MAX_BACKTRACKING_STEPS).size_limit(MAX_PATTERN_BYTES);
    let options = jsonschema::options_for::<F>().offline().with_pattern_options(pattern_bounds);
    let built = options.with_keyword(steps::KEYWORD, count_steps).build(&schema);
    let validator = built.map_err(|e| match e.instance_path().as_str() {
        "" => e.to_string(),
        path => format!("{path}: {e}"),
    })?;
    Ok((validator, patterns))
}

fn count_steps<'a, F: Json>(
    _: &'a Map<String, Value>,
    cost: &'a Value,
    _: jsonschema::paths::Location,
) -> Result<Box<dyn for<'i> Keyword<'i, F>>, ValidationError<'a>> {
    Ok(Box::new(steps::Steps::from_value(cost)))
}

/// What a document breaks of a schema, at most [`MAX_VIOLATIONS`] rules, or why that cannot be told.
pub fn violations(
    schema: &(impl Document + ?Sized),
    instance: &(impl Document + ?Sized),
) -> Result<Vec<Violation>, String> {
    let length = instance.source().len();
    if length > MAX_INSTANCE_BYTES {
        return Err(format!("the document has {length} bytes, more than the {MAX_INSTANCE_BYTES} allowed"));
    }
    // Mostly there are none, which a stored document tells as it lies there.
    if let Some(stored) = instance.stored() {
        stored.root().check_depth()?;
        let validator = compiled(&OF_STORED, schema)?;
        if bounded(|| validator.is_valid(Jsonb::root(stored.0)))? {
            return Ok(Vec::new());
        }
    }
    let instance = instance.value()?;
    let validator = compiled(&OF_VALUES, schema)?;
    bounded(|| validator.iter_errors(&instance).take(MAX_VIOLATIONS).map(|error| violation(&error)).collect())
}

/// The validator of a schema, of documents in one representation.
fn compiled<F: Json>(
    cache: &'static LocalKey<RefCell<Cache<Validator<F>>>>,
    schema: &(impl Document + ?Sized),
) -> Result<Rc<Validator<F>>, String> {
    if let Some(validator) = cache.with_borrow_mut(|cache| cache.get(schema.source())) {
        return Ok(validator);
    }
    let (validator, patterns) = compile(schema)?;
    let size = schema.source().len() * BYTES_FOR_EACH_BYTE + patterns * BYTES_FOR_EACH_PATTERN;
    Ok(cache.with_borrow_mut(|cache| cache.put(schema.source(), validator, size)))
}

fn bounded<T>(check: impl FnOnce() -> T) -> Result<T, String> {
    steps::bounded(MAX_STEPS, check)
        .ok_or_else(|| format!("checking the document against the schema takes more than {MAX_STEPS} steps"))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let message = error.to_string();
    let is_long = message.chars().nth(MAX_MESSAGE_CHARACTERS).is_some();
    Violation {
        path: error.instance_path().as_str().to_owned(),
        message: if is_long { error.masked().to_string() } else { message },
    }
}

thread_local! {
    static OF_STORED: RefCell<Cache<Validator<Jsonb>>> = RefCell::new(Cache::new(CACHE_BYTES));
    static OF_VALUES: RefCell<Cache<Validator>> = RefCell::new(Cache::new(CACHE_BYTES));
}

/// Recursion is safe: parsing has bounded the depth.
fn count_patterns(value: &Value) -> usize {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| {
                let here = match (key.as_str(), member) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len(),
                    _ => 0,
                };
                here + count_patterns(member)
            })
            .sum(),
        Value::Array(elements) => elements.iter().map(count_patterns).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonb;
    use proptest::prelude::*;

    #[track_caller]
    fn assert_refused(schema: &str, reason: &str) {
        let error = error(schema).unwrap_or_else(|| panic!("accepted: {schema}"));
        assert!(error.contains(reason), "{schema}: {error}");
    }

    #[test]
    fn schemas_of_both_drafts_are_accepted() {
        for schema in [
            "{}",
            r#"{"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}, "required": ["city"]}"#,
            r##"{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "integer"}},
                "properties": {"n": {"$ref": "#/definitions/a"}}}"##,
            r##"{"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"}"##,
            r#"{"pattern": "^(?!x)[a-z]+$"}"#,
        ] {
            assert_eq!(error(schema), None, "{schema}");
        }
    }

    #[test]
    fn an_error_tells_where_it_is() {
        assert_refused(r#"{"properties": {"a": {"type": "strnig"}}}"#, "/properties/a/type: ");
        assert_refused(r#"{"required": "city"}"#, "/required: ");
        assert_refused(r#"{"properties": {"a": {"minimum": "1"}}}"#, "/properties/a/minimum: ");
    }

    #[test]
    fn a_pattern_must_compile() {
        assert_refused(r#"{"pattern": "("}"#, "pattern");
        assert_refused(r#"{"pattern": "(a{1000}){1000}{1000}"}"#, "(a{1000}){1000}{1000}");
    }

    #[test]
    fn nothing_outside_the_schema_is_fetched() {
        assert_refused(r#"{"$ref": "http://127.0.0.1:1/schema.json"}"#, "http://127.0.0.1:1/schema.json");
        assert_refused(r#"{"$ref": "file:///etc/passwd"}"#, "file:///etc/passwd");
        assert_refused(r#"{"$schema": "http://127.0.0.1:1/meta.json"}"#, "http://127.0.0.1:1/meta.json");
        assert_refused(r##"{"$ref": "#/$defs/absent"}"##, "absent");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(MAX_BYTES));
        assert_refused(&long, "more than the 262144 allowed");
        let deep = format!("{}true{}", r#"{"not":"#.repeat(200), "}".repeat(200));
        assert_refused(&deep, "recursion limit");
    }

    #[test]
    fn the_number_of_patterns_is_bounded() {
        let with_patterns = |n: usize| {
            let properties: Vec<_> = (1..n).map(|i| format!(r#""p{i}": {{"pattern": "^{i}$"}}"#)).collect();
            format!(r#"{{"properties": {{{}}}, "patternProperties": {{"^x": {{}}}}}}"#, properties.join(", "))
        };
        assert_eq!(error(&with_patterns(MAX_PATTERNS)), None);
        assert_refused(&with_patterns(MAX_PATTERNS + 1), "101 regular expressions, more than the 100 allowed");
    }

    #[test]
    fn references_that_multiply_are_compiled_once() {
        let mut definitions = vec![r#""d0": {"type": "string"}"#.to_owned()];
        for n in 1..40 {
            let below = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, n - 1);
            definitions.push(format!(r#""d{n}": {{"allOf": [{below}, {below}]}}"#));
        }
        let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/d39"}}"##, definitions.join(", "));
        assert_eq!(error(&schema), None);
    }

    fn violations_of(schema: &str, instance: &str) -> Vec<(String, String)> {
        violations(schema, instance).unwrap().into_iter().map(|v| (v.path, v.message)).collect()
    }

    #[test]
    fn every_violation_is_told_with_its_path() {
        let schema = r#"{"type": "object", "required": ["city", "days"], "additionalProperties": false,
            "properties": {"city": {}, "days": {"type": "integer", "minimum": 1}, "tags": {"items": {"maxLength": 2}}}}"#;
        let expected = [
            ("/days", "0 is less than the minimum of 1"),
            ("/tags/1", "\"abc\" is longer than 2 characters"),
            ("", "\"city\" is a required property"),
            ("", "Additional properties are not allowed ('x' was unexpected)"),
        ];
        let mut found = violations_of(schema, r#"{"days": 0, "tags": ["a", "abc"], "x": 1}"#);
        found.sort();
        let mut expected = expected.map(|(path, message)| (path.to_owned(), message.to_owned()));
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(violations_of(schema, r#"{"city": "Rome", "days": 3}"#), []);
    }

    #[test]
    fn counting_steps_changes_no_meaning() {
        let schema = r#"{"properties": {"a": {"const": {"b": 1}}, "c": {"enum": [{"d": 2}]}, "enum": {"type": "string"}},
            "unevaluatedProperties": false, "dependentRequired": {"a": ["c"]}}"#;
        assert_eq!(violations_of(schema, r#"{"a": {"b": 1}, "c": {"d": 2}, "enum": "x"}"#), []);
        assert_eq!(violations_of(schema, r#"{"a": {"b": 1}}"#).len(), 1);
        assert_eq!(
            violations_of(schema, r#"{"enum": 1}"#),
            [("/enum".to_owned(), "1 is not of type \"string\"".to_owned())]
        );
    }

    #[test]
    fn long_values_are_not_quoted_and_violations_are_bounded() {
        let long = format!("\"{}\"", "x".repeat(1000));
        assert_eq!(
            violations_of(r#"{"type": "integer"}"#, &long),
            [(String::new(), "value is not of type \"integer\"".to_owned())]
        );
        let many = format!("[{}]", vec!["\"x\""; 1000].join(","));
        assert_eq!(violations_of(r#"{"items": {"type": "integer"}}"#, &many).len(), MAX_VIOLATIONS);
    }

    #[test]
    fn references_in_a_circle_end() {
        for schema in [
            r##"{"$ref": "#"}"##,
            r##"{"allOf": [{"$ref": "#"}]}"##,
            r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##,
        ] {
            assert_eq!(violations(schema, "1"), Ok(Vec::new()), "{schema}");
            let stored = jsonb::write(&jsonb::Tree::Integer(1)).unwrap();
            assert_eq!(violations(schema, &jsonb::Jsonb(&stored)), Ok(Vec::new()), "{schema}");
        }
    }

    #[test]
    fn a_validation_that_would_take_ages_is_refused() {
        let doubling = |prefix: &str, definitions: &str| {
            let mut made = vec![r#""d0": {"type": "string"}"#.to_owned()];
            for n in 1..40 {
                let below = format!(r##"{{"$ref": "#/{definitions}/d{}"}}"##, n - 1);
                made.push(format!(r#""d{n}": {{"allOf": [{below}, {below}]}}"#));
            }
            format!(
                r##"{{{prefix}"{definitions}": {{{}}}, "allOf": [{{"$ref": "#/{definitions}/d39"}}]}}"##,
                made.join(", ")
            )
        };
        let draft_7 = r#""$schema": "http://json-schema.org/draft-07/schema#", "#;
        for schema in [doubling("", "$defs"), doubling(draft_7, "definitions"), doubling("", "elsewhere")] {
            let error = violations(&schema, "\"x\"").unwrap_err();
            assert!(error.contains("more than 100000 steps"), "{error}");
            let stored = jsonb::write(&jsonb::Tree::Text("x")).unwrap();
            assert_eq!(violations(&schema, &jsonb::Jsonb(&stored)), Err(error));
        }
        let many = format!("{{{}}}", (0..5000).map(|n| format!("\"k{n}\": 1")).collect::<Vec<_>>().join(", "));
        let error = violations(r#"{"patternProperties": {"a": {}, "b": {}}}"#, &many).unwrap_err();
        assert!(error.contains("steps"), "{error}");
    }

    #[test]
    fn documents_are_bounded() {
        assert!(violations("{}", &format!("\"{}\"", "x".repeat(MAX_INSTANCE_BYTES))).is_err());
        assert!(violations("{}", &"[".repeat(1000)).is_err());
        let deep = (0..1000).fold(Value::Null, |inner, _| Value::from(vec![inner]));
        let stored = jsonb::write(&(&deep).into()).unwrap();
        assert_eq!(violations("{}", &jsonb::Jsonb(&stored)).unwrap_err(), "recursion limit exceeded");
        assert!(violations("[]", "1").is_err());
    }

    fn instance() -> impl Strategy<Value = Value> {
        let number =
            "-?(0|[1-9][0-9]{0,20})([.][0-9]{0,3}[1-9]0?)?".prop_map(|text| serde_json::from_str(&text).unwrap());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (0..12_i64).prop_map(Value::from),
            number,
            "[abé]{0,4}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-d]{1,2}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    const SCHEMAS: &[&str] = &[
        r#"{"type": ["object", "array"], "minProperties": 1, "maxItems": 3, "maxProperties": 3, "minItems": 2}"#,
        r#"{"properties": {"a": {"type": "integer"}, "b": {"type": "number", "multipleOf": 0.5}}, "required": ["a"],
            "additionalProperties": false}"#,
        r#"{"patternProperties": {"^a": {"type": "string", "pattern": "^a*$"}}, "additionalProperties": {"minimum": 5}}"#,
        r#"{"anyOf": [{"const": 1.0}, {"enum": ["", "a", null, [1, 2], {"a": 1}]}, {"exclusiveMaximum": 100000000000}]}"#,
        r#"{"items": {"oneOf": [{"type": "integer"}, {"maxLength": 2}]}, "uniqueItems": true}"#,
        r#"{"prefixItems": [{"type": "string"}], "contains": {"type": "number"}, "unevaluatedItems": false}"#,
        r##"{"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"a": {"$ref": "#/$defs/node"}}, "required": ["a"]}}}"##,
        r#"{"propertyNames": {"maxLength": 1}, "dependentRequired": {"a": ["b"]}, "unevaluatedProperties": false}"#,
        r#"{"if": {"type": "object"}, "then": {"not": {"required": ["b"]}}, "else": {"type": "integer"}}"#,
        r#"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 3, "exclusiveMinimum": true}"#,
        r#"{"multipleOf": 0.01, "maximum": 12345678901234567890.5}"#,
    ];

    proptest! {
        #[test]
        fn a_stored_document_breaks_what_its_text_breaks(schema in prop::sample::select(SCHEMAS), instance in instance()) {
            let stored = jsonb::write(&(&instance).into()).unwrap();
            let stored = jsonb::Jsonb(&stored);
            let text = stored.value().unwrap().to_string();
            prop_assert_eq!(violations(schema, &stored), violations(schema, &text));
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = error(&text);
        }
    }
}
