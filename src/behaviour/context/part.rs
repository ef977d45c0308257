//! Parts of contexts that are made of configuration, kept as long as it is the same.

use crate::find::{Key, Source, Unfound};
use crate::query::Query;
use crate::version::Version;
use parlant_core::cache::Cache;
use parlant_core::jsonb::Finished;
use pgrx::Uuid;
use pgrx::pg_sys::{TEXTOID, UUIDOID};
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;
use std::rc::Rc;

/// Room for finished parts of contexts, in bytes of a connection's memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    static PARTS: RefCell<Cache<Finished>> = RefCell::new(Cache::new(CACHE_BYTES));
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
    sql: c"SELECT coalesce(jsonb_agg(g), '[]') FROM (SELECT * FROM parlant.guidelines_of($1, $2, $3) LIMIT 1000) AS g",
    types: &[TEXTOID, UUIDOID, UUIDOID],
    plan: &GUIDELINES_PLAN,
};

static TOOLS: Query = Query { sql: c"SELECT parlant.agent_tools($1)", types: &[UUIDOID], plan: &TOOLS_PLAN };

/// The guidelines of an agent as they apply in a journey of it, or in none.
pub(super) fn guidelines(
    workspace_id: &str,
    agent_id: Uuid,
    journey_id: Option<Uuid>,
) -> Result<Rc<Finished>, Unfound> {
    let (workspace, agent) = (Key::Text(workspace_id), Key::Uuid(agent_id));
    let own: &[Key<'_>] = &[workspace, agent];
    let in_journey = journey_id.map(|journey_id| [workspace, Key::Uuid(journey_id), agent]);
    let mut rows = vec![(&GUIDELINE, own)];
    rows.extend(in_journey.iter().map(|keys| (&GUIDELINE_OF_JOURNEY, keys.as_slice())));
    part("guidelines", &rows, &GUIDELINES, &[workspace_id.into_datum(), agent_id.into_datum(), journey_id.into_datum()])
}

/// The tools that an agent may call.
pub(super) fn tools(workspace_id: &str, agent_id: Uuid) -> Result<Rc<Finished>, Unfound> {
    let (workspace, agent) = (Key::Text(workspace_id), Key::Uuid(agent_id));
    let rows: &[(_, &[Key<'_>])] = &[(&TOOL, &[workspace]), (&AGENT_TOOL, &[workspace, agent])];
    part("tools", rows, &TOOLS, &[agent_id.into_datum()])
}

/// What a query makes of rows, kept as long as they are the same. The key holds all that distinguishes them.
fn part(
    name: &str,
    rows: &[(&'static Source, &[Key<'_>])],
    query: &Query,
    arguments: &[Option<pg_sys::Datum>],
) -> Result<Rc<Finished>, Unfound> {
    let mut version = Version::new();
    let mut key = name.as_bytes().to_vec();
    for (source, keys) in rows {
        if !version.fold(source, keys)? {
            return Err(Unfound::Query);
        }
        for part in keys.iter().map(|key| key.to_bytes()) {
            key.extend(part.len().to_ne_bytes());
            key.extend(part);
        }
    }
    key.extend(version.to_bytes());
    if let Some(part) = PARTS.with_borrow_mut(|parts| parts.get(&key)) {
        return Ok(part);
    }
    let made = Finished::new(query.bytes(arguments)?.ok_or(Unfound::Query)?);
    let size = made.size();
    Ok(PARTS.with_borrow_mut(|parts| parts.put(&key, made, size)))
}
