//! An end to validations that would not end.
//!
//! A schema's references can multiply: forty definitions that refer twice to the one before make 2^40 checks. So each
//! subschema gets a keyword of ours, which counts, and where the count is up, unwinds to whoever began.

use jsonschema::json::{Json, Node, Object};
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The keyword. Its value is what checking the subschema costs, of which patterns multiply with the members of an
/// object.
pub(super) const KEYWORD: &str = "parlant:steps";

/// Steps that matching a regular expression counts for.
const PATTERN_STEPS: u64 = 20;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

struct TooManySteps;

/// What `work` gives, or nothing if it takes more than `steps`.
pub(super) fn bounded<T>(steps: u64, work: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(steps);
    // Nothing that `work` changes is looked at after it has been cut off.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(cause) if cause.is::<TooManySteps>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

pub(super) struct Steps {
    fixed: u64,
    patterns: u64,
}

impl Steps {
    pub(super) fn from_value(value: &Value) -> Steps {
        let number = |index: usize| value.get(index).and_then(Value::as_u64).unwrap_or(0);
        Steps { fixed: number(0), patterns: number(1) }
    }

    fn count<'i, F: Json>(&self, instance: &F::Node<'i>) {
        let members = instance.as_object().map_or(1, |object| object.len().max(1) as u64);
        let cost = self.fixed.saturating_add(self.patterns.saturating_mul(PATTERN_STEPS).saturating_mul(members));
        match LEFT.get().checked_sub(cost) {
            Some(left) => LEFT.set(left),
            None => resume_unwind(Box::new(TooManySteps)),
        }
    }
}

impl<'i, F: Json> Keyword<'i, F> for Steps {
    fn validate(&self, instance: F::Node<'i>) -> Result<(), ValidationError<'i>> {
        self.count::<F>(&instance);
        Ok(())
    }

    fn is_valid(&self, instance: F::Node<'i>) -> bool {
        self.count::<F>(&instance);
        true
    }
}

/// Puts the keyword into a schema and all its subschemas. Recursion is safe: parsing has bounded the depth.
pub(super) fn insert(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let cost = cost(members);
            for (key, member) in members.iter_mut() {
                match key.as_str() {
                    "const" | "enum" => {}
                    "$defs" | "$vocabulary" | "definitions" | "dependencies" | "dependentRequired"
                    | "dependentSchemas" | "patternProperties" | "properties" => {
                        member.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(insert);
                    }
                    _ => insert(member),
                }
            }
            members.insert(KEYWORD.to_owned(), cost);
        }
        Value::Array(elements) => elements.iter_mut().for_each(insert),
        _ => {}
    }
}

fn cost(members: &Map<String, Value>) -> Value {
    let length = |key: &str| {
        members.get(key).map_or(0, |m| m.as_array().map_or(0, Vec::len) + m.as_object().map_or(0, Map::len))
    };
    let patterns = length("patternProperties") + usize::from(members.contains_key("pattern"));
    Value::from(vec![1 + length("enum") / 10 + length("required") / 10, patterns])
}
