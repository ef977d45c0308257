//! What a row takes from its parent: the trigger function `parlant.fill_from_parent`.

use crate::context::WORKSPACE_ID;
use crate::error::{error, internal};
use crate::privilege::is_restricted;
use crate::statement::kept;
use pgrx::PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::spi::quote_identifier;
use pgrx::{AllocatedByRust, PgOid};

const WORKSPACE: &str = "workspace_id";

/// `BEFORE INSERT` row trigger with the arguments: the column that refers to the parent, the parent's table, and
/// the columns to take from the parent where the new row leaves them out.
///
/// For a client that row-level security restricts, `workspace_id` is the one that the transaction acts in, or stays
/// empty: the client need not see the parent, as a customer does not see agents, and the foreign key tells whether it
/// is there. A row without parent is left as it is; one whose parent is not there, or not visible to the client, is
/// refused with 23503.
#[pg_trigger(sql = false)]
fn fill_from_parent<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByRust>>, ErrorReport> {
    // Raised here, because pgrx makes a panic without SQLSTATE of what a trigger returns.
    Ok(filled(trigger).unwrap_or_report())
}

fn filled<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByRust>>, ErrorReport> {
    let mut row = trigger.new().ok_or_else(|| internal("fill_from_parent needs a row"))?.into_owned();
    let arguments = trigger.extra_args().map_err(internal)?;
    let [reference, parent_table, columns @ ..] = arguments.as_slice() else {
        return Err(internal("fill_from_parent needs a column, a table and the columns to fill"));
    };
    let restricted = is_restricted(&trigger.relation().map_err(internal)?);
    if restricted && row.get_by_name::<String>(WORKSPACE).map_err(internal)?.is_none() {
        row.set_by_name(WORKSPACE, WORKSPACE_ID.get()).map_err(internal)?;
    }
    let Some(parent) = row.get_by_name::<pgrx::Uuid>(reference).map_err(internal)? else {
        return Ok(Some(row));
    };
    let columns: Vec<_> = columns.iter().filter(|column| !(restricted && *column == WORKSPACE)).cloned().collect();
    if columns.is_empty() {
        return Ok(Some(row));
    }
    let found = read_parent(parent_table, &columns, parent)?;
    let Some(values) = found else {
        let table = trigger.table_name().map_err(internal)?;
        return Err(error(
            ERRCODE_FOREIGN_KEY_VIOLATION,
            format!("{parent_table} {parent} does not exist"),
            format!("{table}.{reference} refers to it."),
            "Check the id. It may also belong to a workspace that you cannot see.",
        ));
    };
    for (column, value) in columns.iter().zip(values) {
        match value {
            Value::Text(text) if row.get_by_name::<String>(column).map_err(internal)?.is_none() => {
                row.set_by_name(column, text).map_err(internal)?;
            }
            Value::Uuid(uuid) if row.get_by_name::<pgrx::Uuid>(column).map_err(internal)?.is_none() => {
                row.set_by_name(column, uuid).map_err(internal)?;
            }
            Value::Text(_) | Value::Uuid(_) => {}
        }
    }
    Ok(Some(row))
}

/// Columns of keys are of these two types.
enum Value {
    Text(String),
    Uuid(pgrx::Uuid),
}

fn read_parent(table: &str, columns: &[String], id: pgrx::Uuid) -> Result<Option<Vec<Value>>, ErrorReport> {
    let quoted: Vec<_> = columns.iter().map(quote_identifier).collect();
    let query = format!("SELECT {} FROM parlant.{} WHERE id = $1", quoted.join(", "), quote_identifier(table));
    Spi::connect_mut(|client| {
        let plan = kept(client, &query, &[pg_sys::BuiltinOid::UUIDOID])?;
        // `update`, not `select`: it sees rows that the same statement has made, such as a parent in a WITH clause.
        let rows = client.update(plan, Some(1), &[id.into()]).map_err(internal)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = rows.first();
        let mut values = Vec::with_capacity(columns.len());
        for ordinal in 1..=columns.len() {
            let value = match row.column_type_oid(ordinal).map_err(internal)? {
                PgOid::BuiltIn(pg_sys::BuiltinOid::UUIDOID) => {
                    row.get::<pgrx::Uuid>(ordinal).map_err(internal)?.map(Value::Uuid)
                }
                _ => row.get::<String>(ordinal).map_err(internal)?.map(Value::Text),
            };
            values.push(value.ok_or_else(|| internal("a key column of a parent is NULL"))?);
        }
        Ok(Some(values))
    })
}
