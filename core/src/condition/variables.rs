//! JSON variables as CEL values.

use super::ConditionError;
use crate::jsonb::{Document, Node};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Longest variables, in bytes of their JSON text.
pub const MAX_VARIABLES_BYTES: usize = 4 * 1024 * 1024;

/// What expressions can ask for, by name.
#[derive(Default)]
pub struct Variables {
    values: HashMap<String, Box<dyn Val>>,
    json: Map<String, Value>,
    /// Of those that were added.
    bytes: usize,
}

impl Variables {
    /// Reads a JSON object.
    pub fn read(document: &(impl Document + ?Sized)) -> Result<Variables, ConditionError> {
        bound(document.source().len())?;
        let json = match document.value() {
            Ok(Value::Object(json)) => json,
            Ok(_) => return Err(ConditionError::new("the variables are no JSON object")),
            Err(error) => return Err(unreadable(&error)),
        };
        Ok(Variables::new(json))
    }

    #[must_use]
    pub fn new(json: Map<String, Value>) -> Self {
        let values = json.iter().map(|(name, value)| (name.clone(), val(value))).collect();
        Variables { values, json, bytes: 0 }
    }

    /// Adds a variable.
    pub fn add(&mut self, name: &str, node: Node<'_>) -> Result<(), ConditionError> {
        self.bytes += node.size();
        bound(self.bytes)?;
        let value = node.value().map_err(|error| unreadable(&error))?;
        self.values.insert(name.to_owned(), val(&value));
        self.json.insert(name.to_owned(), value);
        Ok(())
    }

    /// Whether there is a value at a path of member names.
    pub(super) fn has(&self, path: &[String]) -> bool {
        let Some((root, members)) = path.split_first() else { return true };
        let Some(mut value) = self.json.get(root) else { return false };
        for member in members {
            match value {
                Value::Object(object) => match object.get(member) {
                    Some(next) => value = next,
                    None => return false,
                },
                // The expression asks for a member of what has none: that is an error of another kind.
                _ => return true,
            }
        }
        true
    }
}

fn bound(bytes: usize) -> Result<(), ConditionError> {
    if bytes <= MAX_VARIABLES_BYTES {
        return Ok(());
    }
    let message = format!("the variables have {bytes} bytes, more than the {MAX_VARIABLES_BYTES} allowed");
    Err(ConditionError::over_limit(message))
}

fn unreadable(error: &str) -> ConditionError {
    ConditionError::new(format!("the variables cannot be read: {error}"))
}

impl VariableResolver for Variables {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        self.values.get(name).map(|value| CowVal::Borrowed(value.as_ref()))
    }
}

/// Whole numbers of 64 bits are `int`, all others `double`. Recursion is safe: parsing has bounded the depth.
fn val(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(boolean) => Box::new(CelBool::from(*boolean)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Box::new(CelInt::from(integer)),
            None => Box::new(CelDouble::from(number.as_str().parse().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(elements) => Box::new(CelList::from(elements.iter().map(val).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (CelMapKey::from(key.clone()), val(value)));
            Box::new(CelMap::from(members.collect::<HashMap<_, _>>()))
        }
    }
}
