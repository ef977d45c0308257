//! Linking the tables to those of the host: `link_host`, `unlink_host`, `host_status`.

use super::lookup::{Features, features, obstacle};
use super::reference::{REFERENCES, Reference, UNREFERENCED};
use super::tables::{HostSchema, HostTable};
use crate::error::{error, internal};
use crate::owner::{as_owner_of, is_restricted};
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::{
    self, ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;

type Line = (Option<String>, String, String);

/// Rows that break a foreign key are told one by one, up to so many.
const TOLD_VIOLATIONS: i64 = 20;

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

/// A foreign key whose tables both exist, and how far it is made.
struct Key {
    reference: &'static Reference,
    host: HostTable,
    host_name: String,
    exists: bool,
    validated: bool,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "parlant.{} ({}), ON DELETE {}", self.table, self.column, self.on_delete)
    }
}

impl Key {
    fn alter(&self, client: &mut SpiClient<'_>, change: &str, definition: &str) -> Result<(), ErrorReport> {
        alter(client, self.reference, change, definition)
    }
}

fn alter(client: &mut SpiClient<'_>, reference: &Reference, change: &str, definition: &str) -> Result<(), ErrorReport> {
    let sql = format!("ALTER TABLE parlant.{} {change} {} {definition}", reference.table, reference.constraint);
    client.update(sql.as_str(), None, &[]).map(drop).map_err(internal)
}

/// The foreign keys that can be, in the order of [`REFERENCES`].
fn keys(client: &SpiClient<'_>, schema: &HostSchema) -> Result<Vec<Key>, ErrorReport> {
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
fn referenced(client: &SpiClient<'_>) -> Result<Vec<(&'static Reference, String)>, ErrorReport> {
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

/// Adding a foreign key is for the owner of the table; and what follows reads past row-level security.
fn require_ownership(client: &SpiClient<'_>) -> Result<(), ErrorReport> {
    let foreign = client
        .select(
            "SELECT relname::text, pg_get_userbyid(relowner)::text FROM pg_class
             WHERE relnamespace = to_regnamespace('parlant') AND relkind IN ('r', 'p') AND relname LIKE 'parlant\\_%'
               AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname LIMIT 1",
            Some(1),
            &[],
        )
        .map_err(internal)?;
    if foreign.is_empty() {
        return Ok(());
    }
    let (table, owner) = foreign.first().get_two::<String, String>().map_err(internal)?;
    Err(forbidden(
        format!("must be owner of table {}", table.unwrap_or_default()),
        format!("It belongs to role {}.", owner.unwrap_or_default()),
        "Call it as the owner of parlant's tables or as a superuser.",
    ))
}

/// A host that foreign keys cannot refer to, or that the owner of our tables could not read permissions from.
fn refuse_unfit(client: &SpiClient<'_>, schema: &HostSchema, keys: &[Key]) -> Result<(), ErrorReport> {
    for key in keys {
        let id = key.host.column_type("id");
        if id != Some(pg_sys::TEXTOID) && id != Some(pg_sys::VARCHAROID) {
            return Err(unfit(&schema.name, format!("{} has no column \"id\" of type text.", key.host_name)));
        }
        let usable = ask(
            client,
            "SELECT EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                            WHERE indrelid = $1 AND indisunique AND indimmediate AND indisvalid AND indnkeyatts = 1
                              AND indpred IS NULL AND indexprs IS NULL AND attname = 'id')",
            key.host.oid(),
        )?;
        if !usable {
            return Err(unfit(&schema.name, format!("{} has no primary or unique key (id).", key.host_name)));
        }
        let may_refer = ask(client, "SELECT has_any_column_privilege($1, 'REFERENCES')", key.host.oid())?;
        if !may_refer {
            return Err(forbidden(
                format!("permission denied for table {}", key.host_name),
                "A foreign key needs the REFERENCES privilege on the table it refers to.".to_owned(),
                "Call it as a superuser, or let the owner of the host's tables grant REFERENCES and SELECT on them.",
            ));
        }
    }
    for table in ["workspace", "permissions", "member"].iter().filter_map(|name| schema.table(name)) {
        let readable = ask(
            client,
            "SELECT has_table_privilege(relowner, $1, 'SELECT') AND has_schema_privilege(relowner, host.relnamespace, 'USAGE')
             FROM pg_class, (SELECT relnamespace FROM pg_class WHERE oid = $1) AS host
             WHERE pg_class.oid = 'parlant.parlant_host_link'::regclass",
            table.oid(),
        )?;
        if !readable {
            return Err(forbidden(
                format!("the owner of parlant's tables cannot read the host's tables in schema \"{}\"", schema.name),
                "Permissions are looked up in workspace, permissions and member by that role.".to_owned(),
                "Grant it USAGE on the schema and SELECT on the three tables.",
            ));
        }
    }
    Ok(())
}

fn ask(client: &SpiClient<'_>, question: &str, table: pg_sys::Oid) -> Result<bool, ErrorReport> {
    let answer = client.select(question, Some(1), &[table.into()]).map_err(internal)?;
    Ok(answer.first().get_one::<bool>().map_err(internal)? == Some(true))
}

/// The rows that break the foreign keys: the first ones of each by name, and how many there are.
fn violations(client: &SpiClient<'_>, keys: &[&Key]) -> Result<Vec<Line>, ErrorReport> {
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

/// Runs a statement of an owner of our table also where row-level security is forced on its owner.
fn past_policies_of<T>(table: &str, work: impl FnOnce() -> T) -> Result<T, ErrorReport> {
    let relation = PgRelation::open_with_name_and_share_lock(&format!("parlant.{table}")).map_err(internal)?;
    Ok(if is_restricted(&relation) { as_owner_of(&relation, work) } else { work() })
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
    match past_policies_of("parlant_host_link", || obstacle(client, &schema))?? {
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

fn unfit(schema: &str, detail: String) -> ErrorReport {
    error(
        ERRCODE_INVALID_PARAMETER_VALUE,
        format!("schema \"{schema}\" does not hold the tables of a host"),
        detail,
        "Name the schema in which the host's tables workspace and permissions are.",
    )
}

fn forbidden(message: String, detail: String, hint: &str) -> ErrorReport {
    const CODE: PgSqlErrorCode = ERRCODE_INSUFFICIENT_PRIVILEGE;
    error(CODE, message, detail, hint)
}
