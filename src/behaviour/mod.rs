//! What an agent needs to choose its words: templates, terms, and the schemas of its tools.

mod schema;
mod template;
mod term;
