//! One new event: what it must be, and its number.

use super::counter::Place;
use super::ledger::{self, Assigned, Numbered, Tally};
use super::session_row::{Reach, unknown_session};
use super::settings::MAX_EVENT_BYTES;
use crate::error::{error, internal};
use crate::json::Jsonb;
use crate::row::{ReturnedRow, Row};
use parlant_core::event::Content;
use pgrx::PgSqlErrorCode::{
    ERRCODE_CHECK_VIOLATION, ERRCODE_FOREIGN_KEY_VIOLATION, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
    ERRCODE_PROGRAM_LIMIT_EXCEEDED, ERRCODE_T_R_SERIALIZATION_FAILURE, ERRCODE_UNIQUE_VIOLATION,
};
use pgrx::Uuid;
use pgrx::pg_sys::Datum;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;

/// `BEFORE INSERT` row trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn number_event<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<ReturnedRow<'a>>, ErrorReport> {
    Ok(Some(number(trigger).unwrap_or_report()))
}

/// A new event as the log takes it.
pub(super) struct Event {
    session_id: Uuid,
    workspace_id: Option<String>,
    event_type: String,
    offset: Option<i32>,
    tally: Tally,
}

impl Event {
    pub(super) fn new(session_id: Uuid, event_type: &str, tokens: Option<i32>, cost: Option<i32>) -> Self {
        let is_message = matches!(event_type, "customer_message" | "agent_message");
        let tally = Tally {
            events: 1,
            messages: i32::from(is_message),
            tokens: tokens.unwrap_or_default().into(),
            cost: cost.unwrap_or_default().into(),
        };
        Event { session_id, workspace_id: None, event_type: event_type.to_owned(), offset: None, tally }
    }

    /// Locks the session of these events by counting them there, and takes the next offsets if it accepts them: the
    /// first is the session's next. With a place the session goes there as well; then none, and nothing done, where
    /// that is not plainly allowed. Not for calls of tools or their results.
    pub(super) fn take_offsets(events: &[Event], to: Option<Place>) -> Result<Option<Numbered>, ErrorReport> {
        let Some(first) = events.first() else { return Ok(None) };
        let tally = events.iter().fold(Tally::default(), |sum, event| sum.plus(event.tally));
        let session = match to {
            Some(to) => {
                Reach::of_current_role()?.and_then(|reach| reach.move_without_a_query(first.session_id, tally, to))
            }
            None => Some(hold(first, tally, false)?.ok_or_else(|| unknown_session(first.session_id))?),
        };
        let Some(session) = session else { return Ok(None) };
        for (event, offset) in events.iter().zip(session.next..) {
            accept(event, offset, &session, None)?;
        }
        Ok(Some(session))
    }
}

fn number<'a>(trigger: &'a PgTrigger<'a>) -> Result<ReturnedRow<'a>, ErrorReport> {
    let row = Row::new_of(trigger)?;
    let (Some(session_id), Some(event_type)) = (row.get("session_id")?, row.get::<String>("event_type")?) else {
        return Ok(row.unchanged()); // which NOT NULL then refuses
    };
    let written_id: Option<String> = row.get("tool_call_id")?;
    let datum = |column| row.datum(column).map(|(datum, is_null)| (!is_null).then_some(datum));
    let content_id =
        check_content(datum("content")?, datum("metadata")?, &event_type, written_id.as_deref())?.tool_call_id;
    let event = Event {
        workspace_id: row.get("workspace_id")?,
        offset: row.get("offset")?,
        ..Event::new(session_id, &event_type, row.get("tokens")?, row.get("cost")?)
    };
    let is_outside_a_journey = row.datum("journey_id")?.1 && row.datum("state_id")?.1;
    let tool_call_id = written_id.or(content_id);

    let (offset, session) = next(&event)?;
    accept(&event, offset, &session, tool_call_id.as_deref())?;

    let mut changes = vec![("offset", offset.into_datum()), ("workspace_id", session.workspace_id.into_datum())];
    if let Some(id) = tool_call_id.filter(|_| event.event_type.starts_with("tool_")) {
        changes.push(("tool_call_id", id.into_datum()));
    }
    if is_outside_a_journey {
        changes.push(("journey_id", session.journey_id.into_datum()));
        changes.push(("state_id", session.state_id.into_datum()));
    }
    let changes: Vec<_> = changes.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    row.with(&changes)
}

/// The offset of the event, and its session, which this transaction now holds.
fn next(event: &Event) -> Result<(i32, Numbered), ErrorReport> {
    let key = *event.session_id.as_bytes();
    let held = ledger::with(|ledger| {
        let held = ledger.session(&key).map(|session| {
            session.next += 1;
            session.clone()
        });
        let must_not_wait = held.is_none() && ledger.last_session().is_some_and(|last| *last > key);
        ledger.statement().map(|_| (held, must_not_wait))
    });
    let Some((held, must_not_wait)) = held else {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "events cannot be written to a partition of parlant_event".to_owned(),
            "What numbers and counts events belongs to the table.".to_owned(),
            "Insert into parlant.parlant_event.",
        ));
    };
    let (session, written) = match held {
        Some(session) => (session, Tally::default()),
        None => {
            let mut session = hold(event, event.tally, must_not_wait)?.ok_or_else(|| no_session(event))?;
            session.next += 1;
            ledger::with(|ledger| ledger.insert(key, session.clone()));
            (session, event.tally)
        }
    };
    let offset = session.next - 1;
    ledger::with(|ledger| {
        let Some(statement) = ledger.statement() else { return };
        let assigned = statement.assigned.entry(key).or_insert_with(|| Assigned {
            first: offset,
            last: offset,
            count: 0,
            written,
        });
        assigned.last = offset;
        assigned.count += 1;
    });
    Ok((offset, session))
}

/// Locks the session's row by counting in it, if it is there.
fn hold(event: &Event, tally: Tally, must_not_wait: bool) -> Result<Option<Numbered>, ErrorReport> {
    let Some(reach) = Reach::of_current_role()? else { return Ok(None) };
    // Sessions are waited for in ascending order only, so that two statements never wait for each other.
    if must_not_wait && !reach.try_lock(event.session_id)? && reach.exists(event.session_id)? {
        return Err(error(
            ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!("session {} is being written by another transaction", event.session_id),
            "To wait for it while holding a session that comes after it could end in a deadlock.".to_owned(),
            "Order the rows by session_id, or try again.",
        ));
    }
    let session = reach.count_first(event.session_id, tally)?;
    Ok(session.filter(|session| event.workspace_id.as_ref().is_none_or(|id| *id == session.workspace_id)))
}

fn no_session(event: &Event) -> ErrorReport {
    let place = event.workspace_id.as_ref().map(|id| format!(" in workspace {id}")).unwrap_or_default();
    error(
        ERRCODE_FOREIGN_KEY_VIOLATION,
        format!("parlant_session {} does not exist{place}", event.session_id),
        "parlant_event.session_id refers to it.".to_owned(),
        "Check the id. The session may also be one that you cannot see.",
    )
}

/// Whether the session takes the event in its present state, under this number.
fn accept(event: &Event, offset: i32, session: &Numbered, tool_call_id: Option<&str>) -> Result<(), ErrorReport> {
    let id = event.session_id;
    if session.status != "active" {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("session {id} has ended"),
            format!("Its status is {}, and only an active session accepts events.", session.status),
            "Start a new session.",
        ));
    }
    if session.mode == "paused" && event.event_type == "agent_message" {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("session {id} is paused"),
            "A paused session accepts no agent_message.".to_owned(),
            "Set its mode to auto or manual first.",
        ));
    }
    if let Some(sent) = event.offset.filter(|sent| *sent != offset) {
        let (code, message) = if sent < offset {
            (ERRCODE_UNIQUE_VIOLATION, format!("session {id} is beyond offset {sent}"))
        } else {
            (ERRCODE_CHECK_VIOLATION, format!("session {id} has not come to offset {sent} yet"))
        };
        return Err(error(
            code,
            message,
            format!("Its next offset is {offset}, and {sent} was sent."),
            "Leave the offset out: the database gives it.",
        ));
    }
    match tool_call_id {
        Some(call) if event.event_type == "tool_result" => follow_call(event, session, call),
        _ => Ok(()),
    }
}

/// A result needs its call. A missing tool_call_id is left to the check of the table.
fn follow_call(event: &Event, session: &Numbered, call: &str) -> Result<(), ErrorReport> {
    let reach = Reach::of_current_role()?.ok_or_else(|| no_session(event))?;
    if reach.has_tool_call(event.session_id, &session.workspace_id, call)? {
        return Ok(());
    }
    Err(error(
        ERRCODE_FOREIGN_KEY_VIOLATION,
        format!("session {} has no tool_call \"{call}\"", event.session_id),
        "A tool_result follows the tool_call with its tool_call_id.".to_owned(),
        "Append the tool_call first, or check the id.",
    ))
}

/// What a content names.
#[derive(Default)]
pub(super) struct Named {
    /// The call of a tool that it belongs to.
    pub(super) tool_call_id: Option<String>,
    pub(super) is_canned_response: bool,
}

/// The size and shape of content and metadata.
pub(super) fn check_content(
    content: Option<Datum>,
    metadata: Option<Datum>,
    event_type: &str,
    tool_call_id: Option<&str>,
) -> Result<Named, ErrorReport> {
    check_size("content", content)?;
    check_size("metadata", metadata)?;
    // SAFETY: it is the datum of a jsonb that is not null.
    let Some(content) = content.and_then(|content| unsafe { Jsonb::from_datum(content, false) }) else {
        return Ok(Named::default());
    };
    let checked = Content::of(content.root()).and_then(|content| match content.fault(event_type) {
        None => Ok(Named {
            tool_call_id: if event_type.starts_with("tool_") { content.tool_call_id() } else { None },
            is_canned_response: event_type == "agent_message" && content.has("canned_response_id"),
        }),
        Some(fault) => Err(fault),
    });
    match checked {
        Err(fault) => Err(error(
            ERRCODE_CHECK_VIOLATION,
            format!("content of the {event_type} is wrong at \"{}\"", fault.path),
            format!("{}.", fault.reason),
            "docs/conversation.md lists what each type of event must have.",
        )),
        Ok(Named { tool_call_id: Some(named), .. }) if tool_call_id.is_some_and(|id| id != named) => Err(error(
            ERRCODE_CHECK_VIOLATION,
            format!("content of the {event_type} names another tool call"),
            format!("It names \"{named}\", and tool_call_id is \"{}\".", tool_call_id.unwrap_or_default()),
            "Send the same id in both, or leave it out of the content.",
        )),
        Ok(named) => Ok(named),
    }
}

fn check_size(column: &str, datum: Option<Datum>) -> Result<(), ErrorReport> {
    let Some(datum) = datum else { return Ok(()) };
    // SAFETY: a jsonb that is not null is a varlena.
    let bytes = unsafe { pg_sys::toast_raw_datum_size(datum) };
    let bound = usize::try_from(MAX_EVENT_BYTES.get()).map_err(internal)?;
    if bytes <= bound {
        return Ok(());
    }
    Err(error(
        ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!("{column} of an event is too large"),
        format!("It has {bytes} bytes, and parlant.max_event_bytes allows {bound}."),
        "Keep large documents elsewhere and refer to them, or have the bound raised.",
    ))
}
