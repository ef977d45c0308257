//! Why a document is no workflow that parlant converts.

use std::fmt;

/// What is wrong, and where in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON path from the root, such as `$.blocks.start.type`.
    pub path: String,
    pub message: String,
}

impl Fault {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Fault { path: path.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The path of a member; a key that is no identifier is quoted.
pub(super) fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}

pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
