//! What entering finds, kept for the connection as long as the tables that say so stay as they are.
//!
//! Whoever changes one of them invalidates it in the caches of all connections, as PostgreSQL does with its catalogs
//! (trigger `invalidate_caches`): what was committed before a transaction began is never overlooked.

use super::enter::Actor;
use super::permission::{MEMBERS, admits_customers, hides_agents, permission_to_enter};
use super::refusal::refused_entry;
use crate::changes::changes_of;
use crate::host;
use crate::table::our_table;
use pgrx::PgRelation;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;

const TRIGGER: &CStr = c"invalidate_caches";

/// Beyond so many, a connection begins anew.
const KEPT_ADMISSIONS: usize = 1024;

/// How somebody is in a workspace.
#[derive(Clone)]
pub(super) struct Admission {
    /// The permission of a user; none of a customer.
    pub(super) permission: Option<String>,
    pub(super) hides_agents: bool,
}

/// What is kept, as of a number of changes of the tables.
#[derive(PartialEq, Eq)]
struct Version {
    tables: [pg_sys::Oid; 3],
    changes: u64,
}

struct Kept {
    version: Version,
    /// None where a host decides, in tables that tell nobody when they change.
    by_entry: Option<HashMap<String, Admission>>,
}

enum Answer {
    Admission(Admission),
    AskHost,
    Unknown,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// `entry` says in one text who enters which workspace.
///
/// # Errors
/// 42501 if the workspace does not admit them; 55000 if the host is no longer what it was when it was linked.
pub(super) fn admission(entry: &str, workspace_id: &str, actor: Actor<'_>) -> Result<Admission, ErrorReport> {
    // SAFETY: these read settings of the transaction, and what other connections have sent. A transaction that sees as
    // of its beginning does so here, too.
    let may_keep = unsafe {
        pg_sys::AcceptInvalidationMessages();
        pg_sys::XactIsoLevel < pg_sys::XACT_REPEATABLE_READ.cast_signed()
    };
    if !may_keep {
        return look_up(workspace_id, actor);
    }
    match kept(entry) {
        Answer::Admission(admission) => return Ok(admission),
        Answer::AskHost => return look_up(workspace_id, actor),
        Answer::Unknown => {}
    }
    let tables = [our_table(host::LINK)?, our_table(MEMBERS)?, our_table("parlant_agent")?];
    // Before anything is looked up, so that what changes meanwhile is looked up again.
    let changes = tables.iter().map(|table| changes_of(table.oid())).min().unwrap_or_default();
    let admission = look_up(workspace_id, actor)?;
    if tables.iter().all(invalidates_caches) {
        let version = Version { tables: tables.map(|table| table.oid()), changes };
        keep(version, host::is_linked()?, entry, &admission);
    }
    Ok(admission)
}

fn look_up(workspace_id: &str, actor: Actor<'_>) -> Result<Admission, ErrorReport> {
    let permission = match actor {
        Actor::User(user_id) => Some(permission_to_enter(workspace_id, user_id)?),
        Actor::Customer(customer_id) => {
            if !admits_customers(workspace_id)? {
                let facts = [("workspace_id", workspace_id), ("customer_id", customer_id)];
                return Err(refused_entry("no workspace", &facts));
            }
            None
        }
    };
    Ok(Admission { permission, hides_agents: hides_agents(workspace_id)? })
}

fn kept(entry: &str) -> Answer {
    KEPT.with_borrow(|kept| {
        let is_current =
            |kept: &&Kept| kept.version.tables.iter().all(|table| changes_of(*table) == kept.version.changes);
        match kept.as_ref().filter(is_current) {
            None => Answer::Unknown,
            Some(Kept { by_entry: None, .. }) => Answer::AskHost,
            Some(Kept { by_entry: Some(admissions), .. }) => {
                admissions.get(entry).cloned().map_or(Answer::Unknown, Answer::Admission)
            }
        }
    })
}

fn keep(version: Version, host_decides: bool, entry: &str, admission: &Admission) {
    KEPT.with_borrow_mut(|kept| {
        let before = kept.take().filter(|kept| kept.version == version).and_then(|kept| kept.by_entry);
        let by_entry = (!host_decides).then(|| {
            let mut admissions = before.filter(|admissions| admissions.len() < KEPT_ADMISSIONS).unwrap_or_default();
            admissions.insert(entry.to_owned(), admission.clone());
            admissions
        });
        *kept = Some(Kept { version, by_entry });
    });
}

/// Also where a replica applies what another server wrote.
fn invalidates_caches(table: &PgRelation) -> bool {
    // SAFETY: an open relation has its triggers in an array of that length, or none; each has a name that ends with NUL.
    unsafe {
        let description = (*table.as_ptr()).trigdesc;
        !description.is_null()
            && (0..(*description).numtriggers.unsigned_abs() as usize).any(|n| {
                let trigger = &*(*description).triggers.add(n);
                CStr::from_ptr(trigger.tgname) == TRIGGER
                    && trigger.tgenabled.cast_unsigned() == pg_sys::TRIGGER_FIRES_ALWAYS
            })
    }
}

/// Row trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn invalidate_caches<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, pgrx::AllocatedByRust>>, ErrorReport> {
    // SAFETY: a trigger runs with its relation open.
    unsafe { pg_sys::CacheInvalidateRelcache(trigger.trigger_data().tg_relation) }
    Ok(None)
}
