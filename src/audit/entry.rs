//! Entries of the log, and how they get there.

use crate::context::{CUSTOMER_ID, USER_ID};
use crate::direct::{Kind, Layout, column};
use crate::error::internal;
use crate::identifier::uuidv7;
use crate::json::JsonbMade;
use crate::owner::as_owner_of;
use crate::privilege::is_restricted;
use crate::statement::kept;
use crate::table::our_table_to_write;
use pgrx::PgRelation;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{self, INT8OID, JSONBOID, TEXTOID, TIMESTAMPOID, UUIDOID};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{AttrNumber, Datum};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::ffi::CStr;

/// The columns that differ from entry to entry.
const OWN: [(&str, BuiltinOid); 6] = [
    ("id", UUIDOID),
    ("workspace_id", TEXTOID),
    ("row_id", UUIDOID),
    ("action", TEXTOID),
    ("old_values", JSONBOID),
    ("new_values", JSONBOID),
];

/// Those that are the same for all entries of a statement.
const SHARED: [(&str, BuiltinOid); 6] = [
    ("occurred_at", TIMESTAMPOID),
    ("transaction_id", INT8OID),
    ("user_id", TEXTOID),
    ("customer_id", TEXTOID),
    ("database_role", TEXTOID),
    ("table_name", TEXTOID),
];

const WRITE: &str = "INSERT INTO parlant.parlant_audit_log
        (id, workspace_id, row_id, action, old_values, new_values,
         occurred_at, transaction_id, user_id, customer_id, database_role, table_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// The log has no triggers on what is inserted, and no foreign keys.
const WRITING: Kind = Kind {
    event: pg_sys::TRIGGER_TYPE_INSERT,
    triggers: &[],
    foreign_keys: &[],
    checks: &[c"action_is_known", c"old_values_is_an_object", c"new_values_is_an_object"],
    changes: &[],
};

thread_local! {
    /// With the columns of an entry, then those that entries share.
    static LAYOUT: RefCell<Option<Layout<Vec<AttrNumber>>>> = const { RefCell::new(None) };
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Insert,
    Update,
    Delete,
}

pub(super) struct Entry {
    pub(super) workspace_id: String,
    pub(super) row_id: pgrx::Uuid,
    pub(super) action: Action,
    pub(super) old_values: Option<JsonbMade>,
    pub(super) new_values: Option<JsonbMade>,
}

impl Entry {
    /// The values of [`OWN`].
    fn into_values(self) -> [Option<Datum>; OWN.len()] {
        let action = match self.action {
            Action::Insert => "insert",
            Action::Update => "update",
            Action::Delete => "delete",
        };
        [
            uuidv7().into_datum(),
            self.workspace_id.into_datum(),
            self.row_id.into_datum(),
            action.into_datum(),
            self.old_values.and_then(IntoDatum::into_datum),
            self.new_values.and_then(IntoDatum::into_datum),
        ]
    }
}

/// Entries of one statement, in the order in which they will stand in the log.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Entries {
    /// So many are written together. More would not be quicker.
    const MOST: usize = 500;
    /// Or so many as have values of this size.
    const MOST_BYTES: usize = 256 * 1024;

    /// Adds an entry; true if they should be written now.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        self.bytes += [&entry.old_values, &entry.new_values].into_iter().flatten().map(JsonbMade::size).sum::<usize>();
        self.entries.push(entry);
        self.entries.len() >= Self::MOST || self.bytes >= Self::MOST_BYTES
    }

    /// Writes them into the log as the owner of their table: without a query (see [`crate::direct`]), unless somebody
    /// has put on the log what takes one.
    pub(super) fn write(self, table: &PgRelation) -> Result<(), ErrorReport> {
        // SAFETY: the user of the connection has a name; a transaction that is about to write gets its number. A moment
        // in UTC is the same number as timestamp and as timestamptz.
        let (now, transaction, role) = unsafe {
            let role = CStr::from_ptr(pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false));
            let transaction = pg_sys::GetTopFullTransactionId().value.cast_signed();
            (pg_sys::GetCurrentTransactionStartTimestamp(), transaction, role.to_string_lossy())
        };
        let shared = [
            Some(now.into()),
            transaction.into_datum(),
            USER_ID.get().into_datum(),
            CUSTOMER_ID.get().into_datum(),
            (&*role).into_datum(),
            table.name().into_datum(),
        ];
        let own: Vec<_> = self.entries.into_iter().map(Entry::into_values).collect();
        as_owner_of(table, || if write_directly(&own, shared)? { Ok(()) } else { write_by_query(&own, shared) })
    }
}

/// False, and nothing done, where it is for a query to write the entries or to say why not.
fn write_directly(
    own: &[[Option<Datum>; OWN.len()]],
    shared: [Option<Datum>; SHARED.len()],
) -> Result<bool, ErrorReport> {
    let log = our_table_to_write("parlant_audit_log")?;
    let layout = Layout::of(&LAYOUT, &log, &WRITING, columns_of);
    let Some(Layout { compiled, columns }) = layout else { return Ok(false) };
    if is_restricted(&log) || !compiled.may_insert(&log, false) {
        return Ok(false);
    }
    let writer = compiled.writer(&log);
    let mut rows = Vec::with_capacity(own.len());
    for own in own {
        let mut given = [(0, None); OWN.len() + SHARED.len()];
        let values = own.iter().chain(&shared);
        for ((given, column), value) in given.iter_mut().zip(&columns).zip(values) {
            *given = (*column, *value);
        }
        let row = writer.row(&given);
        if !writer.passes_checks(&row) {
            return Ok(false);
        }
        rows.push(row);
    }
    writer.insert(rows, false);
    Ok(true)
}

fn columns_of(log: &PgRelation) -> Option<Vec<AttrNumber>> {
    let descriptor = log.tuple_desc();
    OWN.iter().chain(&SHARED).map(|(name, data_type)| column(&descriptor, name, data_type.value())).collect()
}

fn write_by_query(
    own: &[[Option<Datum>; OWN.len()]],
    shared: [Option<Datum>; SHARED.len()],
) -> Result<(), ErrorReport> {
    let types: Vec<_> = OWN.iter().chain(&SHARED).map(|(_, data_type)| *data_type).collect();
    Spi::connect_mut(|client| {
        let plan = kept(client, WRITE, &types)?;
        for own in own {
            let values = own.iter().chain(&shared).zip(&types);
            // SAFETY: each value is of the type of its column.
            let values: Vec<_> =
                values.map(|(value, data_type)| unsafe { DatumWithOid::new(*value, data_type.value()) }).collect();
            client.update(plan, None, &values).map_err(internal)?;
        }
        Ok(())
    })
}
