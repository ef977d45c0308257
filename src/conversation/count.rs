//! The end of an INSERT statement on `parlant_event`.

use super::ledger::{self, Assigned, SessionKey, Tally};
use super::session_row::Reach;
use super::settings::NOTIFY;
use crate::error::{error, internal};
use crate::statement::kept;
use crate::transition::Transition;
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, Uuid};
use std::collections::BTreeMap;

/// `AFTER INSERT` statement trigger with the new rows as its transition table.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn count_events<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, ErrorReport> {
    count(trigger).unwrap_or_report();
    Ok(None)
}

/// What a statement has really inserted into a session.
struct Inserted {
    workspace_id: String,
    tally: Tally,
    last: i32,
    last_type: String,
}

fn count(trigger: &PgTrigger<'_>) -> Result<(), ErrorReport> {
    let inserted = inserted(trigger)?;
    let statement = ledger::with(|ledger| ledger.statement().cloned());
    let statement = statement.ok_or_else(|| internal("the statement was not opened"))?;
    for (key, assigned) in &statement.assigned {
        let inserted = inserted.get(key);
        let tally = inserted.map(|inserted| inserted.tally).unwrap_or_default();
        if tally.events != assigned.count || inserted.is_some_and(|inserted| inserted.last != assigned.last) {
            give_back(*key, assigned, inserted)?;
        }
        let rest = tally.minus(assigned.written);
        if rest != Tally::default() {
            let reach = Reach::of_current_role()?.ok_or_else(|| internal("the session is out of reach"))?;
            reach.count_rest(Uuid::from_bytes(*key), rest)?;
        }
    }
    ledger::with(ledger::Ledger::close_statement);
    if NOTIFY.get() {
        announce(&inserted)?;
    }
    Ok(())
}

fn inserted(trigger: &PgTrigger<'_>) -> Result<BTreeMap<SessionKey, Inserted>, ErrorReport> {
    let mut sessions: BTreeMap<SessionKey, Inserted> = BTreeMap::new();
    let mut rows =
        Transition::new_rows(trigger, ["session_id", "offset", "event_type", "tokens", "cost", "workspace_id"])?;
    while rows.advance() {
        let (Some(session_id), Some(offset), Some(event_type)) =
            (rows.get::<Uuid>(0), rows.get::<i32>(1), rows.get::<String>(2))
        else {
            return Err(internal("an event without session, offset or type"));
        };
        let tally = Tally {
            events: 1,
            messages: i32::from(matches!(event_type.as_str(), "customer_message" | "agent_message")),
            tokens: rows.get::<i32>(3).unwrap_or_default().into(),
            cost: rows.get::<i32>(4).unwrap_or_default().into(),
        };
        let session = sessions.entry(*session_id.as_bytes()).or_insert_with(|| Inserted {
            workspace_id: rows.get::<String>(5).unwrap_or_default(),
            tally: Tally::default(),
            last: offset,
            last_type: String::new(),
        });
        session.tally = session.tally.plus(tally);
        if offset >= session.last {
            session.last = offset;
            session.last_type = event_type;
        }
    }
    Ok(sessions)
}

/// Rows that were numbered and then skipped, by `ON CONFLICT DO NOTHING` or a user's trigger, leave their numbers for
/// the next event, unless one after them is taken.
fn give_back(key: SessionKey, assigned: &Assigned, inserted: Option<&Inserted>) -> Result<(), ErrorReport> {
    let kept = inserted.map(|inserted| inserted.tally.events).unwrap_or_default();
    let next = inserted.map_or(assigned.first, |inserted| inserted.last + 1);
    let is_the_end = assigned.last - assigned.first + 1 == assigned.count && next - assigned.first == kept;
    let is_given_back = is_the_end
        && ledger::with(|ledger| match ledger.session(&key) {
            Some(session) if session.next == assigned.last + 1 => {
                session.next = next;
                true
            }
            _ => false,
        });
    if is_given_back {
        return Ok(());
    }
    Err(error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("events of session {} would have a gap", Uuid::from_bytes(key)),
        "A row was skipped after it had its offset, and a later row of the statement was not.".to_owned(),
        "Give ON CONFLICT DO NOTHING one row a statement, or use parlant.append_events with idempotency keys.",
    ))
}

fn announce(sessions: &BTreeMap<SessionKey, Inserted>) -> Result<(), ErrorReport> {
    const ANNOUNCE: &str = "SELECT pg_catalog.pg_notify('parlant_events', $1)";
    for (key, session) in sessions {
        let hint = serde_json::json!({
            "workspace_id": session.workspace_id,
            "session_id": Uuid::from_bytes(*key).to_string(),
            "offset": session.last,
            "event_type": session.last_type,
        });
        Spi::connect_mut(|client| {
            let plan = kept(client, ANNOUNCE, &[TEXTOID])?;
            client.update(plan, None, &[hint.to_string().into()]).map_err(internal).map(|_| ())
        })?;
    }
    Ok(())
}
