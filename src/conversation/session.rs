//! Updates of a session: the log counts, and a session ends once.

use super::ledger;
use super::session_row::is_counting;
use crate::error::{error, internal};
use crate::row::{ReturnedRow, Row};
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::Uuid;
use pgrx::fcinfo::direct_function_call;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;

/// `BEFORE UPDATE` row trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn keep_session<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<ReturnedRow<'a>>, ErrorReport> {
    Ok(Some(keep(trigger).unwrap_or_report()))
}

fn keep<'a>(trigger: &'a PgTrigger<'a>) -> Result<ReturnedRow<'a>, ErrorReport> {
    let (old, new) = (Row::old_of(trigger)?, Row::new_of(trigger)?);
    let id: Uuid = old.get("id")?.ok_or_else(|| internal("a session without id"))?;
    if is_counting(id) {
        return Ok(new.unchanged());
    }
    let status = |row: &Row<'_>| row.get::<String>("status").map(Option::unwrap_or_default);
    let (was, is) = (status(&old)?, status(&new)?);
    let end = |row: &Row<'_>| row.get::<pg_sys::Timestamp>("ended_at");
    if was != "active" && (is != was || end(&new)? != end(&old)?) {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("session {id} has ended"),
            format!("It was {was} before, and a session ends once."),
            "Start a new session.",
        ));
    }
    remember(id, &new, is)?;
    let counted = |column| old.get::<i32>(column).map(Option::unwrap_or_default);
    let changes = [
        ("event_count", counted("event_count")?.into_datum()),
        ("message_count", counted("message_count")?.into_datum()),
        ("updated_at", now()),
    ];
    let changes: Vec<_> = changes.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    new.with(&changes)
}

/// A statement that is numbering events of the session goes on with what it has become.
fn remember(id: Uuid, new: &Row<'_>, status: String) -> Result<(), ErrorReport> {
    let mode = new.get::<String>("mode")?.unwrap_or_default();
    let (journey, state) = (new.get("current_journey_id")?, new.get("current_state_id")?);
    ledger::with(|ledger| {
        if let Some(session) = ledger.session(id.as_bytes()) {
            session.status = status;
            session.mode = mode;
            session.journey_id = journey;
            session.state_id = state;
        }
    });
    Ok(())
}

/// The UTC time of the transaction.
fn now() -> Option<pg_sys::Datum> {
    // SAFETY: the function takes a zone and a time, and is strict.
    unsafe {
        let start = pg_sys::GetCurrentTransactionStartTimestamp();
        direct_function_call::<pg_sys::Datum>(pg_sys::timestamptz_zone, &["utc".into_datum(), start.into_datum()])
    }
}
