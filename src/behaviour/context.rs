//! The context of a session: what is made of configuration is kept, and joined with what changes from turn to turn.

use crate::find::{Key, Source};
use crate::json::{Jsonb, JsonbMade};
use crate::query::Query;
use crate::version::Version;
use parlant_core::cache::Cache;
use parlant_core::jsonb::{self, Document, Tree};
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{TEXTOID, UUIDOID};
use pgrx::prelude::*;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;
use std::rc::Rc;

/// Room for finished parts of contexts, in bytes of a connection's memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    static PARTS: RefCell<Cache<Vec<u8>>> = RefCell::new(Cache::new(CACHE_BYTES));
    static GUIDELINES_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
    static TOOLS_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(null_mut()) };
}

static GUIDELINE: Source = Source {
    table: "parlant_guideline",
    index: c"parlant_guideline_agent_key",
    columns: &[("workspace_id", TEXTOID), ("agent_id", UUIDOID)],
    keys: 2,
};

static GUIDELINE_OF_JOURNEY: Source = Source {
    table: "parlant_journey_guideline",
    index: c"parlant_journey_guideline_key",
    columns: &[("workspace_id", TEXTOID), ("journey_id", UUIDOID), ("agent_id", UUIDOID)],
    keys: 2,
};

static TOOL: Source = Source {
    table: "parlant_tool",
    index: c"parlant_tool_workspace_key",
    columns: &[("workspace_id", TEXTOID)],
    keys: 1,
};

static AGENT_TOOL: Source = Source {
    table: "parlant_agent_tool",
    index: c"parlant_agent_tool_key",
    columns: &[("workspace_id", TEXTOID), ("agent_id", UUIDOID)],
    keys: 2,
};

static GUIDELINES: Query = Query {
    sql: c"SELECT jsonb_agg(g) FROM (SELECT * FROM parlant.guidelines_of($1, $2, $3) LIMIT 1000) AS g",
    types: &[TEXTOID, UUIDOID, UUIDOID],
    plan: &GUIDELINES_PLAN,
};

static TOOLS: Query = Query { sql: c"SELECT parlant.agent_tools($1)", types: &[UUIDOID], plan: &TOOLS_PLAN };

/// The context of a session of an agent that is in a journey, or in none, of the parts that are its own; arrays that are
/// NULL are empty.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::too_many_arguments, reason = "they are members of a document")]
fn context_document(
    workspace_id: &str,
    agent_id: Uuid,
    journey_id: Option<Uuid>,
    agent: Jsonb,
    session: Jsonb,
    journey: Option<Jsonb>,
    terms: Option<Jsonb>,
    variables: Jsonb,
    canned_responses: Option<Jsonb>,
    events: Option<Jsonb>,
) -> Result<JsonbMade, ErrorReport> {
    let guidelines = guidelines(workspace_id, agent_id, journey_id)?;
    let tools = tools(workspace_id, agent_id)?;
    Ok(JsonbMade::of(Tree::Object(vec![
        ("agent", stored(agent.source())),
        ("session", stored(session.source())),
        ("journey", journey.as_ref().map_or(Tree::Value(&Value::Null), |journey| stored(journey.source()))),
        ("guidelines", array(Some(guidelines.as_slice()))),
        ("tools", array(Some(tools.as_slice()))),
        ("terms", array(terms.as_ref().map(Document::source))),
        ("variables", stored(variables.source())),
        ("canned_responses", array(canned_responses.as_ref().map(Document::source))),
        ("events", array(events.as_ref().map(Document::source))),
    ])))
}

fn stored(document: &[u8]) -> Tree<'_> {
    Tree::Stored(jsonb::Jsonb(document))
}

fn array(document: Option<&[u8]>) -> Tree<'_> {
    match document {
        Some(document) if !document.is_empty() => stored(document),
        _ => Tree::array::<Value>(&[], Tree::Value),
    }
}

/// The guidelines of an agent as they apply in a journey of it; empty if there are none.
fn guidelines(workspace_id: &str, agent_id: Uuid, journey_id: Option<Uuid>) -> Result<Rc<Vec<u8>>, ErrorReport> {
    let (workspace, agent) = (Key::Text(workspace_id), Key::Uuid(agent_id));
    let own: &[Key<'_>] = &[workspace, agent];
    let in_journey = journey_id.map(|journey_id| [workspace, Key::Uuid(journey_id), agent]);
    let mut rows = vec![(&GUIDELINE, own)];
    rows.extend(in_journey.iter().map(|keys| (&GUIDELINE_OF_JOURNEY, keys.as_slice())));
    let arguments = [workspace_id.into_datum(), agent_id.into_datum(), journey_id.into_datum()];
    part("guidelines", &rows, || GUIDELINES.jsonb(&arguments))
}

/// The tools that an agent may call.
fn tools(workspace_id: &str, agent_id: Uuid) -> Result<Rc<Vec<u8>>, ErrorReport> {
    let (workspace, agent) = (Key::Text(workspace_id), Key::Uuid(agent_id));
    let rows: &[(_, &[Key<'_>])] = &[(&TOOL, &[workspace]), (&AGENT_TOOL, &[workspace, agent])];
    part("tools", rows, || TOOLS.jsonb(&[agent_id.into_datum()]))
}

/// What is made of rows, kept as long as they are the same. The key holds all that distinguishes them.
fn part(
    name: &str,
    rows: &[(&'static Source, &[Key<'_>])],
    make: impl FnOnce() -> Result<Option<Vec<u8>>, ErrorReport>,
) -> Result<Rc<Vec<u8>>, ErrorReport> {
    let mut version = Version::new();
    let mut key = name.as_bytes().to_vec();
    for (source, keys) in rows {
        if !version.fold(source, keys)? {
            return Ok(Rc::new(make()?.unwrap_or_default()));
        }
        for part in keys.iter().map(|key| key.to_bytes()) {
            key.extend(part.len().to_ne_bytes());
            key.extend(part);
        }
    }
    key.extend(version.to_string().into_bytes());
    if let Some(part) = PARTS.with_borrow_mut(|parts| parts.get(&key)) {
        return Ok(part);
    }
    let made = make()?.unwrap_or_default();
    let size = made.len();
    Ok(PARTS.with_borrow_mut(|parts| parts.put(&key, made, size)))
}
