//! A journey as a Mermaid flowchart.

use super::definition::{ConditionKind, Journey, State, StateType, Transition};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Longest text on a node or an edge, in characters.
const MAX_LABEL: usize = 80;

/// The journey as Mermaid text; the state named `current` is highlighted.
///
/// Names never become part of the syntax: nodes are numbered, and texts are quoted with everything escaped that
/// Mermaid, Markdown or HTML would read as more than a character.
#[must_use]
pub fn diagram(journey: &Journey, current: Option<&str>) -> String {
    let mut text = String::from("flowchart TD\n");
    let mut numbers = HashMap::new();
    for (n, state) in journey.states.iter().enumerate() {
        numbers.entry(state.name.as_str()).or_insert(n);
        write_line(&mut text, &node(n, state));
        if state.is_initial {
            write_line(&mut text, "start(( ))");
            write_line(&mut text, &format!("start --> s{n}"));
        }
    }
    for transition in &journey.transitions {
        if let (Some(from), Some(to)) = (numbers.get(transition.from.as_str()), numbers.get(transition.to.as_str())) {
            write_line(&mut text, &edge(*from, *to, transition));
        }
    }
    if let Some(n) = current.and_then(|name| numbers.get(name)) {
        write_line(&mut text, "classDef current fill:#ffd54f,stroke:#bf360c,stroke-width:3px");
        write_line(&mut text, &format!("class s{n} current"));
    }
    text
}

fn write_line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "    {line}");
}

fn node(n: usize, state: &State) -> String {
    let (open, close) = match state.state_type {
        StateType::Chat => ("(", ")"),
        StateType::Tool => ("[[", "]]"),
        StateType::Decision => ("{", "}"),
        StateType::Final => ("([", "])"),
    };
    format!("s{n}{open}\"{}\"{close}", label(&state.name))
}

/// Solid where the database takes it by itself, dotted where the application's model must judge.
fn edge(from: usize, to: usize, transition: &Transition) -> String {
    let arrow = match (&transition.condition, transition.condition_kind) {
        (Some(_), ConditionKind::Natural) => "-.->",
        _ => "-->",
    };
    match &transition.condition {
        Some(condition) => format!("s{from} {arrow}|\"{}\"| s{to}", label(condition)),
        None => format!("s{from} {arrow} s{to}"),
    }
}

/// Letters, digits and a few harmless characters as they are, blanks as one blank, everything else by its number.
fn label(text: &str) -> String {
    let mut label = String::new();
    let mut previous = ' ';
    for c in text.chars().take(MAX_LABEL) {
        match c {
            // A number with a point at the beginning would be a list.
            '.' if !previous.is_numeric() => label.push(c),
            c if c.is_alphanumeric() || " ,:!?'()".contains(c) => label.push(c),
            c if c.is_whitespace() || c.is_control() => label.push(' '),
            c => label.push_str(&format!("#{};", u32::from(c))),
        }
        previous = c;
    }
    if text.chars().nth(MAX_LABEL).is_some() {
        label.push('…');
    }
    label
}
