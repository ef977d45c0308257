//! The trigger function `parlant.audit_change`.

use super::sql::{Column, Kind, changed_columns, whole_rows};
use crate::context::{CUSTOMER_ID, USER_ID};
use crate::error::internal;
use crate::owner::as_owner_of;
use crate::statement::kept;
use pgrx::PgRelation;
use pgrx::pg_sys::BuiltinOid::{INT8OID, TEXTOID};
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement, SpiClient, quote_identifier, quote_literal};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Columns that tell nothing about who configured what: the entry has them itself, the database keeps them, or they
/// are totals and states of health that come with use.
const UNAUDITED: &[&str] = &[
    "id",
    "workspace_id",
    "created_at",
    "updated_at",
    "total_of_deleted_sessions",
    "use_count_of_deleted_sessions",
    "total_sessions",
    "total_messages",
    "total_tokens_used",
    "total_cost",
    "average_session_duration",
    "last_active_at",
    "match_count",
    "last_matched_at",
    "use_count",
    "usage_count",
    "last_used_at",
    "success_rate",
    "completion_rate",
    "search_count",
    "last_searched_at",
    "trigger_count",
    "last_triggered_at",
    "last_health_check",
    "health_status",
    "error_count",
    "last_error",
];

/// Columns that hold credentials, or what is sent with a call: of them the log tells only that they changed.
const SECRET: &[&str] = &["auth_config", "configuration"];

/// JSON Schemas: the names in them are those of parameters, and their strings describe these.
const SCHEMAS: &[&str] = &["parameters", "return_schema"];

/// `AFTER` statement trigger whose transition tables are `old_row` and `new_row`.
///
/// Not a `#[pg_trigger]`, which hides what SPI needs to know of the transition tables.
#[unsafe(no_mangle)]
#[pg_guard]
#[doc(hidden)]
extern "C-unwind" fn audit_change_wrapper(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL calls this with a valid fcinfo; whether it is a trigger's is checked.
    let data = unsafe {
        if !pgrx::trigger_support::called_as_trigger(fcinfo) {
            internal("audit_change is a trigger function").report(PgLogLevel::ERROR);
        }
        (*fcinfo).context.cast::<pg_sys::TriggerData>()
    };
    audit(data).unwrap_or_report();
    pg_sys::Datum::from(0)
}

/// What PostgreSQL asks of a C function about how it is called; see its `fmgr.h`.
#[unsafe(no_mangle)]
#[doc(hidden)]
extern "C-unwind" fn pg_finfo_audit_change_wrapper() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

fn audit(data: *mut pg_sys::TriggerData) -> Result<(), ErrorReport> {
    // SAFETY: the data of a trigger are valid while it runs, and its relation is open.
    let (event, relation, old, new) = unsafe {
        let data = &*data;
        (data.tg_event, PgRelation::from_pg(data.tg_relation), data.tg_oldtable, data.tg_newtable)
    };
    // SAFETY: a transition table that the trigger asks for is a tuplestore; others are null.
    let is_empty = |table| unsafe { pg_sys::tuplestore_tuple_count(table) == 0 };
    let operation = match event & pg_sys::TRIGGER_EVENT_OPMASK {
        pg_sys::TRIGGER_EVENT_INSERT if !new.is_null() => Operation::Insert,
        pg_sys::TRIGGER_EVENT_UPDATE if !new.is_null() && !old.is_null() => Operation::Update,
        pg_sys::TRIGGER_EVENT_DELETE if !old.is_null() => Operation::Delete,
        _ => return Err(internal("audit_change needs the transition tables old_row and new_row")),
    };
    if is_empty(if old.is_null() { new } else { old }) {
        return Ok(());
    }
    // SAFETY: it gives the transaction a number if it has none yet; it is about to write anyway.
    let transaction = unsafe { pg_sys::GetTopFullTransactionId() }.value.cast_signed();
    as_owner_of(&relation, || {
        Spi::connect_mut(|client| {
            // SAFETY: the data are valid; the tables are known to this SPI connection only, and end with it.
            let registered = unsafe { pg_sys::SPI_register_trigger_data(data) };
            if registered < 0 {
                return Err(internal(format!("SPI_register_trigger_data: {registered}")));
            }
            let plan = plan(client, &relation, operation)?;
            let parameters = [USER_ID.get().into(), CUSTOMER_ID.get().into(), transaction.into()];
            client.update(plan, None, &parameters).map(drop).map_err(internal)
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Insert,
    Update,
    Delete,
}

/// The plan for a table as it is now; made once for its columns.
fn plan(
    client: &SpiClient<'_>,
    relation: &PgRelation,
    operation: Operation,
) -> Result<&'static OwnedPreparedStatement, ErrorReport> {
    let key = key(relation, operation);
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
        return Ok(plan);
    }
    let plan = kept(client, &statement(relation, operation), &[TEXTOID, TEXTOID, INT8OID])?;
    PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
    Ok(plan)
}

fn statement(relation: &PgRelation, operation: Operation) -> String {
    let has_workspace =
        relation.tuple_desc().iter().any(|column| !column.is_dropped() && column.name() == "workspace_id");
    let (table, columns) = (quote_literal(relation.name()), columns(relation));
    match operation {
        Operation::Insert => whole_rows(&table, has_workspace, &columns, "insert", "new_row"),
        Operation::Update => changed_columns(&table, has_workspace, &columns),
        Operation::Delete => whole_rows(&table, has_workspace, &columns, "delete", "old_row"),
    }
}

/// Differs where the statement must.
fn key(relation: &PgRelation, operation: Operation) -> u64 {
    let mut hasher = DefaultHasher::new();
    (relation.oid(), operation).hash(&mut hasher);
    for column in relation.tuple_desc().iter() {
        (column.name(), column.atttypid, column.attisdropped).hash(&mut hasher);
    }
    hasher.finish()
}

fn columns(relation: &PgRelation) -> Vec<Column> {
    let descriptor = relation.tuple_desc();
    let configured = descriptor
        .iter()
        .filter(|column| !column.is_dropped() && column.attgenerated == 0 && !UNAUDITED.contains(&column.name()));
    configured
        .map(|column| Column {
            name: quote_identifier(column.name()),
            label: quote_literal(column.name()),
            kind: kind(column.name(), column.atttypid),
        })
        .collect()
}

fn kind(name: &str, data_type: pg_sys::Oid) -> Kind {
    // SAFETY: the type is that of a column.
    let base = unsafe { pg_sys::getBaseType(data_type) };
    match base {
        _ if SECRET.contains(&name) => Kind::Secret,
        pg_sys::JSONBOID if !SCHEMAS.contains(&name) => Kind::Json,
        pg_sys::TEXTOID
        | pg_sys::UUIDOID
        | pg_sys::INT4OID
        | pg_sys::INT8OID
        | pg_sys::BOOLOID
        | pg_sys::TIMESTAMPOID => Kind::Comparable,
        _ => Kind::Opaque,
    }
}

thread_local! {
    static PLANS: RefCell<HashMap<u64, &'static OwnedPreparedStatement>> = RefCell::new(HashMap::new());
}
