//! What is wrong with a stored journey.

use super::document::{FindingRow, row, tool_statuses};
use super::walk::journey_not_found;
use crate::error::internal;
use crate::json::Jsonb;
use crate::query::{Found, Query};
use parlant_core::journey::{ConditionKind, State, StateRow, StateType, ToolStatus, TransitionRow, check_rows};
use parlant_core::jsonb::Document;
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;
use std::cell::Cell;
use std::collections::HashMap;
use std::ptr;

thread_local! {
    static JOURNEY_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(ptr::null_mut()) };
    static STATES_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(ptr::null_mut()) };
    static TRANSITIONS_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(ptr::null_mut()) };
    static TOOLS_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(ptr::null_mut()) };
}

static JOURNEY: Query = Query {
    sql: c"SELECT workspace_id, title, conditions FROM parlant.parlant_journey WHERE id = $1",
    types: &[pg_sys::UUIDOID],
    plan: &JOURNEY_PLAN,
};

// Without an order: sorting is left to those who know that most of it is one of two columns.
static STATES: Query = Query {
    sql: c"SELECT created_at, id, name, state_type, is_initial, chat_prompt, tool_id, condition
           FROM parlant.parlant_journey_state WHERE workspace_id = $1 AND journey_id = $2",
    types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
    plan: &STATES_PLAN,
};

static TRANSITIONS: Query = Query {
    sql: c"SELECT created_at, id, from_state_id, to_state_id, condition, condition_kind, priority
           FROM parlant.parlant_journey_transition WHERE workspace_id = $1 AND journey_id = $2",
    types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
    plan: &TRANSITIONS_PLAN,
};

static TOOLS: Query = Query { sql: c"SELECT parlant.journey_tools($1)", types: &[pg_sys::UUIDOID], plan: &TOOLS_PLAN };

/// What is wrong with a stored journey.
///
/// # Errors
/// P0002 if there is no such journey.
#[pg_extern(stable, strict, parallel_safe)]
fn journey_findings(
    journey_id: Uuid,
) -> Result<
    TableIterator<
        'static,
        (
            name!(severity, &'static str),
            name!(code, &'static str),
            name!(state, Option<String>),
            name!(transition, Option<String>),
            name!(message, String),
            name!(hint, &'static str),
            name!(path, String),
        ),
    >,
    ErrorReport,
> {
    let about = JOURNEY.rows(&[journey_id.into_datum()], 1, |found| {
        let conditions: Jsonb = value(found, 2)?;
        let conditions = conditions.value().unwrap_or_default();
        Ok((value::<String>(found, 0)?, json!({"title": value::<String>(found, 1)?, "conditions": conditions})))
    })?;
    let Some((workspace_id, about)) = about.into_iter().next() else { return Err(journey_not_found(journey_id)) };
    let key = [workspace_id.into_datum(), journey_id.into_datum()];
    let states = STATES.rows(&key, 0, state)?;
    let transitions = TRANSITIONS.rows(&key, 0, transition)?;
    let names_a_tool = |row: &StateRow| row.state.state_type == StateType::Tool && row.state.tool_id.is_some();
    let tools: HashMap<String, ToolStatus> = if states.iter().any(names_a_tool) {
        let tools = TOOLS.rows(&[journey_id.into_datum()], 1, |found| tool_statuses(&value(found, 0)?))?;
        tools.into_iter().next().unwrap_or_default()
    } else {
        HashMap::new()
    };
    let findings = check_rows(about, states, transitions, Some(&tools));
    let rows: Vec<FindingRow> = findings.into_iter().map(row).collect();
    Ok(TableIterator::new(rows))
}

fn state(found: &Found<'_>) -> Result<StateRow, ErrorReport> {
    let state_type = value::<&str>(found, 3)?;
    let state_type = StateType::from_name(state_type)
        .ok_or_else(|| internal(format!("there is no type of states {state_type:?}")))?;
    let mut state = State::new(value::<String>(found, 2)?, state_type);
    state.is_initial = value(found, 4)?;
    state.prompt = found.get(5);
    state.tool_id = found.get(6);
    state.condition = found.get(7);
    Ok(StateRow { created_at: value(found, 0)?, id: *value::<Uuid>(found, 1)?.as_bytes(), state })
}

fn transition(found: &Found<'_>) -> Result<TransitionRow, ErrorReport> {
    let kind = value::<&str>(found, 5)?;
    Ok(TransitionRow {
        created_at: value(found, 0)?,
        id: *value::<Uuid>(found, 1)?.as_bytes(),
        from: *value::<Uuid>(found, 2)?.as_bytes(),
        to: *value::<Uuid>(found, 3)?.as_bytes(),
        condition: found.get(4),
        condition_kind: ConditionKind::from_name(kind)
            .ok_or_else(|| internal(format!("there is no kind of conditions {kind:?}")))?,
        priority: value(found, 6)?,
    })
}

fn value<T: FromDatum>(found: &Found<'_>, column: usize) -> Result<T, ErrorReport> {
    found.get(column).ok_or_else(|| internal(format!("column {column} is NULL")))
}
