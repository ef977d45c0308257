//! What is wrong with the graph of a journey. Everything here is linear in states and transitions, and iterates.

use super::ToolStatus;
use super::definition::{ConditionKind, Journey, State, StateType, Transition};
use super::finding::{Finding, Severity};
use super::read::Places;
use crate::condition::Condition;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};
use std::collections::{HashMap, HashSet};

pub(super) fn findings(
    journey: &Journey,
    places: &Places,
    tools: Option<&HashMap<String, ToolStatus>>,
) -> Vec<Finding> {
    let mut graph = Graph::of(journey, places);
    graph.initial_state();
    graph.state_contents(tools);
    graph.transition_ends();
    graph.transition_conditions();
    graph.transitions_by_state();
    if !places.incomplete {
        graph.reachability();
    }
    graph.decision_loops();
    graph.findings
}

struct Graph<'j> {
    journey: &'j Journey,
    places: &'j Places,
    /// The first state of each name.
    by_name: HashMap<&'j str, usize>,
    /// Whether a state has the name of one before it.
    repeats: Vec<bool>,
    /// The ends of each transition, where both are known.
    ends: Vec<Option<(usize, usize)>>,
    /// The transitions that leave each state, best first.
    leaving: Vec<Vec<usize>>,
    findings: Vec<Finding>,
}

impl<'j> Graph<'j> {
    fn of(journey: &'j Journey, places: &'j Places) -> Self {
        let mut by_name = HashMap::with_capacity(journey.states.len());
        let first = |(n, state): (usize, &'j State)| *by_name.entry(state.name.as_str()).or_insert(n) != n;
        let repeats = journey.states.iter().enumerate().map(first).collect();
        let end = |name: &String| by_name.get(name.as_str()).copied();
        let ends: Vec<_> = journey.transitions.iter().map(|t| end(&t.from).zip(end(&t.to))).collect();
        let mut leaving = vec![Vec::new(); journey.states.len()];
        for (n, ends) in ends.iter().enumerate() {
            if let Some((from, _)) = ends {
                leaving[*from].push(n);
            }
        }
        for transitions in &mut leaving {
            transitions.sort_by_key(|n| -journey.transitions[*n].priority);
        }
        Graph { journey, places, by_name, repeats, ends, leaving, findings: Vec::new() }
    }

    fn about_state(&mut self, severity: Severity, code: &'static str, n: usize, key: &str, message: String) {
        let path = format!("/states/{}{key}", self.places.states[n]);
        self.findings.push(Finding::new(severity, code, path, message).of_state(&self.journey.states[n].name));
    }

    fn about_transition(&mut self, severity: Severity, code: &'static str, n: usize, key: &str, message: String) {
        let path = format!("/transitions/{}{key}", self.places.transitions[n]);
        let transition = &self.journey.transitions[n];
        let finding = Finding::new(severity, code, path, message).of_transition(transition.label());
        self.findings.push(finding.of_state(&transition.from));
    }

    fn initial_state(&mut self) {
        let states = &self.journey.states;
        if states.is_empty() {
            if !self.places.incomplete {
                self.findings.push(Finding::error("no_states", "/states", "the journey has no states".to_owned()));
            }
            return;
        }
        let initial: Vec<usize> = (0..states.len()).filter(|n| states[*n].is_initial).collect();
        match initial.as_slice() {
            [] if !self.places.incomplete => {
                let message = "no state is initial, so no session can enter the journey".to_owned();
                self.findings.push(Finding::error("no_initial_state", "/states", message));
            }
            [] => {}
            [first, others @ ..] => {
                for other in others {
                    let message =
                        format!("state {:?} is initial, and so is {:?}", states[*other].name, states[*first].name);
                    self.about_state(Severity::Error, "multiple_initial_states", *other, "/is_initial", message);
                }
            }
        }
        for n in initial.into_iter().filter(|n| states[*n].is_final() && states.len() > 1) {
            let message = format!("state {:?} is initial and final, but not the only one", states[n].name);
            self.about_state(Severity::Error, "initial_state_is_final", n, "", message);
        }
    }

    fn state_contents(&mut self, tools: Option<&HashMap<String, ToolStatus>>) {
        for (n, state) in self.journey.states.iter().enumerate() {
            if self.repeats[n] {
                let message = format!("another state is named {:?} too", state.name);
                self.about_state(Severity::Error, "duplicate_state_name", n, "/name", message);
            }
            if let Some((code, what)) = missing(state) {
                let message = format!("{} state {:?} has no {what}", state.state_type.name(), state.name);
                self.about_state(Severity::Error, code, n, "", message);
            }
            let (Some(tools), StateType::Tool, Some(tool)) = (tools, state.state_type, &state.tool_id) else {
                continue;
            };
            let (severity, code, what) = match tools.get(tool).copied().unwrap_or(ToolStatus::Unknown) {
                ToolStatus::Usable => continue,
                ToolStatus::Unknown => (Severity::Error, "unknown_tool", "does not exist in the workspace"),
                ToolStatus::Disabled => (Severity::Error, "disabled_tool", "is disabled"),
                ToolStatus::NotAssigned => (Severity::Warning, "tool_not_assigned", "is not assigned to the agent"),
            };
            self.about_state(severity, code, n, "/tool_id", format!("tool {tool:?} of state {:?} {what}", state.name));
        }
    }

    fn transition_ends(&mut self) {
        let mut seen = HashSet::with_capacity(self.ends.len());
        let mut seen_by_name = HashSet::new();
        for (n, transition) in self.journey.transitions.iter().enumerate() {
            let names = [("/from", &transition.from), ("/to", &transition.to)];
            let is_known = self.ends[n].is_some();
            for (key, name) in names.into_iter().filter(|_| !is_known) {
                if !self.by_name.contains_key(name.as_str()) && !self.places.unread_states.contains(name) {
                    let message = format!("the journey has no state {name:?}");
                    self.about_transition(Severity::Error, "unknown_state", n, key, message);
                }
            }
            let is_new = match self.ends[n] {
                Some(ends) => seen.insert((ends, &transition.condition)),
                None => seen_by_name.insert((&transition.from, &transition.to, &transition.condition)),
            };
            if !is_new {
                let message = "another transition has the same states and the same condition".to_owned();
                self.about_transition(Severity::Error, "duplicate_transition", n, "", message);
            }
            let Some((from, to)) = self.ends[n] else { continue };
            if self.journey.states[from].is_final() {
                let message = format!("state {:?} is final, so nothing may leave it", transition.from);
                self.about_transition(Severity::Error, "final_state_has_outgoing", n, "", message);
            }
            if from == to {
                let message = format!("state {:?} leads to itself", transition.from);
                self.about_transition(Severity::Info, "self_transition", n, "", message);
            }
        }
        for (old, new) in &self.journey.replaced_states {
            if !self.by_name.contains_key(new.as_str()) && !self.places.unread_states.contains(new) {
                let path = super::finding::child("/replaced_states", old);
                self.findings.push(Finding::error("unknown_state", path, format!("the journey has no state {new:?}")));
            }
        }
    }

    fn transition_conditions(&mut self) {
        // Many transitions may share a condition.
        let mut judged: HashMap<&str, Vec<(Severity, &'static str, String)>> = HashMap::new();
        for (n, transition) in self.journey.transitions.iter().enumerate() {
            if transition.condition_kind != ConditionKind::Expression {
                continue;
            }
            let Some(text) = transition.expression() else {
                let message = "condition_kind is expression, but there is no condition".to_owned();
                self.about_transition(Severity::Error, "missing_condition", n, "", message);
                continue;
            };
            for (severity, code, message) in judged.entry(text).or_insert_with(|| judge(text)).clone() {
                self.about_transition(severity, code, n, "/condition", message);
            }
        }
    }

    /// What is odd about the transitions of one state among each other.
    fn transitions_by_state(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        for (from, transitions) in leaving.iter().enumerate() {
            let state = &self.journey.states[from];
            let all = &self.journey.transitions;
            let default = transitions.iter().position(|n| all[*n].condition.is_none());
            if let Some(default) = default {
                let best = &all[transitions[default]];
                for n in &transitions[default + 1..] {
                    let transition = &all[*n];
                    if transition.condition.is_none() && transition.priority == best.priority {
                        let message = format!("{} is unconditional too, with the same priority", best.label());
                        self.about_transition(Severity::Warning, "ambiguous_transitions", *n, "", message);
                    } else if is_automatic(transition) {
                        let message = format!("{} comes first and always holds", best.label());
                        self.about_transition(Severity::Warning, "shadowed_transition", *n, "", message);
                    }
                }
            } else if state.state_type == StateType::Decision && !transitions.is_empty() {
                let message = format!("decision state {:?} has no transition without condition", state.name);
                self.about_state(Severity::Warning, "decision_without_default", from, "", message);
            }
        }
        self.leaving = leaving;
    }

    fn reachability(&mut self) {
        let states = &self.journey.states;
        let mut graph = DiGraph::<(), ()>::with_capacity(states.len(), self.ends.len());
        for _ in states {
            graph.add_node(());
        }
        graph.extend_with_edges(self.ends.iter().flatten().map(|(from, to)| (node(*from), node(*to))));

        let mut reached = Dfs::empty(&graph);
        for n in (0..states.len()).filter(|n| states[*n].is_initial) {
            reached.move_to(node(n));
            while reached.next(&graph).is_some() {}
        }
        let mut ending = Dfs::empty(Reversed(&graph));
        for n in (0..states.len()).filter(|n| states[*n].is_final()) {
            ending.move_to(node(n));
            while ending.next(Reversed(&graph)).is_some() {}
        }
        let has_entry = states.iter().any(|state| state.is_initial);
        for (n, state) in states.iter().enumerate() {
            if has_entry && !reached.discovered.contains(n) {
                let message = format!("no transitions lead from the initial state to {:?}", state.name);
                self.about_state(Severity::Warning, "unreachable_state", n, "", message);
            }
            if !state.is_final() && self.leaving[n].is_empty() {
                // A session cannot even rest in a decision.
                let is_decision = state.state_type == StateType::Decision;
                let severity = if is_decision { Severity::Error } else { Severity::Warning };
                let message = format!("state {:?} is not final, and nothing leaves it", state.name);
                self.about_state(severity, "dead_end_state", n, "", message);
            } else if !ending.discovered.contains(n) {
                let message = format!("no final state can be reached from {:?}", state.name);
                self.about_state(Severity::Warning, "no_path_to_final", n, "", message);
            }
        }
    }

    /// Cycles of decision states that a session can pass on and on in one call. A transition in natural language does
    /// not close such a cycle: the session waits at it for the application.
    fn decision_loops(&mut self) {
        let states = &self.journey.states;
        let is_decision = |n: usize| states[n].state_type == StateType::Decision;
        let mut decisions = DiGraph::<(), ()>::with_capacity(states.len(), 0);
        for _ in states {
            decisions.add_node(());
        }
        let mut loops_to_itself = vec![false; states.len()];
        for (n, ends) in self.ends.iter().enumerate() {
            let Some((from, to)) = *ends else { continue };
            if is_decision(from) && is_decision(to) && is_automatic(&self.journey.transitions[n]) {
                decisions.add_edge(node(from), node(to), ());
                loops_to_itself[from] |= from == to;
            }
        }
        let mut components = kosaraju_scc(&decisions);
        components.retain(|members| members.len() > 1 || members.iter().any(|n| loops_to_itself[n.index()]));
        let mut component_of = vec![usize::MAX; states.len()];
        for (component, members) in components.iter().enumerate() {
            members.iter().for_each(|n| component_of[n.index()] = component);
        }
        for members in components {
            let mut members: Vec<usize> = members.into_iter().map(NodeIndex::index).collect();
            members.sort_unstable();
            let component = component_of[members[0]];
            let leads_out = |n: &usize| {
                self.leaving[*n].iter().any(|t| self.ends[*t].is_some_and(|(_, to)| component_of[to] != component))
            };
            let severity = if members.iter().any(leads_out) { Severity::Warning } else { Severity::Error };
            let names: Vec<_> = members.iter().take(10).map(|n| format!("{:?}", states[*n].name)).collect();
            let more = if members.len() > 10 { ", …" } else { "" };
            let message = format!("a session can go round and round through {}{more}", names.join(", "));
            self.about_state(severity, "decision_loop", members[0], "", message);
        }
    }
}

fn node(n: usize) -> NodeIndex {
    NodeIndex::new(n)
}

/// Whether the database may take it without being told.
fn is_automatic(transition: &Transition) -> bool {
    transition.condition.is_none() || transition.condition_kind == ConditionKind::Expression
}

fn missing(state: &State) -> Option<(&'static str, &'static str)> {
    let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    match state.state_type {
        StateType::Chat if blank(&state.prompt) => Some(("missing_prompt", "prompt")),
        StateType::Tool if blank(&state.tool_id) => Some(("missing_tool", "tool_id")),
        StateType::Decision if blank(&state.condition) => Some(("missing_condition", "condition")),
        _ => None,
    }
}

fn judge(expression: &str) -> Vec<(Severity, &'static str, String)> {
    match Condition::compile(expression) {
        Err(error) => vec![(Severity::Error, "invalid_condition", error.to_string())],
        Ok(condition) => {
            let unused = condition.unused_variables().into_iter();
            let message = |name| format!("the expression binds {name:?} and does not use it");
            unused.map(|name| (Severity::Warning, "unused_variable", message(name))).collect()
        }
    }
}
