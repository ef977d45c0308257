//! What rows have left to say in the log until their statement ends, or until it is much.
//!
//! PostgreSQL calls the triggers of all rows that a statement has changed, and then that of the statement. While it does,
//! a trigger may run further statements, also on the same table; theirs are told apart by the depth of triggers.

use super::change::Event;
use super::entry::{Entries, Entry};
use pgrx::PgRelation;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::null_mut;

#[derive(PartialEq, Eq)]
struct Statement {
    trigger_depth: i32,
    table: Oid,
    event: Event,
}

impl Statement {
    fn of(table: &PgRelation, event: Event) -> Self {
        // SAFETY: the function gives a number of the backend's, and looks at no argument.
        let depth = unsafe { pg_sys::pg_trigger_depth(null_mut()) };
        Statement { trigger_depth: depth.value() as i32, table: table.oid(), event }
    }
}

struct Pending {
    statement: Statement,
    subtransaction: pg_sys::SubTransactionId,
    entries: Entries,
}

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

/// Adds an entry to those of the statement that runs, and writes them if they are many.
pub(super) fn add(table: &PgRelation, event: Event, entry: Entry) -> Result<(), ErrorReport> {
    let statement = Statement::of(table, event);
    let are_many = PENDING.with_borrow_mut(|pending| {
        let at = pending.iter().rposition(|known| known.statement == statement);
        let at = at.unwrap_or_else(|| {
            // SAFETY: a transaction runs.
            let subtransaction = unsafe { pg_sys::GetCurrentSubTransactionId() };
            pending.push(Pending { statement, subtransaction, entries: Entries::default() });
            pending.len() - 1
        });
        pending.get_mut(at).is_some_and(|pending| pending.entries.add(entry))
    });
    if are_many { write(table, event) } else { Ok(()) }
}

/// Writes the entries of the statement that runs.
pub(super) fn write(table: &PgRelation, event: Event) -> Result<(), ErrorReport> {
    let statement = Statement::of(table, event);
    // Taken out first: whatever a database administrator has put on the log may run statements as well.
    let taken = PENDING.with_borrow_mut(|pending| {
        let at = pending.iter().rposition(|known| known.statement == statement)?;
        Some(pending.remove(at).entries)
    });
    taken.map_or(Ok(()), |entries| entries.write(table))
}

/// Called when the library is loaded.
pub(super) fn register_callbacks() {
    // SAFETY: both functions live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), null_mut());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE if !PENDING.with_borrow(Vec::is_empty) => {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "changes were noted for the audit log, but not written to it",
                "A trigger audit_row ran, and audit_statement of the same table is disabled or gone. Run \
                 parlant.install_tables(), or enable it."
            );
        }
        XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE => PENDING.with_borrow_mut(Vec::clear),
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    event: pg_sys::SubXactEvent::Type,
    subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        // Those that began in it have greater numbers.
        PENDING.with_borrow_mut(|pending| pending.retain(|pending| pending.subtransaction < subtransaction));
    }
}
