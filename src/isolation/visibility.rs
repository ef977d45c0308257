//! What the policies hide within a workspace: soft-deleted agents with what hangs below them, and from a customer
//! the sessions of others.
//!
//! Each function is asked of every row that a statement looks at, so it answers at once where nothing is hidden, and
//! else asks the tables once for each parent.

use super::lookup::Question;
use super::policy::acts_for_user;
use crate::context::{self, CUSTOMER_ID, HIDES_AGENTS, WORKSPACE_ID};
use crate::query::Query;
use pgrx::Uuid;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr::null_mut;

/// More parents than this in one transaction are asked about again.
const REMEMBERED_PARENTS: usize = 16384;

thread_local! {
    static AGENT_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static STARTABLE_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static JOURNEY_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static SESSION_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static REMEMBERED: RefCell<Remembered> = RefCell::default();
}

static AGENT: Question = Question {
    table: "parlant_agent",
    query: Query {
        sql: c"SELECT deleted_at IS NULL FROM parlant.parlant_agent WHERE workspace_id = $1 AND id = $2",
        types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
        plan: &AGENT_PLAN,
    },
};

static STARTABLE: Question = Question {
    table: "parlant_agent",
    query: Query {
        sql: c"SELECT status = 'active' FROM parlant.parlant_agent
               WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
        types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
        plan: &STARTABLE_PLAN,
    },
};

static JOURNEY: Question = Question {
    table: "parlant_journey",
    query: Query {
        sql: c"SELECT agent.deleted_at IS NULL
               FROM parlant.parlant_journey AS journey
               JOIN parlant.parlant_agent AS agent
                 ON agent.workspace_id = journey.workspace_id AND agent.id = journey.agent_id
               WHERE journey.workspace_id = $1 AND journey.id = $2",
        types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
        plan: &JOURNEY_PLAN,
    },
};

static SESSION: Question = Question {
    table: "parlant_session",
    query: Query {
        sql: c"SELECT agent.deleted_at IS NULL AND coalesce(session.customer_id = $3, $3 IS NULL)
               FROM parlant.parlant_session AS session
               JOIN parlant.parlant_agent AS agent
                 ON agent.workspace_id = session.workspace_id AND agent.id = session.agent_id
               WHERE session.workspace_id = $1 AND session.id = $2",
        types: &[pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID],
        plan: &SESSION_PLAN,
    },
};

/// Answers of this transaction, by parent: its table and id, because clients choose ids and can give one to two rows.
#[derive(Default)]
struct Remembered {
    context: u64,
    answers: HashMap<(&'static str, [u8; 16]), bool>,
}

impl Remembered {
    fn get(&mut self, table: &'static str, id: Uuid) -> Option<bool> {
        if self.context != context::changes() {
            self.context = context::changes();
            self.answers.clear();
        }
        self.answers.get(&(table, *id.as_bytes())).copied()
    }

    fn put(&mut self, table: &'static str, id: Uuid, answer: bool) {
        if self.answers.len() >= REMEMBERED_PARENTS {
            self.answers.clear();
        }
        self.answers.insert((table, *id.as_bytes()), answer);
    }
}

/// A text of a row, which mostly nobody needs to read.
struct Unread(pg_sys::Datum);

impl Unread {
    fn read(&self) -> Option<&str> {
        // SAFETY: the datum is a text that is not null.
        unsafe { <&str>::from_datum(self.0, false) }
    }
}

impl FromDatum for Unread {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(Unread(datum))
    }
}

// SAFETY: the argument is only kept as it is, and outlives the call.
unsafe impl<'fcx> ArgAbi<'fcx> for Unread {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller promises an argument of this type; the functions below take an Option of it, so that none
        // is null here.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Unread(pg_sys::Datum::null()))
    }
}

pgrx::impl_sql_translatable!(Unread, "text");

/// What the tables say of the parent. One that is not there is for the foreign key to refuse, but for a customer,
/// who may only be shown what is known to be their own.
fn is_visible(question: &'static Question, workspace_id: Option<Unread>, id: Uuid) -> Result<bool, ErrorReport> {
    let is_here = |workspace_id: &&str| {
        WORKSPACE_ID.with(|current| current.to_bytes() == workspace_id.as_bytes()).unwrap_or(false)
    };
    let Some(workspace_id) = workspace_id.as_ref().and_then(Unread::read).filter(is_here) else { return Ok(false) };
    if let Some(answer) = REMEMBERED.with_borrow_mut(|remembered| remembered.get(question.table, id)) {
        return Ok(answer);
    }
    let customer_id = CUSTOMER_ID.get();
    let mut arguments = vec![workspace_id.into_datum(), id.into_datum(), customer_id.clone().into_datum()];
    arguments.truncate(question.query.types.len());
    let Some(answer) = question.ask(&arguments)? else { return Ok(customer_id.is_none()) };
    REMEMBERED.with_borrow_mut(|remembered| remembered.put(question.table, id, answer));
    Ok(answer)
}

/// False for an agent of the workspace that was soft-deleted before it was entered, or in this transaction.
#[pg_extern(stable, parallel_safe)]
fn shows_agent(workspace_id: Option<Unread>, agent_id: Option<Uuid>) -> Result<bool, ErrorReport> {
    match agent_id {
        Some(agent_id) if HIDES_AGENTS.is_set() => is_visible(&AGENT, workspace_id, agent_id),
        _ => Ok(true),
    }
}

/// False for a journey of an agent that is not shown.
#[pg_extern(stable, parallel_safe)]
fn shows_journey(workspace_id: Option<Unread>, journey_id: Option<Uuid>) -> Result<bool, ErrorReport> {
    match journey_id {
        Some(journey_id) if HIDES_AGENTS.is_set() => is_visible(&JOURNEY, workspace_id, journey_id),
        _ => Ok(true),
    }
}

/// False for a session of an agent that is not shown, and for a customer for any session but their own.
#[pg_extern(stable, parallel_safe)]
fn shows_session(workspace_id: Option<Unread>, session_id: Option<Uuid>) -> Result<bool, ErrorReport> {
    let may_hide = CUSTOMER_ID.is_set() || HIDES_AGENTS.is_set();
    match session_id {
        Some(session_id) if may_hide => is_visible(&SESSION, workspace_id, session_id),
        _ => Ok(true),
    }
}

/// False for a session of an agent that is not shown, for a customer if it is of another, and outside a workspace.
#[pg_extern(stable, parallel_safe)]
fn shows_session_of(
    workspace_id: Option<Unread>,
    agent_id: Option<Uuid>,
    customer_id: Option<Unread>,
) -> Result<bool, ErrorReport> {
    let is_theirs = || {
        let customer_id = customer_id.as_ref().and_then(Unread::read).map(str::as_bytes);
        CUSTOMER_ID.with(|current| Some(current.to_bytes()) == customer_id).unwrap_or(false)
    };
    if acts_for_user() || is_theirs() { shows_agent(workspace_id, agent_id) } else { Ok(false) }
}

/// For a customer, who sees no agents: whether an agent of the workspace starts sessions; NULL if it is not there.
#[pg_extern(stable, parallel_safe)]
fn customer_may_start(agent_id: Uuid) -> Result<Option<bool>, ErrorReport> {
    match WORKSPACE_ID.get() {
        Some(workspace_id) if CUSTOMER_ID.is_set() => {
            STARTABLE.ask(&[workspace_id.into_datum(), agent_id.into_datum()])
        }
        _ => Ok(None),
    }
}

/// `AFTER UPDATE` statement trigger on agents: what this transaction has soft-deleted is hidden from it as well.
#[pg_trigger(sql = false)]
fn hide_deleted_agents<'a>(
    _: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, pgrx::AllocatedByRust>>, ErrorReport> {
    if WORKSPACE_ID.is_set() {
        HIDES_AGENTS.set_locally(Some(c"on"));
    }
    Ok(None)
}
