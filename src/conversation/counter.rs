//! Counting in a session's row, and moving it through a journey, without a query: see [`crate::direct`].

use super::ledger::{Numbered, Tally};
use crate::direct::{Kind, Layout, Values, column};
use crate::privilege::is_restricted;
use pgrx::pg_sys::{AttrNumber, Oid};
use pgrx::prelude::*;
use pgrx::{PgRelation, Uuid};
use std::cell::RefCell;
use std::ptr::null_mut;

/// What came of it.
pub(super) enum Counted {
    Row(Numbered),
    NoRow,
    /// It is for SQL to do.
    Undone,
}

/// No session is ended, and none has a state without a journey, which is what these triggers are about. Who moves one
/// sees to it that journey and state are there.
const WRITING: Kind = Kind {
    event: pg_sys::TRIGGER_TYPE_UPDATE,
    triggers: &[c"keep_session", c"leave_state_with_journey", c"set_ended_at"],
    foreign_keys: &[c"journey_belongs_to_the_agent", c"state_belongs_to_the_journey"],
    checks: &[],
    changes: &[
        "current_journey_id",
        "current_state_id",
        "event_count",
        "message_count",
        "tokens_used",
        "cost",
        "last_activity_at",
        "updated_at",
    ],
};

/// `last_activity_at` is in an index, which most events need not pay for: it moves by at least this much.
const ACTIVITY_STEP: i64 = 60_000_000;

/// Adds to the row of a session, waiting for whoever holds it, if it is within what the restrictions name. A move is
/// the current role's own, and undone where it is not plainly allowed.
pub(super) fn count(
    table: &PgRelation,
    session: Uuid,
    within: &Restrictions<'_>,
    tally: Tally,
    to: Option<Place>,
) -> Counted {
    let Some(layout) = Layout::of(&LAYOUT, table, &WRITING, Columns::of) else { return Counted::Undone };
    let is_restricted = to.is_some() && is_restricted(table);
    if to.is_some() && !layout.compiled.may_update(table, is_restricted) {
        return Counted::Undone;
    }
    loop {
        pgrx::check_for_interrupts!();
        match layout.try_count(table, session, within, &Change { tally, to, is_restricted }) {
            Attempt::Ended(counted) => return counted,
            // SAFETY: reads a number of the transaction that runs.
            // A transaction with one snapshot for all statements must fail here, which SQL does.
            Attempt::Overtaken if unsafe { pg_sys::XactIsoLevel } >= pg_sys::XACT_REPEATABLE_READ.cast_signed() => {
                return Counted::Undone;
            }
            Attempt::Overtaken => {}
        }
    }
}

/// What the row must have for the current role to write to it.
pub(super) struct Restrictions<'a> {
    pub(super) workspace_id: Option<&'a str>,
    pub(super) customer_id: Option<&'a str>,
}

/// A journey and a state of it, or neither.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) journey_id: Option<Uuid>,
    pub(crate) state_id: Option<Uuid>,
}

/// What is written to a row.
struct Change {
    tally: Tally,
    to: Option<Place>,
    is_restricted: bool,
}

enum Attempt {
    Ended(Counted),
    /// Somebody else has written the row since the snapshot was taken.
    Overtaken,
}

/// The columns of sessions that counting reads and writes.
#[derive(Clone, Copy)]
struct Columns {
    /// The index by which a session is found.
    key: Oid,
    workspace_id: AttrNumber,
    customer_id: AttrNumber,
    status: AttrNumber,
    mode: AttrNumber,
    journey_id: AttrNumber,
    state_id: AttrNumber,
    event_count: AttrNumber,
    message_count: AttrNumber,
    tokens_used: AttrNumber,
    cost: AttrNumber,
    last_activity_at: AttrNumber,
    updated_at: AttrNumber,
}

thread_local! {
    static LAYOUT: RefCell<Option<Layout<Columns>>> = const { RefCell::new(None) };
}

impl Layout<Columns> {
    fn try_count(&self, table: &PgRelation, session: Uuid, within: &Restrictions<'_>, change: &Change) -> Attempt {
        // SAFETY: the relation is open and locked for writing, and its layout was read since it last changed. Each
        // call is what the executor does for an UPDATE: a command of its own with a new snapshot, a scan of a unique
        // index, a new version of the row that the slot pins. What is opened here is closed below, or by the abort
        // of the transaction where a call raises an error.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let row = pg_sys::table_slot_create(table.as_ptr(), null_mut());
            let attempt = if self.find(table, session, row) {
                self.count_row(table, row, within, change)
            } else {
                Attempt::Ended(Counted::NoRow)
            };
            pg_sys::ExecDropSingleTupleTableSlot(row);
            pg_sys::PopActiveSnapshot();
            if matches!(attempt, Attempt::Ended(Counted::Row(_))) {
                pg_sys::CommandCounterIncrement();
            }
            attempt
        }
    }

    /// Puts the row of a session into the slot.
    ///
    /// # Safety
    /// The slot is one for rows of the table, and a snapshot is active.
    unsafe fn find(&self, table: &PgRelation, session: Uuid, row: *mut pg_sys::TupleTableSlot) -> bool {
        let Some(id) = session.into_datum() else { return false };
        // SAFETY: as the caller promises; the index is one of the table, on the column that the scan key names.
        unsafe {
            let index = pg_sys::index_open(self.columns.key, pg_sys::RowExclusiveLock.cast_signed());
            let mut key = pg_sys::ScanKeyData::default();
            let equal = pg_sys::StrategyNumber::try_from(pg_sys::BTEqualStrategyNumber).unwrap_or_default();
            pg_sys::ScanKeyInit(&raw mut key, 1, equal, pg_sys::F_UUID_EQ.into(), id);
            let snapshot = pg_sys::GetActiveSnapshot();
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(table.as_ptr(), index, snapshot, 1, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(table.as_ptr(), index, snapshot, null_mut(), 1, 0);
            pg_sys::index_rescan(scan, &raw mut key, 1, null_mut(), 0);
            let found = pg_sys::index_getnext_slot(scan, pg_sys::ScanDirection::ForwardScanDirection, row);
            pg_sys::index_endscan(scan);
            pg_sys::index_close(index, pg_sys::NoLock.cast_signed());
            found
        }
    }

    /// # Safety
    /// The slot holds a row of the table as the active snapshot sees it.
    unsafe fn count_row(
        &self,
        table: &PgRelation,
        row: *mut pg_sys::TupleTableSlot,
        within: &Restrictions<'_>,
        change: &Change,
    ) -> Attempt {
        let columns = &self.columns;
        // SAFETY: as the caller promises; the columns have these types, as `Columns::of` has seen.
        let (workspace_id, customer_id): (Option<String>, Option<String>) =
            unsafe { (value(row, columns.workspace_id), value(row, columns.customer_id)) };
        let is_within = within.workspace_id.is_none_or(|id| workspace_id.as_deref() == Some(id))
            && within.customer_id.is_none_or(|id| customer_id.as_deref() == Some(id));
        if !is_within {
            return Attempt::Ended(Counted::NoRow);
        }
        // SAFETY: as above.
        let changes = unsafe { self.changes(row, change) };
        // The SQL of it says what is out of range.
        let Some((changes, next)) = changes else { return Attempt::Ended(Counted::Undone) };
        // SAFETY: as above.
        unsafe {
            match self.compiled.update(table, row, &changes, change.is_restricted) {
                Some(pg_sys::TM_Result::TM_Ok) => {
                    let text = |column| value::<String>(row, column).unwrap_or_default();
                    let mut numbered =
                        Numbered::new(workspace_id.unwrap_or_default(), text(columns.status), text(columns.mode), next);
                    numbered.journey_id = value(row, columns.journey_id);
                    numbered.state_id = value(row, columns.state_id);
                    Attempt::Ended(Counted::Row(numbered))
                }
                Some(pg_sys::TM_Result::TM_Updated | pg_sys::TM_Result::TM_Deleted) => Attempt::Overtaken,
                _ => Attempt::Ended(Counted::Undone),
            }
        }
    }

    /// The columns that change with their new values, and the offset that the next event had before; none where a
    /// number is out of range.
    ///
    /// # Safety
    /// The slot holds a row of the table.
    unsafe fn changes(&self, row: *mut pg_sys::TupleTableSlot, change: &Change) -> Option<(Values, i32)> {
        // SAFETY: as the caller promises; the columns have these types, as `Columns::of` has seen.
        let number = |column| unsafe { value::<i32>(row, column) }.unwrap_or_default();
        // SAFETY: as above; the clock is that of the transaction that runs.
        let (last_activity_at, now) = unsafe {
            let last_activity_at: Option<i64> = value(row, self.columns.last_activity_at);
            // A time in UTC without zone has the number of the time with zone.
            (last_activity_at.unwrap_or_default(), pg_sys::GetCurrentTransactionStartTimestamp())
        };
        let (columns, tally) = (&self.columns, change.tally);
        let sum = |column, more: i64| i32::try_from(i64::from(number(column)).checked_add(more)?).ok();
        let moved = if last_activity_at < now - ACTIVITY_STEP { now } else { last_activity_at };
        let mut changes = vec![
            (columns.event_count, sum(columns.event_count, tally.events.into())?.into_datum()),
            (columns.message_count, sum(columns.message_count, tally.messages.into())?.into_datum()),
            (columns.tokens_used, sum(columns.tokens_used, tally.tokens)?.into_datum()),
            (columns.cost, sum(columns.cost, tally.cost)?.into_datum()),
            (columns.last_activity_at, Some(moved.into())),
            (columns.updated_at, Some(now.into())),
        ];
        if let Some(to) = change.to {
            changes.push((columns.journey_id, to.journey_id.into_datum()));
            changes.push((columns.state_id, to.state_id.into_datum()));
        }
        Some((changes, number(columns.event_count)))
    }
}

/// The value of a column, which `T` must be the type of.
///
/// # Safety
/// The slot holds a row that has the column.
unsafe fn value<T: FromDatum>(row: *mut pg_sys::TupleTableSlot, column: AttrNumber) -> Option<T> {
    // SAFETY: as the caller promises. What has been read of a row stands in its slot.
    unsafe {
        if (*row).tts_nvalid < column {
            pg_sys::slot_getallattrs(row);
        }
        let n = usize::try_from(column - 1).unwrap_or_default();
        T::from_datum(*(*row).tts_values.add(n), *(*row).tts_isnull.add(n))
    }
}

impl Columns {
    /// None where a column is missing or of another type.
    fn of(table: &PgRelation) -> Option<Columns> {
        let descriptor = table.tuple_desc();
        let column = |name, base| column(&descriptor, name, base);
        Some(Columns {
            key: primary_key(table, column("id", pg_sys::UUIDOID)?)?,
            workspace_id: column("workspace_id", pg_sys::TEXTOID)?,
            customer_id: column("customer_id", pg_sys::TEXTOID)?,
            status: column("status", pg_sys::TEXTOID)?,
            mode: column("mode", pg_sys::TEXTOID)?,
            journey_id: column("current_journey_id", pg_sys::UUIDOID)?,
            state_id: column("current_state_id", pg_sys::UUIDOID)?,
            event_count: column("event_count", pg_sys::INT4OID)?,
            message_count: column("message_count", pg_sys::INT4OID)?,
            tokens_used: column("tokens_used", pg_sys::INT4OID)?,
            cost: column("cost", pg_sys::INT4OID)?,
            last_activity_at: column("last_activity_at", pg_sys::TIMESTAMPOID)?,
            updated_at: column("updated_at", pg_sys::TIMESTAMPOID)?,
        })
    }
}

/// The index of the primary key, if that is the column `id` alone.
fn primary_key(table: &PgRelation, id: AttrNumber) -> Option<Oid> {
    // SAFETY: the relation is open.
    let key = unsafe {
        #[cfg(not(feature = "pg18"))]
        let key = pg_sys::RelationGetPrimaryKeyIndex(table.as_ptr());
        #[cfg(feature = "pg18")]
        let key = pg_sys::RelationGetPrimaryKeyIndex(table.as_ptr(), false);
        key
    };
    if key == Oid::INVALID {
        return None;
    }
    // SAFETY: the index is there while its table is locked, and has a row of pg_index with at least one column.
    let is_on_id = unsafe {
        let index = PgRelation::with_lock(key, pg_sys::AccessShareLock.cast_signed());
        let row = (*index.as_ptr()).rd_index;
        (*row).indnkeyatts == 1 && *(*row).indkey.values.as_ptr() == id
    };
    is_on_id.then_some(key)
}
