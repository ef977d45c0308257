//! Entries of the log on their way there: collected in memory, or on disk where they are many, and written at once.

use crate::context::{CUSTOMER_ID, USER_ID};
use crate::direct::{Kind, Layout, column};
use crate::error::internal;
use crate::identifier::uuidv7;
use crate::json::JsonbOut;
use crate::owner::is_restricted;
use crate::statement::kept;
use crate::table::our_table_to_write;
use pgrx::PgRelation;
use pgrx::pg_sys::BuiltinOid::{INT8OID, TEXTOID};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{AttrNumber, Datum};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::ffi::CStr;

/// The columns that differ from entry to entry.
const COLUMNS: [(&CStr, pg_sys::Oid); 6] = [
    (c"id", pg_sys::UUIDOID),
    (c"workspace_id", pg_sys::TEXTOID),
    (c"row_id", pg_sys::UUIDOID),
    (c"action", pg_sys::TEXTOID),
    (c"old_values", pg_sys::JSONBOID),
    (c"new_values", pg_sys::JSONBOID),
];

/// Those that are the same for all entries of a statement.
const SHARED: [(&CStr, pg_sys::Oid); 5] = [
    (c"transaction_id", pg_sys::INT8OID),
    (c"user_id", pg_sys::TEXTOID),
    (c"customer_id", pg_sys::TEXTOID),
    (c"table_name", pg_sys::TEXTOID),
    (c"database_role", pg_sys::TEXTOID),
];

/// The log has no triggers on what is inserted, and no foreign keys.
const WRITING: Kind = Kind { event: pg_sys::TRIGGER_TYPE_INSERT, triggers: &[], foreign_keys: &[], changes: &[] };

thread_local! {
    /// With the columns of an entry, then those that entries share.
    static LAYOUT: RefCell<Option<Layout<Vec<AttrNumber>>>> = const { RefCell::new(None) };
}

const WRITE: &str = "INSERT INTO parlant.parlant_audit_log
        (id, workspace_id, transaction_id, user_id, customer_id, database_role, table_name, row_id, action, old_values, new_values)
    SELECT id, workspace_id, $1, $2, $3, session_user, $4, row_id, action, old_values, new_values FROM entry";

#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Insert,
    Update,
    Delete,
}

pub(super) struct Entries {
    rows: *mut pg_sys::Tuplestorestate,
    description: pg_sys::TupleDesc,
    count: u32,
}

impl Entries {
    pub(super) fn new() -> Result<Self, ErrorReport> {
        let count = i32::try_from(COLUMNS.len()).map_err(internal)?;
        // SAFETY: the description has as many columns as are then described, by names that end with NUL; both it and
        // the rows live in the trigger's memory context, or until `drop`.
        unsafe {
            let description = pg_sys::CreateTemplateTupleDesc(count);
            for (number, (name, data_type)) in (1..).zip(COLUMNS) {
                pg_sys::TupleDescInitEntry(description, number, name.as_ptr(), data_type, -1, 0);
            }
            let rows = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            Ok(Entries { rows, description, count: 0 })
        }
    }

    /// Adds an entry. Its values are texts of JSON objects.
    ///
    /// # Safety
    /// The workspace is a text, and the row's id a uuid.
    pub(super) unsafe fn add(
        &mut self,
        action: Action,
        workspace_id: pg_sys::Datum,
        row_id: pg_sys::Datum,
        old_values: Option<String>,
        new_values: Option<String>,
    ) -> Result<(), ErrorReport> {
        let action = match action {
            Action::Insert => "insert",
            Action::Update => "update",
            Action::Delete => "delete",
        };
        let values = [
            uuidv7().into_datum(),
            Some(workspace_id),
            Some(row_id),
            action.into_datum(),
            old_values.and_then(|object| JsonbOut(object).into_datum()),
            new_values.and_then(|object| JsonbOut(object).into_datum()),
        ];
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
        // SAFETY: each value is of the type of its column, and copied.
        unsafe {
            pg_sys::tuplestore_putvalues(self.rows, self.description, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes them into the log, for a table of this name. One alone, as most statements make, is written without a
    /// query: see [`crate::direct`].
    pub(super) fn write(&self, table: &str) -> Result<(), ErrorReport> {
        // SAFETY: it gives the transaction a number if it has none yet; it is about to write anyway.
        let transaction = unsafe { pg_sys::GetTopFullTransactionId() }.value.cast_signed();
        if self.count == 1 && self.write_directly(table, transaction)? {
            return Ok(());
        }
        let mut relation = pg_sys::EphemeralNamedRelationData {
            md: pg_sys::EphemeralNamedRelationMetadataData {
                name: c"entry".as_ptr().cast_mut(),
                reliddesc: pg_sys::InvalidOid,
                tupdesc: self.description,
                enrtype: pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE,
                enrtuples: self.count.into(),
            },
            reldata: self.rows.cast(),
        };
        Spi::connect_mut(|client| {
            // SAFETY: the relation outlives this SPI connection, which alone knows it, and reads it only.
            let registered = unsafe { pg_sys::SPI_register_relation(&raw mut relation) };
            if registered < 0 {
                return Err(internal(format!("SPI_register_relation: {registered}")));
            }
            let plan = kept(client, WRITE, &[INT8OID, TEXTOID, TEXTOID, TEXTOID])?;
            let parameters = [transaction.into(), USER_ID.get().into(), CUSTOMER_ID.get().into(), table.into()];
            client.update(plan, None, &parameters).map(drop).map_err(internal)
        })
    }

    /// False, and nothing done, where it is for a query to write the entry or to say why not.
    fn write_directly(&self, table: &str, transaction: i64) -> Result<bool, ErrorReport> {
        let log = our_table_to_write("parlant_audit_log")?;
        let layout = Layout::of(&LAYOUT, &log, &WRITING, columns_of);
        let Some(Layout { compiled, columns }) = layout else { return Ok(false) };
        if is_restricted(&log) || !compiled.may_insert(&log, false) {
            return Ok(false);
        }
        // SAFETY: the user of the connection has a name; the slot is for rows of this description, and holds the entry
        // until it is dropped.
        let (role, slot) = unsafe {
            let role = CStr::from_ptr(pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false));
            let slot = pg_sys::MakeSingleTupleTableSlot(self.description, &raw const pg_sys::TTSOpsMinimalTuple);
            pg_sys::tuplestore_gettupleslot(self.rows, true, false, slot);
            (role.to_string_lossy(), slot)
        };
        let own = (1..).zip(COLUMNS).map(|(number, _)| {
            let mut is_null = false;
            // SAFETY: the slot holds a row with as many columns.
            let value = unsafe { pg_sys::slot_getattr(slot, number, &raw mut is_null) };
            (!is_null).then_some(value)
        });
        let shared: [Option<Datum>; SHARED.len()] = [
            transaction.into_datum(),
            USER_ID.get().into_datum(),
            CUSTOMER_ID.get().into_datum(),
            table.into_datum(),
            (&*role).into_datum(),
        ];
        let given: Vec<_> = columns.iter().copied().zip(own.chain(shared)).collect();
        let writer = compiled.writer(&log);
        let row = writer.row(&given);
        let is_plain = writer.passes_checks(&row);
        if is_plain {
            writer.insert(vec![row], false);
        }
        // SAFETY: made above; what was made of its values is written, or given up.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(slot) }
        Ok(is_plain)
    }
}

fn columns_of(log: &PgRelation) -> Option<Vec<AttrNumber>> {
    let descriptor = log.tuple_desc();
    let number = |(name, base): (&CStr, pg_sys::Oid)| column(&descriptor, name.to_str().ok()?, base);
    COLUMNS.into_iter().chain(SHARED).map(number).collect()
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and used by nobody else.
        unsafe { pg_sys::tuplestore_end(self.rows) }
    }
}
