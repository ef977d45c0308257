//! The algorithms of parlant over plain Rust types. Nothing here knows PostgreSQL, so everything here is tested
//! without a server; the extension reads rows, calls in here, and writes rows.
#![forbid(unsafe_code)]

pub mod cache;
pub mod condition;
pub mod event;
pub mod fusion;
pub mod journey;
pub mod json_schema;
pub mod jsonb;
pub mod pii;
pub mod response;
pub mod schema;
pub mod secret;
pub mod template;
pub mod term;
pub mod token;
pub mod workflow;
