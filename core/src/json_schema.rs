//! JSON Schemas as parlant accepts them for tools: draft 2020-12 unless `$schema` names another, complete in
//! themselves, and small enough that nothing a user stores can slow the server down.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Longest schema, in bytes of its JSON text.
pub const MAX_BYTES: usize = 256 * 1024;

/// Most regular expressions in one schema, in `pattern` and `patternProperties` together. A compiled one can take a
/// thousand times the memory of its text.
pub const MAX_PATTERNS: usize = 100;

/// Largest compiled regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Most backtracking steps that matching one regular expression may take.
const MAX_BACKTRACKING_STEPS: usize = 100_000;

/// Why `text` is no JSON Schema that parlant accepts, or `None` if it is one.
///
/// Refused are schemas that break their own meta-schema, hold a regular expression that does not compile, refer to
/// something outside themselves, are longer than [`MAX_BYTES`], nested more than 127 levels deep, or hold more than
/// [`MAX_PATTERNS`] regular expressions.
pub fn error(text: &str) -> Option<String> {
    compile(text).err()
}

/// The validator of a schema, or why there is none.
pub fn compile(text: &str) -> Result<Validator, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the schema has {} bytes, more than the {MAX_BYTES} allowed", text.len()));
    }
    let schema: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let patterns = count_patterns(&schema);
    if patterns > MAX_PATTERNS {
        return Err(format!("the schema has {patterns} regular expressions, more than the {MAX_PATTERNS} allowed"));
    }
    let pattern_bounds =
        PatternOptions::fancy_regex().backtrack_limit(MAX_BACKTRACKING_STEPS).size_limit(MAX_PATTERN_BYTES);
    jsonschema::options().offline().with_pattern_options(pattern_bounds).build(&schema).map_err(|e| {
        match e.instance_path().as_str() {
            "" => e.to_string(),
            path => format!("{path}: {e}"),
        }
    })
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

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = error(&text);
        }
    }
}
