//! What an agent needs to choose its words and its tools: templates, terms, schemas, health, and the host's knowledge.

mod condition;
mod health;
mod host;
mod host_tools;
mod knowledge;
mod schema;
mod template;
mod term;

pub(crate) use health::define_settings;
