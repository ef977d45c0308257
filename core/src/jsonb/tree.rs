//! Documents made of what is there already, so that nothing is copied before they are written.

use super::{Jsonb, Node, write, write_text};
use serde_json::{Map, Value};

/// A document, or a part of one, that refers to its texts and values.
pub enum Tree<'v> {
    Bool(bool),
    Integer(i64),
    Text(&'v str),
    Value(&'v Value),
    /// A part of another document, which is taken over as it is.
    Node(Node<'v>),
    Finished(&'v Finished),
    Object(Vec<(&'v str, Tree<'v>)>),
    /// How many elements, and each of them, made only when it is its turn.
    Array(usize, Box<dyn Fn(usize) -> Tree<'v> + 'v>),
}

impl<'v> Tree<'v> {
    /// An array of what becomes of each of `items`.
    pub fn array<T>(items: &'v [T], of: impl Fn(&'v T) -> Tree<'v> + 'v) -> Self {
        Tree::Array(items.len(), Box::new(move |at| items.get(at).map_or(Tree::NULL, &of)))
    }

    pub const NULL: Self = Tree::Value(&Value::Null);

    /// The text, or null if there is none.
    #[must_use]
    pub fn optional_text(text: Option<&'v str>) -> Self {
        text.map_or(Tree::NULL, Tree::Text)
    }

    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Tree::Bool(truth) => (*truth).into(),
            Tree::Integer(integer) => (*integer).into(),
            Tree::Text(text) => (*text).into(),
            Tree::Value(value) => (*value).clone(),
            Tree::Node(node) => node.value().unwrap_or_default(),
            Tree::Finished(finished) => finished.root().value().unwrap_or_default(),
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

/// A document that is kept in both forms, so that it need only be copied into others.
pub struct Finished {
    stored: Vec<u8>,
    text: Option<Vec<u8>>,
}

impl Finished {
    /// Of its binary form.
    #[must_use]
    pub fn new(stored: Vec<u8>) -> Finished {
        let text = write_text(&Tree::Node(Jsonb(&stored).root()));
        Finished { stored, text }
    }

    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Jsonb(&self.stored).root()
    }

    /// None where it is PostgreSQL's to write.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.stored.len() + self.text.as_ref().map_or(0, Vec::len)
    }
}

/// A document of which many are kept at once. In its binary form where that can be written, because a map of values takes
/// more than 600 bytes, however few members it has.
#[derive(Debug, Clone)]
pub enum Packed {
    Stored(Box<[u8]>),
    Value(Value),
}

impl Packed {
    #[must_use]
    pub fn new(value: Value) -> Packed {
        let stored = write(&Tree::Value(&value));
        stored.map_or_else(|| Packed::Value(value), |stored| Packed::Stored(stored.as_slice().into()))
    }

    #[must_use]
    pub fn root(&self) -> Node<'_> {
        match self {
            Packed::Stored(stored) => Jsonb(stored).root(),
            Packed::Value(value) => Node::Parsed(value),
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Packed) -> bool {
        self.root().value() == other.root().value()
    }
}
