//! Documents made of what is there already, so that nothing is copied before they are written.

use super::{Document, Jsonb};
use serde_json::{Map, Value};

/// A document, or a part of one, that refers to its texts and values.
pub enum Tree<'v> {
    Bool(bool),
    Integer(i64),
    Text(&'v str),
    Value(&'v Value),
    /// An object or an array in its binary form, which is taken over as it is.
    Stored(Jsonb<'v>),
    Object(Vec<(&'v str, Tree<'v>)>),
    /// How many elements, and each of them, made only when it is its turn.
    Array(usize, Box<dyn Fn(usize) -> Tree<'v> + 'v>),
}

impl<'v> Tree<'v> {
    /// An array of what becomes of each of `items`.
    pub fn array<T>(items: &'v [T], of: impl Fn(&'v T) -> Tree<'v> + 'v) -> Self {
        Tree::Array(items.len(), Box::new(move |at| items.get(at).map_or(Tree::Value(&Value::Null), &of)))
    }

    /// The text, or null if there is none.
    #[must_use]
    pub fn optional_text(text: Option<&'v str>) -> Self {
        text.map_or(Tree::Value(&Value::Null), Tree::Text)
    }

    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Tree::Bool(truth) => (*truth).into(),
            Tree::Integer(integer) => (*integer).into(),
            Tree::Text(text) => (*text).into(),
            Tree::Value(value) => (*value).clone(),
            Tree::Stored(document) => document.value().unwrap_or_default(),
            Tree::Object(members) => {
                let members = members.iter().map(|(key, value)| ((*key).to_owned(), value.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Tree::Array(count, element) => (0..*count).map(|at| element(at).to_value()).collect(),
        }
    }
}

impl<'v> From<&'v Value> for Tree<'v> {
    fn from(value: &'v Value) -> Self {
        Tree::Value(value)
    }
}
