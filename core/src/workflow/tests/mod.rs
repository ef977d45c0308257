//! What is true of every conversion, over generated workflows, over our own examples and over real ones.

mod always;
mod examples;
mod generator;
mod model;
mod samples;

use super::{Conversion, to_journey};
use crate::journey::{Journey, Severity, StateType, check};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

#[track_caller]
fn converted(workflow: &Value) -> Conversion {
    let conversion =
        to_journey(&workflow.to_string(), "{}", "{}").unwrap_or_else(|fault| panic!("{fault}: {workflow}"));
    assert_sound(&conversion);
    conversion
}

/// What must be true whatever the workflow.
#[track_caller]
fn assert_sound(conversion: &Conversion) {
    assert_sound_but_for_islands(conversion);
    let ways = Ways::of(&conversion.journey);
    let initial = conversion.journey.states.iter().find(|state| state.is_initial).unwrap();
    let reachable = ways.reachable(&initial.name);
    for state in &conversion.journey.states {
        let is_reached = reachable.contains(state.name.as_str());
        assert!(is_reached, "{:?} is unreachable in {}", state.name, conversion.journey.document().to_value());
    }
}

/// The same for a journey that had states to which nothing led.
#[track_caller]
fn assert_sound_but_for_islands(conversion: &Conversion) {
    let definition = conversion.journey.document().to_value().to_string();
    let reading = check(&definition, None);
    let errors: Vec<_> = reading.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{definition}");
    assert_eq!(reading.journey.as_ref(), Some(&conversion.journey));

    let names: HashSet<_> = conversion.journey.states.iter().map(|state| &state.name).collect();
    assert_eq!(names.len(), conversion.journey.states.len(), "names repeat");
    let mapped: HashSet<_> = conversion.mapping.values().collect();
    assert_eq!(mapped.len(), conversion.mapping.len(), "two blocks have one state");
}

/// The transitions of a journey, to follow.
struct Ways<'j> {
    to: HashMap<&'j str, Vec<&'j str>>,
    decisions: HashSet<&'j str>,
}

impl<'j> Ways<'j> {
    fn of(journey: &'j Journey) -> Self {
        let mut to: HashMap<&str, Vec<&str>> = HashMap::new();
        for transition in &journey.transitions {
            to.entry(&transition.from).or_default().push(&transition.to);
        }
        let decisions = journey.states.iter().filter(|state| state.state_type == StateType::Decision);
        Ways { to, decisions: decisions.map(|state| state.name.as_str()).collect() }
    }

    fn reachable(&self, from: &'j str) -> HashSet<&'j str> {
        self.spread(from, |_| true)
    }

    /// The states that follow one directly, or through nothing but decisions.
    fn next(&self, from: &'j str) -> HashSet<&'j str> {
        self.spread(from, |state| self.decisions.contains(state))
    }

    fn spread(&self, from: &'j str, passes: impl Fn(&str) -> bool) -> HashSet<&'j str> {
        let mut seen = HashSet::new();
        let mut stack = vec![from];
        let mut is_first = true;
        while let Some(state) = stack.pop() {
            if !is_first && !passes(state) {
                continue;
            }
            is_first = false;
            for next in self.to.get(state).into_iter().flatten() {
                if seen.insert(*next) {
                    stack.push(next);
                }
            }
        }
        if passes(from) || self.to.get(from).is_some_and(|to| to.contains(&from)) {
            seen.insert(from);
        }
        seen
    }
}
