//! What the open INSERT statements on `parlant_event` of this connection have numbered.
//!
//! A statement writes a session's row with its first event, which locks it and gives the offset, and once more at its
//! end. What lies between is kept here. Savepoints see to it that this memory goes the way of the rows: each
//! subtransaction that changes it works on a copy of its own, which its rollback throws away.

use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A session's id, ordered as PostgreSQL orders uuids.
pub(super) type SessionKey = [u8; 16];

/// A session of which a statement has numbered an event, so that this transaction holds its row.
#[derive(Debug, Clone)]
pub(super) struct Numbered {
    pub(super) workspace_id: String,
    pub(super) status: String,
    pub(super) mode: String,
    pub(super) journey_id: Option<pgrx::Uuid>,
    pub(super) state_id: Option<pgrx::Uuid>,
    /// The offset of its next event.
    pub(super) next: i32,
    /// How many statements were open when it was locked: with the end of the last of these it is forgotten.
    depth: usize,
}

/// What events add to the row of their session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) events: i32,
    pub(super) messages: i32,
    pub(super) tokens: i64,
    pub(super) cost: i64,
}

impl Tally {
    pub(super) fn plus(self, other: Tally) -> Tally {
        Tally {
            events: self.events + other.events,
            messages: self.messages + other.messages,
            tokens: self.tokens + other.tokens,
            cost: self.cost + other.cost,
        }
    }

    pub(super) fn minus(self, other: Tally) -> Tally {
        self.plus(Tally { events: -other.events, messages: -other.messages, tokens: -other.tokens, cost: -other.cost })
    }
}

/// What one statement has numbered of one session.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) first: i32,
    pub(super) last: i32,
    pub(super) count: i32,
    /// What is in the session's row already.
    pub(super) written: Tally,
}

/// An open statement. PostgreSQL nests them: a function called by one may run another, which ends before it goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) assigned: BTreeMap<SessionKey, Assigned>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    statements: Vec<Statement>,
    sessions: BTreeMap<SessionKey, Numbered>,
}

impl Ledger {
    pub(super) fn open_statement(&mut self) {
        self.statements.push(Statement::default());
    }

    /// The statement that runs now; none where a partition is written without its table.
    pub(super) fn statement(&mut self) -> Option<&mut Statement> {
        self.statements.last_mut()
    }

    pub(super) fn close_statement(&mut self) -> Option<Statement> {
        let closed = self.statements.pop();
        let depth = self.statements.len();
        self.sessions.retain(|_, session| session.depth <= depth);
        closed
    }

    pub(super) fn session(&mut self, key: &SessionKey) -> Option<&mut Numbered> {
        self.sessions.get_mut(key)
    }

    /// The last in order of the sessions that open statements hold.
    pub(super) fn last_session(&self) -> Option<&SessionKey> {
        self.sessions.last_key_value().map(|(key, _)| key)
    }

    pub(super) fn insert(&mut self, key: SessionKey, mut session: Numbered) {
        session.depth = self.statements.len();
        self.sessions.insert(key, session);
    }
}

impl Numbered {
    pub(super) fn new(workspace_id: String, status: String, mode: String, next: i32) -> Self {
        Numbered { workspace_id, status, mode, journey_id: None, state_id: None, next, depth: 0 }
    }
}

/// Lets `work` read and change the ledger of the current subtransaction. It must not run SQL.
pub(super) fn with<T>(work: impl FnOnce(&mut Ledger) -> T) -> T {
    // SAFETY: reads a number of the transaction that runs.
    let current = unsafe { pg_sys::GetCurrentSubTransactionId() };
    LAYERS.with_borrow_mut(|layers| layers.top(current, work))
}

/// A ledger for each subtransaction that has changed it, the innermost last.
#[derive(Debug, Default)]
struct Layers(Vec<(pg_sys::SubTransactionId, Ledger)>);

impl Layers {
    fn top<T>(&mut self, current: pg_sys::SubTransactionId, work: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = match self.0.last_mut() {
            Some((subtransaction, ledger)) if *subtransaction == current => return work(ledger),
            Some((_, ledger)) => ledger.clone(),
            None => Ledger::default(),
        };
        let result = work(&mut ledger);
        self.0.push((current, ledger));
        result
    }

    /// Numbers of subtransactions grow, so a later one is inside.
    fn roll_back(&mut self, subtransaction: pg_sys::SubTransactionId) {
        self.0.retain(|(layer, _)| *layer < subtransaction);
    }

    fn release(&mut self, subtransaction: pg_sys::SubTransactionId, parent: pg_sys::SubTransactionId) {
        if self.0.last().is_none_or(|(layer, _)| *layer != subtransaction) {
            return;
        }
        let kept = self.0.pop();
        if self.0.last().is_some_and(|(layer, _)| *layer == parent) {
            self.0.pop();
        }
        self.0.extend(kept.map(|(_, ledger)| (parent, ledger)));
    }

    fn has_open_statements(&self) -> bool {
        self.0.last().is_some_and(|(_, ledger)| !ledger.statements.is_empty())
    }
}

thread_local! {
    static LAYERS: RefCell<Layers> = const { RefCell::new(Layers(Vec::new())) };
}

/// Called when the library is loaded.
pub(crate) fn register_callbacks() {
    // SAFETY: both functions live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
    }
}

#[pg_guard]
extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _argument: *mut std::ffi::c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE if LAYERS.with_borrow(Layers::has_open_statements) => {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "events were numbered, but not counted",
                "A trigger of parlant.parlant_event that numbers them ran, and the one that counts them is disabled or \
                 gone. Run parlant.install_tables(), or enable it."
            );
        }
        XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE => LAYERS.with_borrow_mut(|layers| layers.0.clear()),
        _ => {}
    }
}

#[pg_guard]
extern "C-unwind" fn at_subtransaction_event(
    event: pg_sys::SubXactEvent::Type,
    subtransaction: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_ABORT_SUB => LAYERS.with_borrow_mut(|layers| layers.roll_back(subtransaction)),
        SUBXACT_EVENT_COMMIT_SUB => LAYERS.with_borrow_mut(|layers| layers.release(subtransaction, parent)),
        _ => {}
    }
}
