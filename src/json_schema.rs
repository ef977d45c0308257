//! JSON Schemas of tools.

use crate::json::Jsonb;
use pgrx::prelude::*;

/// Why a document is no JSON Schema that parlant accepts, with the path of the fault; NULL if it is one.
#[pg_extern(immutable, strict, parallel_safe)]
fn json_schema_error(schema: Jsonb) -> Option<String> {
    parlant_core::json_schema::error(&schema)
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    fn error_of(schema: &str) -> Option<String> {
        Spi::get_one_with_args("SELECT parlant.json_schema_error($1::jsonb)", &[schema.into()]).unwrap()
    }

    #[pg_test]
    fn json_schema_error_is_null_for_a_schema_and_for_null() {
        assert_eq!(error_of(r#"{"type": "object", "properties": {"n": {"maximum": 1e400}}}"#), None);
        assert_eq!(Spi::get_one::<String>("SELECT parlant.json_schema_error(NULL)"), Ok(None));
    }

    #[pg_test]
    fn json_schema_error_tells_path_and_reason() {
        let error = error_of(r#"{"properties": {"a": {"type": "strnig"}}}"#).unwrap();
        assert!(error.starts_with("/properties/a/type: "), "{error}");
    }

    #[pg_test]
    fn json_schema_error_bounds_depth() {
        let deep = format!("{}true{}", r#"{"not":"#.repeat(5000), "}".repeat(5000));
        assert!(error_of(&deep).unwrap().contains("recursion limit"));
    }
}
