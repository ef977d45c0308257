//! Documents against JSON Schemas.

use crate::error::error;
use crate::json::Jsonb;
use parlant_core::json_schema::violations;
use pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Every rule of a JSON Schema that a document breaks.
#[pg_extern(immutable, strict, parallel_safe)]
fn json_schema_violations(
    schema: Jsonb,
    document: Jsonb,
) -> Result<TableIterator<'static, (name!(path, String), name!(message, String))>, ErrorReport> {
    let found = violations(&schema, &document).map_err(|reason| {
        error(
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "the document cannot be checked against the schema".to_owned(),
            format!("The reason: {reason}."),
            "Simplify the schema, or pass a smaller document.",
        )
    })?;
    Ok(TableIterator::new(found.into_iter().map(|violation| (violation.path, violation.message))))
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn json_schema_violations_tells_path_and_message() {
        let found = Spi::get_one::<String>(
            r#"SELECT string_agg(path || ': ' || message, '; ' ORDER BY path) FROM parlant.json_schema_violations(
                 '{"required": ["a"], "properties": {"b": {"maximum": 2}}}', '{"b": 3}')"#,
        );
        let expected = r#": "a" is a required property; /b: 3 is greater than the maximum of 2"#;
        assert_eq!(found, Ok(Some(expected.to_owned())));
    }
}
