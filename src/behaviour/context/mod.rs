//! The context of a session: what is made of configuration is kept, and joined with what changes from turn to turn.
//!
//! Everything is found by an index. Where only queries can tell what the current role sees, all of it is read by
//! `parlant.session_context_by_query`, and so is what PostgreSQL must judge or refuse.

mod part;
mod variables;

use super::{response, term};
use crate::error::internal;
use crate::find::{Key, Rows, Source, Unfound};
use crate::journey::{About, Position};
use crate::json::{JsonText, Jsonb, JsonbMade};
use crate::query::Query;
use crate::record::{Record, Shape};
use parlant_core::jsonb::{Document, Node, Tree, write, write_text};
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{BOOLOID, INT4OID, JSONBOID, TEXTOID, TIMESTAMPOID, UUIDOID};
use pgrx::prelude::*;
use std::cell::Cell;
use std::ptr::null_mut;
use variables::Variables;

/// Most recent events.
const MAX_EVENTS: usize = 1000;

/// Most characters of recent messages that are looked through for terms.
const MAX_MESSAGES: usize = 200_000;

/// Most terms of a context.
const MAX_TERMS: usize = 100;

/// Most characters of a message that canned responses are compared with.
const MAX_QUERY: usize = 10_000;

thread_local! {
    static DOCUMENT_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static TEXT_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
}

static DOCUMENT: Query =
    Query { sql: c"SELECT parlant.session_context_by_query($1, $2)", types: &[UUIDOID, INT4OID], plan: &DOCUMENT_PLAN };

static TEXT: Query = Query {
    sql: c"SELECT parlant.session_context_by_query($1, $2)::text",
    types: &[UUIDOID, INT4OID],
    plan: &TEXT_PLAN,
};

static SESSION_ROW: Source = Source {
    table: "parlant_session",
    index: c"parlant_session_pkey",
    columns: &[
        ("id", UUIDOID),
        ("workspace_id", TEXTOID),
        ("agent_id", UUIDOID),
        ("current_journey_id", UUIDOID),
        ("current_state_id", UUIDOID),
        ("variables", JSONBOID),
        ("id", UUIDOID),
        ("status", TEXTOID),
        ("mode", TEXTOID),
        ("title", TEXTOID),
        ("session_type", TEXTOID),
        ("user_id", TEXTOID),
        ("customer_id", TEXTOID),
        ("locale", TEXTOID),
        ("timezone", TEXTOID),
        ("tags", JSONBOID),
        ("metadata", JSONBOID),
        ("event_count", INT4OID),
        ("message_count", INT4OID),
        ("started_at", TIMESTAMPOID),
        ("last_activity_at", TIMESTAMPOID),
        ("ended_at", TIMESTAMPOID),
    ],
    keys: 1,
};

static SESSION: Shape = Shape {
    source: &SESSION_ROW,
    from: 6,
    members: &[
        "session_id",
        "status",
        "mode",
        "title",
        "session_type",
        "user_id",
        "customer_id",
        "locale",
        "timezone",
        "tags",
        "metadata",
        "event_count",
        "message_count",
        "started_at",
        "last_activity_at",
        "ended_at",
    ],
};

static AGENT_ROW: Source = Source {
    table: "parlant_agent",
    index: c"parlant_agent_workspace_key",
    columns: &[
        ("workspace_id", TEXTOID),
        ("id", UUIDOID),
        ("deleted_at", TIMESTAMPOID),
        ("id", UUIDOID),
        ("name", TEXTOID),
        ("description", TEXTOID),
        ("status", TEXTOID),
        ("composition_mode", TEXTOID),
        ("conversation_style", TEXTOID),
        ("system_prompt", TEXTOID),
        ("system_instructions", TEXTOID),
        ("model_provider", TEXTOID),
        ("model_name", TEXTOID),
        ("temperature", INT4OID),
        ("max_tokens", INT4OID),
        ("max_context_length", INT4OID),
        ("response_timeout_ms", INT4OID),
        ("allow_interruption", BOOLOID),
        ("allow_proactive_messages", BOOLOID),
        ("pii_handling_mode", TEXTOID),
        ("custom_config", JSONBOID),
    ],
    keys: 2,
};

static AGENT: Shape = Shape {
    source: &AGENT_ROW,
    from: 3,
    members: &[
        "agent_id",
        "name",
        "description",
        "status",
        "composition_mode",
        "conversation_style",
        "system_prompt",
        "system_instructions",
        "model_provider",
        "model_name",
        "temperature",
        "max_tokens",
        "max_context_length",
        "response_timeout_ms",
        "allow_interruption",
        "allow_proactive_messages",
        "pii_handling_mode",
        "custom_config",
    ],
};

static EVENT_ROW: Source = Source {
    table: "parlant_event",
    index: c"parlant_event_offset_key",
    columns: &[
        ("workspace_id", TEXTOID),
        ("session_id", UUIDOID),
        ("offset", INT4OID),
        ("id", UUIDOID),
        ("event_type", TEXTOID),
        ("content", JSONBOID),
        ("metadata", JSONBOID),
        ("tool_call_id", TEXTOID),
        ("journey_id", UUIDOID),
        ("state_id", UUIDOID),
        ("created_at", TIMESTAMPOID),
    ],
    keys: 3,
};

static EVENT: Shape = Shape {
    source: &EVENT_ROW,
    from: 2,
    members: &[
        "offset",
        "event_id",
        "event_type",
        "content",
        "metadata",
        "tool_call_id",
        "journey_id",
        "state_id",
        "created_at",
    ],
};

/// Everything that an engine needs for the next turn of a session, in one document.
#[pg_extern(stable, parallel_safe)]
fn session_context(
    session_id: Option<Uuid>,
    recent_events: default!(Option<i32>, 20),
) -> Result<JsonbMade, ErrorReport> {
    document(session_id, recent_events, write, &DOCUMENT).map(JsonbMade::written)
}

/// The same as text that is ready to be sent.
#[pg_extern(stable, parallel_safe)]
fn session_context_json(
    session_id: Option<Uuid>,
    recent_events: default!(Option<i32>, 20),
) -> Result<JsonText, ErrorReport> {
    document(session_id, recent_events, write_text, &TEXT).map(JsonText)
}

/// The context as it is written, or else as the query gives it.
fn document(
    session_id: Option<Uuid>,
    recent_events: Option<i32>,
    write: impl FnOnce(&Tree<'_>) -> Option<Vec<u8>>,
    query: &Query,
) -> Result<Vec<u8>, ErrorReport> {
    let most = recent_events.and_then(|most| usize::try_from(most).ok()).filter(|most| *most <= MAX_EVENTS);
    if let (Some(session_id), Some(most)) = (session_id, most) {
        match assembled(session_id, most, write) {
            Ok(Some(written)) => return Ok(written),
            Ok(None) | Err(Unfound::Query) => {}
            Err(Unfound::Error(error)) => return Err(*error),
        }
    }
    let made = query.bytes(&[session_id.into_datum(), recent_events.into_datum()])?;
    made.ok_or_else(|| internal("a context is NULL"))
}

/// None where it cannot be written.
fn assembled(
    session_id: Uuid,
    most_events: usize,
    write: impl FnOnce(&Tree<'_>) -> Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Unfound> {
    let finder = SESSION.source.finder()?;
    let read = |row: &Rows<'_>| {
        let own = row.get::<Jsonb>(5).map(|own| own.source().to_vec());
        (row.get::<String>(1), row.get(2), row.get(3), row.get(4), own, SESSION.record(row))
    };
    let found = finder.first(&[Key::Uuid(session_id)], read);
    let Some((Some(workspace_id), Some(agent_id), journey_id, state_id, own, session)) = found else {
        return Err(Unfound::Query);
    };
    let guidelines = part::guidelines(&workspace_id, agent_id, journey_id)?;
    let tools = part::tools(&workspace_id, agent_id)?;
    let agent = agent(&workspace_id, agent_id)?;
    let variables = Variables::of(&workspace_id, agent_id, session_id, session.text("customer_id"), own)?;
    let (known, told) = (variables.known(), variables.told());
    let journey = match journey_id {
        Some(journey_id) => {
            let about = About { workspace_id: &workspace_id, session_id, agent_id };
            Position::of(&about, journey_id, state_id, known.iter())?
        }
        None => None,
    };
    let recent = Recent::of(&workspace_id, session_id, most_events)?;
    let terms = match recent.messages.as_str() {
        "" => Vec::new(),
        messages => term::mentioned(&workspace_id, agent_id, beginning(messages, MAX_MESSAGES), MAX_TERMS)?,
    };
    let said = beginning(recent.last_message.as_deref().unwrap_or_default(), MAX_QUERY);
    let responses =
        response::best(&workspace_id, agent_id, session.text("locale"), said, &object(&known), &object(&told))?;
    Ok(write(&Tree::Object(vec![
        ("agent", agent.tree()),
        ("session", session.tree()),
        ("journey", journey.as_ref().map_or(Tree::NULL, Position::tree)),
        ("guidelines", Tree::Finished(&guidelines)),
        ("tools", Tree::Finished(&tools)),
        ("terms", Tree::array(&terms, |term| Tree::Finished(term))),
        ("variables", object(&known)),
        ("canned_responses", Tree::array(&responses, response::Fitting::tree)),
        ("events", Tree::array(&recent.events, Record::tree)),
    ])))
}

fn object<'a>(values: &'a variables::Values<'_>) -> Tree<'a> {
    Tree::Object(values.iter().map(|(name, value)| (&**name, Tree::Node(*value))).collect())
}

fn agent(workspace_id: &str, agent_id: Uuid) -> Result<Record, Unfound> {
    let finder = AGENT.source.finder()?;
    let read = |row: &Rows<'_>| row.get::<i64>(2).is_none().then(|| AGENT.record(row));
    finder.first(&[Key::Text(workspace_id), Key::Uuid(agent_id)], read).flatten().ok_or(Unfound::Query)
}

/// The last events of a session, in their order, and what was said in them.
struct Recent {
    events: Vec<Record>,
    /// The newest first, with a character between them that is in no term.
    messages: String,
    /// Of the customer.
    last_message: Option<String>,
}

impl Recent {
    fn of(workspace_id: &str, session_id: Uuid, most: usize) -> Result<Recent, Unfound> {
        let finder = EVENT.source.finder()?;
        let keys = [Key::Text(workspace_id), Key::Uuid(session_id)];
        let mut rows = finder.rows(&keys, pg_sys::ScanDirection::BackwardScanDirection);
        let (mut events, mut messages, mut last) = (Vec::new(), Vec::new(), None);
        while events.len() < most && rows.advance() {
            let event = EVENT.record(&rows);
            let event_type = event.text("event_type");
            let is_of_customer = event_type == Some("customer_message");
            if is_of_customer || event_type == Some("agent_message") {
                let message = rows.get::<Jsonb>(5).map_or(Ok(None), |content| message_text(content.root()))?;
                if is_of_customer && last.is_none() {
                    last = Some(message.clone());
                }
                messages.extend(message);
            }
            events.push(event);
        }
        events.reverse();
        Ok(Recent { events, messages: messages.join("\n\u{1}\n"), last_message: last.flatten() })
    }
}

/// What `parlant.message_text` gives.
fn message_text(content: Node<'_>) -> Result<Option<String>, Unfound> {
    let names = ["message", "text", "content"];
    let Some(message) = names.iter().filter_map(|name| content.get(name)).find(|text| !text.is_null()) else {
        return Ok(None);
    };
    let text = match message.text() {
        Some(text) => Some(text.into_owned()),
        None => write_text(&Tree::Node(message)).and_then(|text| String::from_utf8(text).ok()),
    };
    text.map(Some).ok_or(Unfound::Query)
}

/// The first characters of a text, at most so many.
fn beginning(text: &str, most: usize) -> &str {
    // Fewer bytes are fewer characters.
    let end = if text.len() <= most { None } else { text.char_indices().nth(most) };
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
