//! Journeys as documents: reading one, finding everything that is wrong with it, writing it back, drawing it.
//!
//! `docs/journeys.md` describes the format for users.

mod definition;
mod diagram;
mod finding;
mod graph;
mod read;
mod rows;

pub use definition::{ConditionKind, Journey, MAX_STATES, MAX_TRANSITIONS, State, StateType, Transition};
pub use diagram::diagram;
pub use finding::{Finding, Severity};
use read::Places;
pub(crate) use read::read_value;
pub use read::{MAX_BYTES, Reading, read};
pub use rows::{Id, StateRow, TransitionRow, check_rows};

use crate::jsonb::Document;
use std::collections::HashMap;

/// What a workspace knows about the tool that a state names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolStatus {
    Usable,
    Unknown,
    Disabled,
    NotAssigned,
}

/// Everything that is wrong with the graph of a journey, worst first, each kind in the order of the document.
///
/// Linear in states and transitions. `tools` tells the status of each tool that a state names; without it tools are
/// not judged.
#[must_use]
pub fn validate(journey: &Journey, tools: Option<&HashMap<String, ToolStatus>>) -> Vec<Finding> {
    let mut findings = graph::findings(journey, &Places::in_order(journey), tools);
    for (key, count, most) in
        [("states", journey.states.len(), MAX_STATES), ("transitions", journey.transitions.len(), MAX_TRANSITIONS)]
    {
        if count > most {
            let message = format!("{key:?} has {count} elements, more than {most}");
            findings.push(Finding::error("over_limit", format!("/{key}"), message));
        }
    }
    sorted(findings)
}

/// What a document says and everything that is wrong with it, be it the document or the graph.
#[must_use]
pub fn check(document: &(impl Document + ?Sized), tools: Option<&HashMap<String, ToolStatus>>) -> Reading {
    let mut reading = read(document);
    if let Some(journey) = &reading.journey {
        reading.findings.extend(graph::findings(journey, &reading.places, tools));
    }
    reading.findings = sorted(reading.findings);
    reading
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.severity);
    findings
}

#[cfg(test)]
mod tests;
