//! What whoever links the host must be allowed to do, and what the host must be for it.

use super::keys::Key;
use super::tables::HostSchema;
use crate::error::{error, internal};
use crate::owner::as_owner_of;
use crate::privilege::is_restricted;
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::{ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_INVALID_PARAMETER_VALUE};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;

/// Adding a foreign key is for the owner of the table; and what follows reads past row-level security.
pub(super) fn require_ownership(client: &SpiClient<'_>) -> Result<(), ErrorReport> {
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
pub(super) fn refuse_unfit(client: &SpiClient<'_>, schema: &HostSchema, keys: &[Key]) -> Result<(), ErrorReport> {
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

/// Runs a statement of an owner of our table also where row-level security is forced on its owner.
pub(super) fn past_policies_of<T>(table: &str, work: impl FnOnce() -> T) -> Result<T, ErrorReport> {
    let relation = PgRelation::open_with_name_and_share_lock(&format!("parlant.{table}")).map_err(internal)?;
    Ok(if is_restricted(&relation) { as_owner_of(&relation, work) } else { work() })
}

pub(super) fn unfit(schema: &str, detail: String) -> ErrorReport {
    error(
        ERRCODE_INVALID_PARAMETER_VALUE,
        format!("schema \"{schema}\" does not hold the tables of a host"),
        detail,
        "Name the schema in which the host's tables workspace and permissions are.",
    )
}

fn forbidden(message: String, detail: String, hint: &str) -> ErrorReport {
    error(ERRCODE_INSUFFICIENT_PRIVILEGE, message, detail, hint)
}
