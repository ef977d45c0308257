//! parlant: the data layer of a conversational-agent platform, inside PostgreSQL.
//!
//! This crate is the edge: it reads arguments and rows, calls the algorithms of `parlant-core`, and writes rows.
//! The functions it declares belong to the extension; the tables that [`install`] makes belong to the user.

#![allow(
    clippy::result_large_err,
    reason = "only an ErrorReport that is returned as it is keeps its SQLSTATE and HINT"
)]

use pgrx::prelude::*;

mod error;
mod identifier;
mod install;
mod json;
mod json_schema;
mod parent;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!("../sql/triggers.sql", name = "triggers");
extension_sql_file!("../sql/finalize.sql", name = "finalize", finalize);

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec!["fsync = off"]
    }
}
