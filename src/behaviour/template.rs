//! Templates.

use crate::error::error;
use crate::json::{Jsonb, JsonbOut};
use parlant_core::cache::{Cache, Last};
use parlant_core::jsonb::Document;
use parlant_core::template::{Fault, Place, Template, Variables};
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_PROGRAM_LIMIT_EXCEEDED};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Room for compiled templates, in bytes of a connection's memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

thread_local! {
    static TEMPLATES: RefCell<Cache<Template>> = RefCell::new(Cache::new(CACHE_BYTES));
    static VARIABLES: RefCell<Last<Variables>> = RefCell::default();
}

/// The text of a template with the variables of a JSON object.
#[pg_extern(immutable, strict, parallel_safe)]
fn render_template(template: &str, variables: Jsonb) -> Result<String, ErrorReport> {
    let variables = read(&variables).map_err(report)?;
    compiled(template).and_then(|template| template.render(&variables)).map_err(report)
}

/// The variables that a template refers to, as a JSON array of paths.
#[pg_extern(immutable, strict, parallel_safe)]
fn template_variables(template: &str) -> Result<JsonbOut, ErrorReport> {
    compiled(template).map(|template| array(template.variables())).map_err(report)
}

/// What rendering a template lacks, as a JSON array of paths; NULL where it fails for another reason.
#[pg_extern(immutable, strict, parallel_safe)]
fn missing_variables(template: &str, variables: Jsonb) -> Option<JsonbOut> {
    missing(template, &variables).map(|names| array(&names))
}

pub(super) fn missing(template: &str, variables: &impl Document) -> Option<Vec<String>> {
    let variables = read(variables).ok()?;
    compiled(template).and_then(|template| template.missing(&variables)).ok()
}

fn compiled(source: &str) -> Result<Rc<Template>, Fault> {
    if let Some(template) = TEMPLATES.with_borrow_mut(|templates| templates.get(source)) {
        return Ok(template);
    }
    let template = Template::compile(source)?;
    let size = template.size();
    Ok(TEMPLATES.with_borrow_mut(|templates| templates.put(source, template, size)))
}

fn read(variables: &impl Document) -> Result<Rc<Variables>, Fault> {
    VARIABLES.with_borrow_mut(|last| last.get_or_make(variables.source(), || Variables::read(variables)))
}

fn array(names: &[String]) -> JsonbOut {
    JsonbOut(serde_json::Value::from(names).to_string())
}

fn report(fault: Fault) -> ErrorReport {
    let at = |Place { line, column }| format!("line {line}, column {column}");
    match fault {
        Fault::Broken { place, reason } => error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the template is broken at {}", at(place)),
            format!("There: {reason}."),
            "Templates are Jinja without includes, macros and blocks; docs/behaviour.md tells what there is.",
        ),
        Fault::Failed { place, reason } => error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the template fails at {}", at(place)),
            format!("There: {reason}."),
            "Check the types of the variables that it uses there.",
        ),
        Fault::Missing(names) => error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            match names.len() {
                1 => "the template lacks a variable".to_owned(),
                count => format!("the template lacks {count} variables"),
            },
            format!("Missing: {}.", names.join(", ")),
            "Supply them, or give each a default: {{ name | default(\"…\") }}.",
        ),
        Fault::TooLarge(what) => error(
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "the template is too large".to_owned(),
            format!("Here {what}."),
            "Shorten what it repeats.",
        ),
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn render_template_fills_in_variables() {
        let text = Spi::get_one::<String>(
            r#"SELECT parlant.render_template('Hello {{ name }}, {{ n }}', '{"name": "Ada", "n": 1.50}')"#,
        );
        assert_eq!(text, Ok(Some("Hello Ada, 1.5".to_owned())));
        assert_eq!(Spi::get_one::<String>("SELECT parlant.render_template(NULL, '{}')"), Ok(None));
    }

    #[pg_test(error = "the template lacks 2 variables")]
    fn render_template_names_all_that_is_missing() {
        Spi::run("SELECT parlant.render_template('{{ a.b }} {{ c }}', '{\"a\": {}}')").unwrap();
    }

    #[pg_test(error = "the template is broken at line 2, column 11")]
    fn render_template_says_where_it_is_broken() {
        Spi::run("SELECT parlant.render_template(E'Dear\n{{ name | shout }}', '{}')").unwrap();
    }

    #[pg_test]
    fn template_variables_lists_paths() {
        let names = Spi::get_one::<String>("SELECT parlant.template_variables('{{ a.b }}{{ c }}')::text");
        assert_eq!(names, Ok(Some(r#"["a.b", "c"]"#.to_owned())));
    }

    #[pg_test]
    fn missing_variables_is_null_for_what_cannot_be_rendered_at_all() {
        let missing = |template: &str| {
            let sql = "SELECT parlant.missing_variables($1, '{\"a\": 1}')::text";
            Spi::get_one_with_args::<String>(sql, &[template.into()]).unwrap()
        };
        assert_eq!(missing("{{ a }}").as_deref(), Some("[]"));
        assert_eq!(missing("{{ b }}").as_deref(), Some(r#"["b"]"#));
        assert_eq!(missing("{{ b"), None);
    }
}
