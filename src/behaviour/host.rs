//! Reading the host application's tables, as the owner of ours: clients need no rights there.

use crate::error::{error, internal};
use crate::owner::as_owner_of;
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, quote_qualified_identifier};
use std::collections::HashSet;

/// The linked host, while `read` runs.
pub(super) struct Host {
    schema: String,
}

/// A table of the host with the columns that it has now: the host changes them as it likes.
pub(super) struct HostTable {
    /// Its name, for use in statements.
    pub(super) name: String,
    columns: HashSet<String>,
}

/// Runs `work` as the owner of our tables. What it reads must be decided by us, and be what the client may know.
///
/// # Errors
/// 55000 if no host is linked.
pub(super) fn read<T>(work: impl FnOnce(&SpiClient<'_>, &Host) -> Result<T, ErrorReport>) -> Result<T, ErrorReport> {
    let link = PgRelation::open_with_name_and_share_lock("parlant.parlant_host_link").map_err(internal)?;
    as_owner_of(&link, || {
        Spi::connect(|client| {
            let found =
                client.select("SELECT schema_name FROM parlant.parlant_host_link", Some(1), &[]).map_err(internal)?;
            let schema = if found.is_empty() { None } else { found.first().get_one::<String>().map_err(internal)? };
            let host = schema.map(|schema| Host { schema }).ok_or_else(not_linked)?;
            work(client, &host)
        })
    })
}

fn not_linked() -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "no host application is linked".to_owned(),
        "Knowledge bases, custom tools and MCP servers are the host's.".to_owned(),
        "Link it: SELECT * FROM parlant.link_host('public').",
    )
}

impl Host {
    /// # Errors
    /// 55000 if the host has no such table, or it lacks one of the columns.
    pub(super) fn table(&self, client: &SpiClient<'_>, name: &str, needed: &[&str]) -> Result<HostTable, ErrorReport> {
        let rows = client
            .select(
                "SELECT attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                 JOIN pg_namespace ON pg_namespace.oid = relnamespace
                 WHERE nspname = $1 AND relname = $2 AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped",
                None,
                &[self.schema.as_str().into(), name.into()],
            )
            .map_err(internal)?;
        let mut columns = HashSet::new();
        for row in rows {
            columns.extend(row.get::<String>(1).map_err(internal)?);
        }
        let missing: Vec<_> = needed.iter().filter(|column| !columns.contains(**column)).copied().collect();
        if columns.is_empty() || !missing.is_empty() {
            let detail = if columns.is_empty() {
                format!("Schema \"{}\" has no table \"{name}\".", self.schema)
            } else {
                format!("Its table \"{name}\" has no column {}.", missing.join(", "))
            };
            return Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the host application has no table \"{name}\" as parlant knows it"),
                detail,
                "SELECT * FROM parlant.host_status() tells what is there; a newer parlant may know it.",
            ));
        }
        Ok(HostTable { name: quote_qualified_identifier(self.schema.as_str(), name), columns })
    }
}

impl HostTable {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// The conditions of those columns that there are, each behind an AND.
    pub(super) fn conditions(&self, conditions: &[(&str, &str)]) -> String {
        conditions.iter().filter(|(column, _)| self.has(column)).map(|(_, sql)| format!(" AND {sql}")).collect()
    }
}
