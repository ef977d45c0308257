//! Linking the tables to those of the host: `link_host`, `unlink_host`, `host_status`.

use super::keys::{Key, Line, alter, keys, referenced, violations};
use super::lookup::{Features, features, obstacle};
use super::reference::{Reference, UNREFERENCED};
use super::rights::{past_policies_of, refuse_unfit, require_ownership, unfit};
use super::tables::HostSchema;
use crate::error::{error, internal};
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;

/// Adds foreign keys to the tables of the host in this schema, as far as they exist, and from then on asks the host
/// for permissions. If rows of ours name rows that the host does not have, tells them and links nothing.
///
/// With `validate = false` the foreign keys hold for new rows only, until a later call without it: locks are then as
/// short as they can be.
///
/// # Errors
/// 22023 if the schema has not the tables of a host, 55000 if another schema is linked, 42501 without the rights.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn link_host(
    schema_name: default!(String, "'public'"),
    validate: default!(bool, true),
) -> Result<
    TableIterator<'static, (name!(table_name, Option<String>), name!(status, String), name!(detail, String))>,
    ErrorReport,
> {
    let schema = HostSchema::find(&schema_name)
        .ok_or_else(|| unfit(&schema_name, format!("There is no schema \"{schema_name}\".")))?;
    let features = features(&schema).map_err(|missing| unfit(&schema_name, missing))?;
    Spi::connect_mut(|client| {
        require_ownership(client)?;
        client
            .update("LOCK TABLE parlant.parlant_host_link IN SHARE ROW EXCLUSIVE MODE", None, &[])
            .map_err(internal)?;
        if let Some(linked) = linked_schema(client)?.filter(|linked| *linked != schema_name) {
            return Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("parlant is linked to the host in schema \"{linked}\""),
                format!("It cannot be linked to the one in schema \"{schema_name}\" at the same time."),
                "Call parlant.unlink_host() first.",
            ));
        }
        let keys = keys(client, &schema)?;
        refuse_unfit(client, &schema, &keys)?;
        let unsure: Vec<&Key> = keys.iter().filter(|key| !key.exists || (validate && !key.validated)).collect();
        let violations = violations(client, &unsure)?;
        if !violations.is_empty() {
            return Ok(TableIterator::new(violations));
        }
        add(client, &keys)?;
        if validate {
            for key in unsure {
                key.alter(client, "VALIDATE CONSTRAINT", "")?;
            }
        }
        record(client, &schema_name, features)?;
        Ok(TableIterator::new(status(client)?))
    })
}

/// Drops the foreign keys to the host and forgets it. Our rows stay.
///
/// # Errors
/// 42501 without the rights.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn unlink_host() -> Result<
    TableIterator<'static, (name!(table_name, Option<String>), name!(status, String), name!(detail, String))>,
    ErrorReport,
> {
    Spi::connect_mut(|client| {
        require_ownership(client)?;
        client
            .update("LOCK TABLE parlant.parlant_host_link IN SHARE ROW EXCLUSIVE MODE", None, &[])
            .map_err(internal)?;
        let dropped = referenced(client)?;
        lock(client, dropped.iter().map(|(_, host_table)| host_table.as_str()), "ACCESS EXCLUSIVE")?;
        let mut report = Vec::new();
        for (reference, host_table) in &dropped {
            alter(client, reference, "DROP CONSTRAINT", "")?;
            report.push((Some(host_table.clone()), "unlinked".to_owned(), reference.to_string()));
        }
        on_link_table(|| client.update("DELETE FROM parlant.parlant_host_link", None, &[]).map(drop))?;
        Ok(TableIterator::new(report))
    })
}

/// What is linked and what is not, a row for each foreign key and for each table that permissions are read from.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn host_status() -> Result<
    TableIterator<'static, (name!(table_name, Option<String>), name!(status, String), name!(detail, String))>,
    ErrorReport,
> {
    Spi::connect(|client| Ok(TableIterator::new(status(client)?)))
}

/// Adds the foreign keys that are missing, without looking at the rows that are there.
fn add(client: &mut SpiClient<'_>, keys: &[Key]) -> Result<(), ErrorReport> {
    let missing: Vec<&Key> = keys.iter().filter(|key| !key.exists).collect();
    lock(client, missing.iter().map(|key| key.host_name.as_str()), "SHARE ROW EXCLUSIVE")?;
    for key in missing {
        let Reference { table, column, constraint, on_delete, .. } = key.reference;
        let definition =
            format!("FOREIGN KEY ({column}) REFERENCES {} (id) ON DELETE {on_delete} NOT VALID", key.host_name);
        key.alter(client, "ADD CONSTRAINT", &definition)?;
        let comment = format!(
            "COMMENT ON CONSTRAINT {constraint} ON parlant.{table} IS 'Made by parlant.link_host(): follows the host when it deletes.'"
        );
        client.update(comment.as_str(), None, &[]).map_err(internal)?;
    }
    Ok(())
}

/// Locks tables of the host, which come before ours: so does a deletion by the host that reaches our rows. Without
/// the privilege to lock, the statements that follow take the same locks one by one.
fn lock<'a>(
    client: &mut SpiClient<'_>,
    host_tables: impl Iterator<Item = &'a str>,
    mode: &str,
) -> Result<(), ErrorReport> {
    let tables: std::collections::BTreeSet<&str> = host_tables.collect();
    for table in tables {
        let may = client
            .select("SELECT has_table_privilege($1, 'DELETE')", Some(1), &[table.into()])
            .map_err(internal)?
            .first()
            .get_one::<bool>()
            .map_err(internal)?;
        if may == Some(true) {
            client.update(format!("LOCK TABLE {table} IN {mode} MODE").as_str(), None, &[]).map_err(internal)?;
        }
    }
    Ok(())
}

fn record(client: &mut SpiClient<'_>, schema_name: &str, features: Features) -> Result<(), ErrorReport> {
    on_link_table(|| {
        client
            .update(
                "INSERT INTO parlant.parlant_host_link AS link (schema_name, archives_workspaces, has_organizations)
                 VALUES ($1, $2, $3)
                 ON CONFLICT (id) DO UPDATE
                 SET archives_workspaces = excluded.archives_workspaces, has_organizations = excluded.has_organizations
                 WHERE (link.archives_workspaces, link.has_organizations)
                    <> (excluded.archives_workspaces, excluded.has_organizations)",
                None,
                &[schema_name.into(), features.archives_workspaces.into(), features.has_organizations.into()],
            )
            .map(drop)
    })
}

fn linked_schema(client: &SpiClient<'_>) -> Result<Option<String>, ErrorReport> {
    let found = past_policies_of("parlant_host_link", || {
        client.select("SELECT schema_name FROM parlant.parlant_host_link", Some(1), &[])
    })?
    .map_err(internal)?;
    if found.is_empty() {
        return Ok(None);
    }
    found.first().get_one::<String>().map_err(internal)
}

fn on_link_table(work: impl FnOnce() -> Result<(), pgrx::spi::SpiError>) -> Result<(), ErrorReport> {
    past_policies_of("parlant_host_link", work)?.map_err(internal)
}

fn status(client: &SpiClient<'_>) -> Result<Vec<Line>, ErrorReport> {
    let line = |table: &str, status: &str, detail: String| (Some(table.to_owned()), status.to_owned(), detail);
    let Some(name) = linked_schema(client)? else {
        let detail = "SELECT * FROM parlant.link_host(schema_name) links the host in that schema.";
        return Ok(vec![(None, "not linked".to_owned(), detail.to_owned())]);
    };
    let Some(schema) = HostSchema::find(&name) else {
        let detail =
            format!("There is no schema \"{name}\". Call parlant.unlink_host(), then link the host where it is.");
        return Ok(vec![(None, "changed".to_owned(), detail)]);
    };
    let mut lines = Vec::new();
    match obstacle(&schema)? {
        Some(missing) => lines.push(line(&schema.name_of("permissions"), "changed", missing)),
        None => lines.push(line(&schema.name_of("permissions"), "read", "Permissions come from here.".to_owned())),
    }
    for key in keys(client, &schema)? {
        let status = match (key.exists, key.validated) {
            (true, true) => "linked",
            (true, false) => "not validated",
            (false, _) => "missing",
        };
        lines.push(line(&key.host_name, status, key.reference.to_string()));
    }
    for (table, reason) in UNREFERENCED {
        if schema.table(table).is_some() {
            lines.push(line(&schema.name_of(table), "no foreign key", (*reason).to_owned()));
        }
    }
    Ok(lines)
}
