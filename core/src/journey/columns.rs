//! A stored journey as the columns of its rows, which are far quicker to collect than a document.

use super::definition::{ConditionKind, Journey, State, StateType, Transition};
use super::finding::Finding;
use super::read::read_value;
use super::{ToolStatus, sorted, validate};
use crate::jsonb::Document;
use serde_json::Value;
use std::collections::HashMap;
use std::vec::IntoIter;

/// Everything that is wrong with a journey that is given as a document in which `states` and `transitions` are arrays
/// of columns: of states the id, name, type, whether it is initial, prompt, tool and condition; of transitions the ids
/// of the states, condition, kind of condition and priority.
#[must_use]
pub fn check_columns(document: &(impl Document + ?Sized), tools: Option<&HashMap<String, ToolStatus>>) -> Vec<Finding> {
    let mut about = document.value().unwrap_or_default();
    let mut take = |key: &str| Columns(cells(about.get_mut(key).map(Value::take)));
    let (mut of_states, mut of_transitions) = (take("states"), take("transitions"));
    let reading = read_value(about);
    let mut journey = reading.journey.unwrap_or_default();
    read_states(&mut of_states, &mut of_transitions, &mut journey);
    let mut findings = reading.findings;
    findings.extend(validate(&journey, tools));
    sorted(findings)
}

struct Columns(IntoIter<Value>);

impl Columns {
    fn next(&mut self) -> IntoIter<Value> {
        cells(self.0.next())
    }
}

fn cells(column: Option<Value>) -> IntoIter<Value> {
    match column {
        Some(Value::Array(cells)) => cells.into_iter(),
        _ => Vec::new().into_iter(),
    }
}

fn text(cell: Option<Value>) -> Option<String> {
    match cell {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn read_states(of_states: &mut Columns, of_transitions: &mut Columns, journey: &mut Journey) {
    let (ids, names, mut types, mut initial) = (of_states.next(), of_states.next(), of_states.next(), of_states.next());
    let (mut prompts, mut tools, mut conditions) = (of_states.next(), of_states.next(), of_states.next());
    for name in names {
        let state_type = text(types.next()).and_then(|name| StateType::from_name(&name));
        let mut state = State::new(text(Some(name)).unwrap_or_default(), state_type.unwrap_or(StateType::Chat));
        state.is_initial = initial.next() == Some(Value::Bool(true));
        state.prompt = text(prompts.next());
        state.tool_id = text(tools.next());
        state.condition = text(conditions.next());
        journey.states.push(state);
    }
    let name_of: HashMap<String, &str> =
        ids.filter_map(|id| text(Some(id))).zip(journey.states.iter().map(|state| state.name.as_str())).collect();
    let name = |id: Option<Value>| text(id).and_then(|id| name_of.get(&id).copied()).unwrap_or_default();
    let (from, mut to, mut conditions) = (of_transitions.next(), of_transitions.next(), of_transitions.next());
    let (mut kinds, mut priorities) = (of_transitions.next(), of_transitions.next());
    for from in from {
        let mut transition = Transition::new(name(Some(from)), name(to.next()));
        transition.condition = text(conditions.next());
        if let Some(kind) = text(kinds.next()).and_then(|name| ConditionKind::from_name(&name)) {
            transition.condition_kind = kind;
        }
        if let Some(priority) = priorities.next().and_then(|n| n.as_i64()).and_then(|n| i32::try_from(n).ok()) {
            transition.priority = priority;
        }
        journey.transitions.push(transition);
    }
}
