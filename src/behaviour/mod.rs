//! What an agent needs to choose its words and its tools: templates, terms, schemas, health, and the host's knowledge.

mod context;
mod health;
mod host;
mod host_tools;
mod knowledge;
mod response;
mod schema;
mod template;
mod term;

pub(crate) use health::define_settings;
pub(crate) use response::watch_dictionaries;
