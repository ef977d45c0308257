//! Conditions of canned responses.

use crate::json::JsonbText;
use parlant_core::condition::{Condition, Outcome, Variables};
use pgrx::prelude::*;

/// Whether a condition holds; NULL where it is no expression, but a sentence for a model to judge.
#[pg_extern(immutable, strict, parallel_safe)]
fn condition_outcome(condition: &str, variables: JsonbText) -> Option<bool> {
    let condition = Condition::compile(condition).ok()?;
    let variables = Variables::read(&variables.0).ok()?;
    condition.evaluate(&variables).ok().map(|outcome| matches!(outcome, Outcome::Holds))
}
