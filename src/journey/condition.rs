//! Conditions that the database judges.

use crate::error::error;
use crate::json::{Jsonb, JsonbOut};
use parlant_core::cache::Last;
use parlant_core::condition::{Condition, ConditionError, Outcome, Variables};
use parlant_core::jsonb::Document;
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_PROGRAM_LIMIT_EXCEEDED};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

/// Most compiled expressions that a connection keeps.
const MAX_KEPT: usize = 1000;

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Condition>>> = RefCell::new(HashMap::new());
    static VARIABLES: RefCell<Last<Variables>> = RefCell::default();
}

/// What conditions ask for, from a JSON object.
pub(crate) fn read(variables: &impl Document) -> Result<Rc<Variables>, ConditionError> {
    VARIABLES.with_borrow_mut(|last| last.get_or_make(variables.source(), || Variables::read(variables)))
}

/// An expression in its compiled form, kept for the next time.
pub(super) fn compiled(expression: &str) -> Result<Rc<Condition>, ConditionError> {
    if let Some(condition) = KEPT.with_borrow(|kept| kept.get(expression).cloned()) {
        return Ok(condition);
    }
    let condition = Rc::new(Condition::compile(expression)?);
    KEPT.with_borrow_mut(|kept| {
        // Rare: an application has as many expressions as its journeys do.
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(expression.to_owned(), condition.clone());
    });
    Ok(condition)
}

/// The error of an expression as clients see it.
pub(super) fn refusal(expression: &str, fault: &ConditionError) -> ErrorReport {
    let code = if fault.over_limit { ERRCODE_PROGRAM_LIMIT_EXCEEDED } else { ERRCODE_INVALID_PARAMETER_VALUE };
    let shown: String = expression.chars().take(200).collect();
    error(
        code,
        format!("condition \"{shown}\" cannot be judged"),
        fault.to_string(),
        "Conditions are CEL expressions that give true or false; docs/journeys.md tells their limits.",
    )
}

/// Whether a CEL expression holds for variables, a JSON object. What asks for a variable that is missing does not hold.
///
/// # Errors
/// 22023 if it is no expression or does not give true or false, 54000 if it is over a limit.
#[pg_extern(immutable, strict, parallel_safe)]
fn evaluate_condition(expression: &str, variables: Jsonb) -> Result<bool, ErrorReport> {
    let outcome = compiled(expression)
        .and_then(|condition| condition.evaluate(&*read(&variables)?))
        .map_err(|fault| refusal(expression, &fault))?;
    Ok(outcome == Outcome::Holds)
}

/// What an expression comes to.
pub(super) struct Judged {
    pub(super) holds: bool,
    pub(super) missing: Vec<String>,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
}

/// Judges an expression with variables that are read if it is one.
pub(super) fn judged<V: Deref<Target = Variables>>(
    expression: &str,
    read: impl FnOnce() -> Result<V, ConditionError>,
) -> Judged {
    let mut missing = Vec::new();
    let outcome = compiled(expression).and_then(|condition| {
        let variables = read()?;
        missing = condition.missing(&variables);
        condition.evaluate(&variables)
    });
    Judged { holds: outcome == Ok(Outcome::Holds), missing, problem: outcome.err().map(|fault| fault.to_string()) }
}

/// Whether a CEL expression holds, which variables it misses, and what is wrong with it; it never fails.
#[pg_extern(immutable, strict, parallel_safe)]
fn judge_condition(
    expression: &str,
    variables: Jsonb,
) -> TableIterator<'static, (name!(holds, Option<bool>), name!(missing, JsonbOut), name!(problem, Option<String>))> {
    let Judged { holds, missing, problem } = judged(expression, || read(&variables));
    TableIterator::once((Some(holds), JsonbOut(serde_json::Value::from(missing).to_string()), problem))
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    fn holds(expression: &str) -> bool {
        let sql = r#"SELECT parlant.evaluate_condition($1, '{"age": 20, "order": {"total": 12.5}}')"#;
        Spi::get_one_with_args::<bool>(sql, &[expression.into()]).unwrap().unwrap()
    }

    #[pg_test]
    fn a_condition_holds_or_not() {
        assert!(holds("age >= 18 && order.total > 12.0"));
        assert!(!holds("age < 18"));
        assert!(!holds("absent == 1"));
    }

    #[pg_test]
    fn many_conditions_are_not_all_kept() {
        Spi::run("SELECT parlant.evaluate_condition('1 == ' || n, '{}') FROM generate_series(1, 3000) n").unwrap();
        assert!(super::KEPT.with_borrow(std::collections::HashMap::len) <= super::MAX_KEPT);
    }

    #[pg_test(error = "condition \"age >\" cannot be judged")]
    fn what_is_no_expression_is_refused() {
        holds("age >");
    }

    #[pg_test]
    fn judging_tells_what_is_missing_and_what_is_wrong() {
        let told = |expression: &str| {
            let sql = "SELECT format('%s %s %s', holds, missing, problem) FROM parlant.judge_condition($1, '{}')";
            Spi::get_one_with_args::<String>(sql, &[expression.into()]).unwrap().unwrap()
        };
        assert_eq!(told("age > order.total"), "f [\"age\", \"order.total\"] ");
        assert_eq!(told("1"), "f [] the expression gives int, not true or false");
    }
}
