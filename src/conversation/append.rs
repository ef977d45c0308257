//! Appending events without a query: see [`crate::direct`].

use super::counter::Place;
use super::ledger;
use super::number::{Event, check_content};
use super::session_row::{Reach, unknown_session};
use super::settings::NOTIFY;
use crate::direct::{Kind, Layout, Values, column};
use crate::error::error;
use crate::json::{Jsonb, JsonbDatum, JsonbMade};
use crate::privilege::is_restricted;
use crate::table::our_table_to_write;
use parlant_core::event::TYPES;
use parlant_core::jsonb::{Document, Node};
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_INVALID_TEXT_REPRESENTATION};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{AttrNumber, Datum};
use pgrx::prelude::*;
use pgrx::{PgRelation, Uuid};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cell::RefCell;

/// Appends an event as `append_one` does, and returns its id and offset; no row where that does nothing.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "the columns of an event")]
fn append_directly(
    session_id: Option<Uuid>,
    event_type: Option<&str>,
    content: Option<JsonbDatum>,
    metadata: Option<JsonbDatum>,
    idempotency_key: Option<&str>,
    tokens: Option<i32>,
    cost: Option<i32>,
) -> Result<TableIterator<'static, (name!(event_id, Uuid), name!(event_offset, i32))>, ErrorReport> {
    let appended = append_one(session_id, event_type, content, metadata, idempotency_key, tokens, cost)?;
    Ok(TableIterator::new(appended))
}

/// Appends an event as an `INSERT` would, without one: its id and offset. None, and nothing done, where that is not
/// all there is to do, or where the `INSERT` would be refused: its error names the constraint.
///
/// # Errors
/// P0002 if the session is not there; what the triggers of the table refuse.
pub(super) fn append_one(
    session_id: Option<Uuid>,
    event_type: Option<&str>,
    content: Option<JsonbDatum>,
    metadata: Option<JsonbDatum>,
    idempotency_key: Option<&str>,
    tokens: Option<i32>,
    cost: Option<i32>,
) -> Result<Option<(Uuid, i32)>, ErrorReport> {
    let (Some(session_id), Some(event_type), Some(content)) = (session_id, event_type, content) else {
        return Ok(None);
    };
    let Some(log) = Log::open()? else { return Ok(None) };
    let columns = &log.layout.columns;
    let (tokens, cost) = (tokens.filter(|tokens| *tokens != 0), cost.filter(|cost| *cost != 0));
    let metadata = metadata.and_then(IntoDatum::into_datum);
    let new = NewEvent {
        event: Event::new(session_id, event_type, tokens, cost),
        event_type: event_type.into(),
        content: content.into_datum(),
        metadata,
        given: vec![
            (columns.metadata, metadata),
            (columns.tool_call_id, None),
            (columns.idempotency_key, idempotency_key.into_datum()),
            (columns.tokens, tokens.into_datum()),
            (columns.cost, cost.into_datum()),
        ],
        place: None,
    };
    let appended = log.append(session_id, vec![new], None)?;
    Ok(appended.and_then(|appended| Some((*appended.ids.first()?, appended.first))))
}

/// Appends the events of a JSON array as an `INSERT` would, without one, and returns their ids and offsets. No rows, and
/// nothing done, where that is not all there is to do, or where an event would be refused; nor for idempotency keys,
/// unless the caller knows that no event has one of them.
///
/// # Errors
/// P0002 if the session is not there; what the triggers of the table refuse.
#[pg_extern(volatile, parallel_unsafe)]
fn append_all_directly(
    session_id: Option<Uuid>,
    events: Option<Jsonb>,
    keys_are_new: bool,
) -> Result<TableIterator<'static, (name!(event_id, Uuid), name!(event_offset, i32))>, ErrorReport> {
    let elements = events.as_ref().and_then(|events| events.root().elements());
    let elements = elements.filter(|elements| (1..=MAX_EVENTS).contains(&elements.len()));
    let appended = match (session_id, elements, Log::open()?) {
        (Some(session_id), Some(elements), Some(log)) => {
            let new: Option<Vec<_>> =
                elements.map(|element| log.new_event(session_id, element, keys_are_new)).collect();
            new.map(|new| log.append(session_id, new, None)).transpose()?.flatten()
        }
        _ => None,
    };
    let rows = appended.into_iter().flat_map(|appended| appended.ids.into_iter().zip(appended.first..));
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

/// Moves a session to a place that is there, and logs the hops that lead to it. False, and nothing done, where that is
/// not plainly allowed, or not all there is to do.
///
/// # Errors
/// What the triggers of the tables refuse.
pub(crate) fn walk_directly(session_id: Uuid, to: Place, hops: &[(&Value, Place)]) -> Result<bool, ErrorReport> {
    let Some(log) = Log::open()? else { return Ok(false) };
    let event_type = "journey_transition";
    let hops = hops.iter().map(|(content, place)| NewEvent {
        event: Event::new(session_id, event_type, None, None),
        event_type: event_type.into(),
        content: JsonbMade::of(*content).into_datum(),
        metadata: None,
        given: Vec::new(),
        place: Some(*place),
    });
    Ok(log.append(session_id, hops.collect(), Some(to))?.is_some())
}

/// The table of events, while it can be written without a query.
struct Log {
    table: PgRelation,
    layout: Layout<Columns>,
    is_restricted: bool,
}

/// An event that is appended.
struct NewEvent<'a> {
    event: Event,
    event_type: Cow<'a, str>,
    content: Option<Datum>,
    /// As it is given, if it is.
    metadata: Option<Datum>,
    /// What is given for other columns; the others have their defaults.
    given: Values,
    /// Where it happens; none where the session is.
    place: Option<Place>,
}

/// Events that are in the log now.
struct Appended {
    first: i32,
    ids: Vec<Uuid>,
}

/// What an event of an array may have as null, as if it were left out.
const OPTIONAL: &[&str] = &["tool_call_id", "idempotency_key", "tokens", "cost"];

/// Most events of one call.
const MAX_EVENTS: usize = 10_000;

impl Log {
    /// None where events must be written by SQL.
    fn open() -> Result<Option<Log>, ErrorReport> {
        // Inside another statement that numbers events, its account of the session goes on.
        if NOTIFY.get() || ledger::with(|ledger| ledger.statement().is_some()) {
            return Ok(None);
        }
        let table = our_table_to_write("parlant_event")?;
        let is_restricted = is_restricted(&table);
        let layout = Layout::of(&LAYOUT, &table, &APPENDING, Columns::of)
            .filter(|layout| layout.compiled.may_insert(&table, is_restricted));
        Ok(layout.map(|layout| Log { table, layout, is_restricted }))
    }

    /// An event of an array; none where it is for SQL to append or to refuse.
    fn new_event<'a>(&self, session_id: Uuid, element: Node<'a>, keys_are_new: bool) -> Option<NewEvent<'a>> {
        let columns = &self.layout.columns;
        let (mut event_type, mut content, mut metadata, mut key) = (None, None, None, None);
        let (mut tokens, mut cost) = (None, None);
        for (name, value) in element.members()? {
            let number = || value.value().ok()?.as_number()?.as_str().parse::<i32>().ok();
            match &*name {
                "event_type" => event_type = Some(value.text()?),
                "content" => content = Some(value.object()?),
                "metadata" => metadata = Some(value.object()?),
                _ if value.is_null() && OPTIONAL.contains(&&*name) => {}
                "idempotency_key" if keys_are_new => key = Some(value.text()?),
                "tokens" => tokens = Some(number()?).filter(|tokens| *tokens != 0),
                "cost" => cost = Some(number()?).filter(|cost| *cost != 0),
                _ => return None,
            }
        }
        let datum = |object: parlant_core::jsonb::Jsonb<'_>| object.source().into_datum();
        let metadata = metadata.map_or_else(|| JsonbMade::of(&json!({})).into_datum(), datum);
        let event_type = event_type?;
        Some(NewEvent {
            event: Event::new(session_id, &event_type, tokens, cost),
            event_type,
            content: datum(content?),
            metadata,
            given: vec![
                (columns.metadata, metadata),
                (columns.tool_call_id, None),
                (columns.idempotency_key, key.as_deref().into_datum()),
                (columns.tokens, tokens.into_datum()),
                (columns.cost, cost.into_datum()),
            ],
            place: None,
        })
    }

    /// Appends events to a session, which goes to a place if one is given. None, and nothing done, as above.
    fn append(
        &self,
        session_id: Uuid,
        new: Vec<NewEvent<'_>>,
        to: Option<Place>,
    ) -> Result<Option<Appended>, ErrorReport> {
        let Layout { compiled, columns } = &self.layout;
        let writer = compiled.writer(&self.table);
        let mut rows = Vec::with_capacity(new.len());
        for new in &new {
            // A call of a tool and its result look at each other.
            let is_plain = TYPES.contains(&&*new.event_type) && !new.event_type.starts_with("tool_");
            let checked = is_plain.then(|| check_content(new.content, new.metadata, &new.event_type, None));
            if !checked.is_some_and(|checked| checked.is_ok_and(|named| !named.is_canned_response)) {
                return Ok(None);
            }
            let mut given = vec![
                (columns.offset, 0.into_datum()),
                (columns.workspace_id, "".into_datum()),
                (columns.session_id, session_id.into_datum()),
                (columns.event_type, (&*new.event_type).into_datum()),
                (columns.content, new.content),
                (columns.journey_id, new.place.and_then(|place| place.journey_id).into_datum()),
                (columns.state_id, new.place.and_then(|place| place.state_id).into_datum()),
            ];
            given.extend_from_slice(&new.given);
            let row = writer.row(&given);
            if !writer.passes_checks(&row) {
                return Ok(None);
            }
            rows.push(row);
        }
        let (events, places): (Vec<_>, Vec<_>) = new.into_iter().map(|new| (new.event, new.place)).unzip();
        let Some(session) = Event::take_offsets(&events, to)? else { return Ok(None) };
        let workspace_id = session.workspace_id.into_datum();
        for ((row, place), offset) in rows.iter().zip(places).zip(session.next..) {
            row.set(&[(columns.offset, offset.into_datum()), (columns.workspace_id, workspace_id)]);
            if place.is_none() {
                let (journey_id, state_id) = (session.journey_id.into_datum(), session.state_id.into_datum());
                row.set(&[(columns.journey_id, journey_id), (columns.state_id, state_id)]);
            }
        }
        let ids = rows.iter().filter_map(|row| row.get(columns.id)).collect();
        writer.insert(rows, self.is_restricted);
        Ok(Some(Appended { first: session.next, ids }))
    }
}

/// Locks a session until the transaction ends, as appending to it does.
#[pg_extern(volatile, parallel_unsafe)]
fn lock_session(session_id: Uuid) -> Result<(), ErrorReport> {
    let locked = match Reach::of_current_role()? {
        Some(reach) => reach.lock(session_id)?,
        None => false,
    };
    if locked { Ok(()) } else { Err(unknown_session(session_id)) }
}

/// Refuses what is no type of an event.
#[pg_extern(immutable, parallel_safe)]
fn check_event_type(event_type: Option<&str>) -> Result<(), ErrorReport> {
    if event_type.is_some_and(|sent| TYPES.contains(&sent)) {
        return Ok(());
    }
    Err(error(
        ERRCODE_INVALID_TEXT_REPRESENTATION,
        format!("there is no event type \"{}\"", event_type.unwrap_or("<NULL>")),
        "The type tells what an event records.".to_owned(),
        "Types are customer_message, agent_message, tool_call, tool_result, status_update, journey_transition and \
         variable_update.",
    ))
}

/// Refuses to use an idempotency key again for another event.
#[pg_extern(immutable, parallel_safe)]
fn check_repetition(idempotency_key: &str, offset: i32, is_same: Option<bool>) -> Result<(), ErrorReport> {
    if is_same == Some(true) {
        return Ok(());
    }
    Err(error(
        ERRCODE_INVALID_PARAMETER_VALUE,
        format!("idempotency key \"{idempotency_key}\" belongs to another event"),
        format!("The event at offset {offset} has it, with another type, content or tool_call_id."),
        "Use a new key for each event, and the same only to send the same event again.",
    ))
}

/// The columns of events.
#[derive(Clone, Copy)]
struct Columns {
    id: AttrNumber,
    workspace_id: AttrNumber,
    session_id: AttrNumber,
    offset: AttrNumber,
    event_type: AttrNumber,
    content: AttrNumber,
    metadata: AttrNumber,
    tool_call_id: AttrNumber,
    journey_id: AttrNumber,
    state_id: AttrNumber,
    idempotency_key: AttrNumber,
    tokens: AttrNumber,
    cost: AttrNumber,
}

/// An event that is appended to a session, whose row is held, belongs to it; numbering and counting it is done then.
const APPENDING: Kind = Kind {
    event: pg_sys::TRIGGER_TYPE_INSERT,
    triggers: &[c"begin_numbering", c"number_event", c"count_events", c"keep_to_canned_response"],
    foreign_keys: &[c"session_is_in_the_workspace"],
    checks: &[],
    changes: &["offset", "workspace_id", "journey_id", "state_id"],
};

thread_local! {
    static LAYOUT: RefCell<Option<Layout<Columns>>> = const { RefCell::new(None) };
}

impl Columns {
    /// None where a column is missing or of another type.
    fn of(table: &PgRelation) -> Option<Columns> {
        let descriptor = table.tuple_desc();
        let column = |name, base| column(&descriptor, name, base);
        Some(Columns {
            id: column("id", pg_sys::UUIDOID)?,
            workspace_id: column("workspace_id", pg_sys::TEXTOID)?,
            session_id: column("session_id", pg_sys::UUIDOID)?,
            offset: column("offset", pg_sys::INT4OID)?,
            event_type: column("event_type", pg_sys::TEXTOID)?,
            content: column("content", pg_sys::JSONBOID)?,
            metadata: column("metadata", pg_sys::JSONBOID)?,
            tool_call_id: column("tool_call_id", pg_sys::TEXTOID)?,
            journey_id: column("journey_id", pg_sys::UUIDOID)?,
            state_id: column("state_id", pg_sys::UUIDOID)?,
            idempotency_key: column("idempotency_key", pg_sys::TEXTOID)?,
            tokens: column("tokens", pg_sys::INT4OID)?,
            cost: column("cost", pg_sys::INT4OID)?,
        })
    }
}
