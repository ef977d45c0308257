//! Documents against JSON Schemas.

use crate::error::error;
use crate::json::Jsonb;
use parlant_core::json_schema::{Violation, violations};
use parlant_core::jsonb::{self, Document};
use pgrx::PgSqlErrorCode::{ERRCODE_NO_DATA_FOUND, ERRCODE_PROGRAM_LIMIT_EXCEEDED};
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Every rule of a JSON Schema that a document breaks.
#[pg_extern(immutable, strict, parallel_safe)]
fn json_schema_violations(
    schema: Jsonb,
    document: Jsonb,
) -> Result<TableIterator<'static, (name!(path, String), name!(message, String))>, ErrorReport> {
    Ok(rows(check(&schema, &document)?))
}

/// What the schema of a tool has against arguments; without a schema there is no such tool.
#[pg_extern(immutable, parallel_safe)]
fn argument_violations(
    tool_id: Option<Uuid>,
    schema: Option<Jsonb>,
    arguments: Option<Jsonb>,
) -> Result<TableIterator<'static, (name!(path, String), name!(message, String))>, ErrorReport> {
    let Some(schema) = schema else {
        return Err(error(
            ERRCODE_NO_DATA_FOUND,
            format!("tool {} does not exist", tool_id.map_or_else(|| "NULL".to_owned(), |id| id.to_string())),
            "No such tool is visible to you.".to_owned(),
            "Check the id. It may also belong to a workspace that you cannot see.",
        ));
    };
    let is_object = |arguments: &Jsonb| jsonb::Jsonb(arguments.source()).root().members().is_some();
    Ok(rows(match arguments.filter(is_object) {
        Some(arguments) => check(&schema, &arguments)?,
        None => vec![Violation { path: String::new(), message: "arguments must be an object".to_owned() }],
    }))
}

fn check(schema: &Jsonb, document: &Jsonb) -> Result<Vec<Violation>, ErrorReport> {
    violations(schema, document).map_err(|reason| {
        error(
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "the document cannot be checked against the schema".to_owned(),
            format!("The reason: {reason}."),
            "Simplify the schema, or pass a smaller document.",
        )
    })
}

fn rows(violations: Vec<Violation>) -> TableIterator<'static, (name!(path, String), name!(message, String))> {
    TableIterator::new(violations.into_iter().map(|violation| (violation.path, violation.message)))
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
