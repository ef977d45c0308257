//! What `back` writes into the data of the blocks that it makes of a journey, so that they become the same journey
//! again. It counts only as long as nobody has changed the block.

use super::fault::Fault;
use super::read::Block;
use crate::condition::Condition;
use crate::journey::{self, ConditionKind, Journey, State, StateType, Transition};
use crate::jsonb::Document;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// The member of a block's data that holds the marker.
pub(super) const KEY: &str = "parlant";

#[derive(Debug)]
pub(super) struct Marker {
    pub(super) part: Part,
    /// The transitions that begin at the block, by the id of its row.
    pub(super) rows: HashMap<String, Transition>,
}

#[derive(Debug)]
pub(super) enum Part {
    /// A state, and its place among the states of the journey.
    State { state: Box<State>, place: usize, leads_on: bool },
    /// The transitions of the state before it.
    Ways,
    /// Where the journey begins, with what it says about itself.
    Entry(Box<Journey>),
}

impl Marker {
    /// The marker of a block that is as it was made; `None` for any other.
    pub(super) fn of(block: &Block) -> Option<Marker> {
        let data = block.data.get(KEY)?.as_object()?;
        if data.get("seen")?.as_str()?
            != seen(&block.kind, block.name.as_deref().unwrap_or_default(), &block.fields.all())
        {
            return None;
        }
        let part = match data.get("part")?.as_str()? {
            "state" => Part::State {
                state: Box::new(state(data.get("state")?)?),
                place: usize::try_from(data.get("place")?.as_u64()?).ok()?,
                leads_on: data.get("leads_on")?.as_bool()?,
            },
            "ways" => Part::Ways,
            "entry" => Part::Entry(Box::new(about(data.get("journey")?)?)),
            _ => return None,
        };
        let mut rows = HashMap::new();
        if let Some(listed) = data.get("rows") {
            for (id, row) in listed.as_object()? {
                rows.insert(id.clone(), transition(row)?);
            }
        }
        Some(Marker { part, rows })
    }
}

/// A fingerprint of what a person can see of a block.
pub(super) fn seen(kind: &str, name: &str, fields: &Map<String, Value>) -> String {
    let mut text = format!("{kind}\n{name}\n");
    canonical(&Value::Object(fields.clone()), &mut text);
    // FNV-1a: it only has to notice changes, nobody gains anything by a collision.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

/// JSON text with sorted keys. Recursion is safe: reading has bounded the depth.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (key, value) in members {
                // Writing to a string cannot fail.
                let _ = write!(text, "{},", json!(key));
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            elements.iter().for_each(|element| canonical(element, text));
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other},");
        }
    }
}

/// A transition as it stands in a journey document, without the states between which it leads.
pub(super) fn transition_document(transition: &Transition) -> Value {
    let mut document = transition.document().to_value();
    if let Some(members) = document.as_object_mut() {
        members.remove("from");
        members.remove("to");
    }
    document
}

fn read(document: Value) -> Option<Journey> {
    let reading = journey::read_value(document);
    reading.findings.is_empty().then_some(reading.journey)?
}

fn state(document: &Value) -> Option<State> {
    let state = read(json!({"title": "t", "states": [document]}))?.states.pop()?;
    let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let is_complete = match state.state_type {
        StateType::Chat => !blank(&state.prompt),
        StateType::Tool => !blank(&state.tool_id),
        StateType::Decision => !blank(&state.condition),
        StateType::Final => true,
    };
    is_complete.then_some(state)
}

fn about(document: &Value) -> Option<Journey> {
    read(document.clone()).filter(|journey| journey.states.is_empty() && journey.transitions.is_empty())
}

fn transition(document: &Value) -> Option<Transition> {
    let mut document = document.as_object()?.clone();
    document.insert("from".to_owned(), json!("from"));
    document.insert("to".to_owned(), json!("to"));
    let transition = read(json!({"title": "t", "transitions": [document]}))?.transitions.pop()?;
    let is_sound = match (&transition.condition, transition.condition_kind) {
        (Some(text), ConditionKind::Expression) => Condition::compile(text).is_ok(),
        (None, ConditionKind::Expression) => false,
        _ => true,
    };
    is_sound.then_some(transition)
}

/// Why a document is no journey that can become a workflow.
pub(super) fn journey_of(definition: &(impl Document + ?Sized)) -> Result<Journey, Fault> {
    let reading = journey::read(definition);
    match (reading.journey, reading.findings.first()) {
        (Some(journey), None) => Ok(journey),
        (_, Some(finding)) => Err(Fault::new(&format!("${}", finding.path), finding.message.clone())),
        (None, None) => Err(Fault::new("$", "no journey")),
    }
}
