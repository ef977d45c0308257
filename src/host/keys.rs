//! Our foreign keys to the host as they are in the catalog, and the rows that break them.

use super::reference::{REFERENCES, Reference};
use super::rights::past_policies_of;
use super::tables::{HostSchema, HostTable};
use crate::error::internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::spi::SpiClient;

/// A line of a report: a table of the host, a status and what it is about.
pub(super) type Line = (Option<String>, String, String);

/// Rows that break a foreign key are told one by one, up to so many.
const TOLD_VIOLATIONS: i64 = 20;

/// A foreign key whose tables both exist, and how far it is made.
pub(super) struct Key {
    pub(super) reference: &'static Reference,
    pub(super) host: HostTable,
    pub(super) host_name: String,
    pub(super) exists: bool,
    pub(super) validated: bool,
}

impl Key {
    pub(super) fn alter(&self, client: &mut SpiClient<'_>, change: &str, definition: &str) -> Result<(), ErrorReport> {
        alter(client, self.reference, change, definition)
    }
}

pub(super) fn alter(
    client: &mut SpiClient<'_>,
    reference: &Reference,
    change: &str,
    definition: &str,
) -> Result<(), ErrorReport> {
    let sql = format!("ALTER TABLE parlant.{} {change} {} {definition}", reference.table, reference.constraint);
    client.update(sql.as_str(), None, &[]).map(drop).map_err(internal)
}

/// The foreign keys that can be, in the order of [`REFERENCES`].
pub(super) fn keys(client: &SpiClient<'_>, schema: &HostSchema) -> Result<Vec<Key>, ErrorReport> {
    let mut keys = Vec::new();
    for reference in REFERENCES {
        let Some(host) = schema.table(reference.host_table) else { continue };
        let state = client
            .select(
                "SELECT confrelid = $3, convalidated FROM pg_class
                 LEFT JOIN pg_constraint ON conrelid = pg_class.oid AND contype = 'f' AND conname = $2
                 WHERE relnamespace = to_regnamespace('parlant') AND relname = $1",
                Some(1),
                &[reference.table.into(), reference.constraint.into(), host.oid().into()],
            )
            .map_err(internal)?;
        if state.is_empty() {
            continue;
        }
        let (same, validated) = state.first().get_two::<bool, bool>().map_err(internal)?;
        let exists = same == Some(true);
        let host_name = schema.name_of(reference.host_table);
        keys.push(Key { reference, host, host_name, exists, validated: exists && validated == Some(true) });
    }
    Ok(keys)
}

/// Our foreign keys that are there, wherever they lead, with the table they lead to.
pub(super) fn referenced(client: &SpiClient<'_>) -> Result<Vec<(&'static Reference, String)>, ErrorReport> {
    let mut found = Vec::new();
    for reference in REFERENCES {
        let to = client
            .select(
                "SELECT format('%I.%I', nspname, host.relname) FROM pg_class AS ours
                 JOIN pg_constraint ON conrelid = ours.oid AND contype = 'f' AND conname = $2
                 JOIN pg_class AS host ON host.oid = confrelid
                 JOIN pg_namespace ON pg_namespace.oid = host.relnamespace
                 WHERE ours.relnamespace = to_regnamespace('parlant') AND ours.relname = $1",
                Some(1),
                &[reference.table.into(), reference.constraint.into()],
            )
            .map_err(internal)?;
        if !to.is_empty() {
            found.push((reference, to.first().get_one::<String>().map_err(internal)?.unwrap_or_default()));
        }
    }
    Ok(found)
}

/// The rows that break the foreign keys: the first ones of each by name, and how many there are.
pub(super) fn violations(client: &SpiClient<'_>, keys: &[&Key]) -> Result<Vec<Line>, ErrorReport> {
    let mut lines = Vec::new();
    for key in keys {
        let Reference { table, column, .. } = key.reference;
        let query = format!(
            "SELECT ours.id::text, ours.{column}, count(*) OVER () FROM parlant.{table} AS ours
             WHERE {column} IS NOT NULL AND NOT EXISTS (SELECT FROM {} AS host WHERE host.id = ours.{column})
             ORDER BY ours.id LIMIT {TOLD_VIOLATIONS}",
            key.host_name
        );
        let found = past_policies_of(table, || client.select(query.as_str(), None, &[]))?.map_err(internal)?;
        let mut total = 0;
        for row in found {
            let (id, value) = (row.get::<String>(1).map_err(internal)?, row.get::<String>(2).map_err(internal)?);
            total = row.get::<i64>(3).map_err(internal)?.unwrap_or_default();
            let detail = format!(
                "parlant.{table} {}: {column} \"{}\" is not in {}",
                id.unwrap_or_default(),
                value.unwrap_or_default(),
                key.host_name
            );
            lines.push((Some(key.host_name.clone()), "violation".to_owned(), detail));
        }
        if total > TOLD_VIOLATIONS {
            let detail =
                format!("parlant.{table}: {total} rows in all have a {column} that is not in {}", key.host_name);
            lines.push((Some(key.host_name.clone()), "violation".to_owned(), detail));
        }
    }
    Ok(lines)
}
