//! A stored journey as its rows, which are far quicker to collect than a document.

use super::definition::{ConditionKind, Journey, State, Transition};
use super::finding::Finding;
use super::read::read_value;
use super::{ToolStatus, sorted, validate};
use serde_json::Value;
use std::collections::HashMap;

/// The key of a row.
pub type Id = [u8; 16];

/// A state of a stored journey. Rows are in the order of when they were made, and then of their keys.
#[derive(Debug, Clone)]
pub struct StateRow {
    pub created_at: i64,
    pub id: Id,
    pub state: State,
}

/// A transition of a stored journey.
#[derive(Debug, Clone)]
pub struct TransitionRow {
    pub created_at: i64,
    pub id: Id,
    pub from: Id,
    pub to: Id,
    pub condition: Option<String>,
    pub condition_kind: ConditionKind,
    pub priority: i32,
}

/// Everything that is wrong with a journey that is given as its rows, in any order, and as a document without them.
#[must_use]
pub fn check_rows(
    about: Value,
    mut states: Vec<StateRow>,
    mut transitions: Vec<TransitionRow>,
    tools: Option<&HashMap<String, ToolStatus>>,
) -> Vec<Finding> {
    let reading = read_value(about);
    let mut journey: Journey = reading.journey.unwrap_or_default();
    states.sort_unstable_by_key(|row| (row.created_at, row.id));
    transitions.sort_unstable_by_key(|row| (row.created_at, row.id));
    let name_of: HashMap<Id, &str> = states.iter().map(|row| (row.id, row.state.name.as_str())).collect();
    let name = |id: &Id| name_of.get(id).copied().unwrap_or_default();
    journey.transitions.reserve_exact(transitions.len());
    journey.transitions.extend(transitions.into_iter().map(|row| Transition {
        condition: row.condition,
        condition_kind: row.condition_kind,
        priority: row.priority,
        ..Transition::new(name(&row.from), name(&row.to))
    }));
    journey.states = states.into_iter().map(|row| row.state).collect();
    let mut findings = reading.findings;
    findings.extend(validate(&journey, tools));
    sorted(findings)
}
