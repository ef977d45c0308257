//! Journey documents: what is wrong with one, its normal form, its diagram.

use crate::error::error;
use crate::json::{Jsonb, JsonbMade};
use parlant_core::journey::{self, Finding, Reading, Severity, ToolStatus};
use parlant_core::jsonb::Document;
use pgrx::PgSqlErrorCode::{
    self, ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE, ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Most findings that an error shows; the validating functions give all.
const MAX_SHOWN: usize = 20;

pub(super) type FindingRow = (
    name!(severity, &'static str),
    name!(code, &'static str),
    name!(state, Option<String>),
    name!(transition, Option<String>),
    name!(message, String),
    name!(hint, &'static str),
    name!(path, String),
);

/// What is wrong with a journey document. `tools` tells, for each tool that states name, whether it is `usable`,
/// `unknown`, `disabled` or `not_assigned`; without it tools are not judged.
#[pg_extern(immutable, parallel_safe)]
fn validate_journey_definition(
    definition: Jsonb,
    tools: default!(Option<Jsonb>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(severity, &'static str),
            name!(code, &'static str),
            name!(state, Option<String>),
            name!(transition, Option<String>),
            name!(message, String),
            name!(hint, &'static str),
            name!(path, String),
        ),
    >,
    ErrorReport,
> {
    let tools = tools.map(|tools| tool_statuses(&tools)).transpose()?;
    let reading = journey::check(&definition, tools.as_ref());
    Ok(TableIterator::new(reading.findings.into_iter().map(row)))
}

pub(super) fn row(finding: Finding) -> FindingRow {
    let hint = finding.hint();
    let Finding { severity, code, path, state, transition, message } = finding;
    (severity.name(), code, state, transition, message, hint, path)
}

pub(super) fn tool_statuses(tools: &Jsonb) -> Result<HashMap<String, ToolStatus>, ErrorReport> {
    let status = |name: &str| match name {
        "usable" => Some(ToolStatus::Usable),
        "unknown" => Some(ToolStatus::Unknown),
        "disabled" => Some(ToolStatus::Disabled),
        "not_assigned" => Some(ToolStatus::NotAssigned),
        _ => None,
    };
    let statuses: Option<HashMap<_, _>> = match tools.value() {
        Ok(Value::Object(tools)) => {
            tools.into_iter().map(|(tool, name)| Some((tool, status(name.as_str()?)?))).collect()
        }
        _ => None,
    };
    statuses.ok_or_else(|| {
        error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "tools is no object of statuses".to_owned(),
            "A status is usable, unknown, disabled or not_assigned.".to_owned(),
            "Leave it out, or call parlant.validate_journey, which looks the tools up.",
        )
    })
}

/// The normal form of a journey document without errors.
///
/// # Errors
/// 22030 if its keys or names are wrong, 54000 if it is over a limit, 22023 if anything else is wrong with it, with
/// all that is wrong in DETAIL.
#[pg_extern(immutable, parallel_safe)]
fn checked_journey_definition(definition: Option<Jsonb>) -> Result<JsonbMade, ErrorReport> {
    let Reading { journey, findings, .. } = match definition {
        Some(definition) => journey::check(&definition, None),
        None => journey::check("null", None),
    };
    let errors: Vec<_> = findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    match (journey, errors.as_slice()) {
        (Some(journey), []) => Ok(JsonbMade::of(journey.document())),
        (journey, errors) => Err(refusal(&journey.map(|journey| journey.title).unwrap_or_default(), errors)),
    }
}

fn refusal(title: &str, errors: &[Finding]) -> ErrorReport {
    let name = if title.is_empty() { "the journey".to_owned() } else { format!("journey \"{title}\"") };
    let mut detail = String::new();
    for finding in errors.iter().take(MAX_SHOWN) {
        let place = if finding.path.is_empty() { "/" } else { &finding.path };
        // Writing to a string cannot fail.
        let _ = writeln!(detail, "{place}: {}: {}", finding.code, finding.message);
    }
    if errors.len() > MAX_SHOWN {
        let _ = writeln!(detail, "and {} more", errors.len() - MAX_SHOWN);
    }
    let hint = match errors {
        [only] => only.hint(),
        _ => "parlant.validate_journey_definition shows each with a hint.",
    };
    let count = if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
    error(sqlstate(errors), format!("the definition of {name} has {count}"), detail.trim_end().to_owned(), hint)
}

/// The one that fits all of them.
fn sqlstate(errors: &[Finding]) -> PgSqlErrorCode {
    let fitting = |finding: &Finding| match finding.code {
        "unknown_key" | "duplicate_key" | "missing_key" | "duplicate_state_name" => {
            ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE
        }
        "over_limit" => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        _ => ERRCODE_INVALID_PARAMETER_VALUE,
    };
    let first = errors.first().map_or(ERRCODE_INVALID_PARAMETER_VALUE, fitting);
    if errors.iter().all(|finding| fitting(finding) == first) { first } else { ERRCODE_INVALID_PARAMETER_VALUE }
}

/// A journey document as Mermaid text, with the state of a name highlighted.
#[pg_extern(immutable, parallel_safe)]
fn draw_journey(definition: Jsonb, current_state: default!(Option<&str>, "NULL")) -> Option<String> {
    journey::read(&definition).journey.map(|journey| journey::diagram(&journey, current_state))
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    const DOCUMENT: &str = r#"{"title": "t", "states": [{"name": "a", "type": "chat", "initial": true, "prompt": "?"},
        {"name": "b", "type": "final"}], "transitions": [{"fromStateName": "a", "toStateName": "b"}]}"#;

    #[pg_test]
    fn a_sound_document_has_no_findings() {
        let found = Spi::get_one_with_args::<i64>(
            "SELECT count(*) FROM parlant.validate_journey_definition($1::jsonb)",
            &[DOCUMENT.into()],
        );
        assert_eq!(found, Ok(Some(0)));
    }

    #[pg_test]
    fn a_checked_document_is_in_its_normal_form() {
        let normal = Spi::get_one_with_args::<bool>(
            r#"SELECT parlant.checked_journey_definition($1::jsonb) = '{"title": "t", "states": [
                {"name": "a", "type": "chat", "is_initial": true, "prompt": "?"}, {"name": "b", "type": "final"}],
                "transitions": [{"from": "a", "to": "b"}]}'"#,
            &[DOCUMENT.into()],
        );
        assert_eq!(normal, Ok(Some(true)));
    }

    #[pg_test(error = "the definition of journey \"t\" has 2 errors")]
    fn a_document_with_errors_is_refused() {
        let _ = Spi::run(r#"SELECT parlant.checked_journey_definition('{"title": "t", "x": 1}')"#);
    }

    #[pg_test]
    fn a_drawing_begins_as_mermaid_wants_it() {
        let drawing =
            Spi::get_one_with_args::<String>("SELECT parlant.draw_journey($1::jsonb, 'b')", &[DOCUMENT.into()]);
        assert!(drawing.unwrap().unwrap().starts_with("flowchart TD\n    s0(\"a\")\n"));
    }
}
