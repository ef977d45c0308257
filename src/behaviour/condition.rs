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

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn condition_outcome_judges_expressions_and_leaves_sentences_open() {
        let outcome = |condition: &str| {
            let sql = "SELECT parlant.condition_outcome($1, '{\"n\": 3}')";
            Spi::get_one_with_args::<bool>(sql, &[condition.into()]).unwrap()
        };
        assert_eq!(outcome("n > 2"), Some(true));
        assert_eq!(outcome("n > 3"), Some(false));
        assert_eq!(outcome("m > 3"), Some(false));
        assert_eq!(outcome("the customer is angry"), None);
    }
}
