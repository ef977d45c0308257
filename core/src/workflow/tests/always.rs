use super::generator::{Spec, sound_workflow, workflow};
use super::model::Model;
use super::{Conversion, Ways, assert_sound, assert_sound_but_for_islands, converted, to_journey};
use crate::journey::{ConditionKind, Journey, Severity, State, StateType, Transition, validate};
use crate::jsonb::{Jsonb, Packed, write};
use crate::workflow::to_workflow;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

fn assert_keeps_what_sim_does(spec: &Spec) {
    let conversion = converted(&spec.to_json());
    let model = Model::of(spec);
    let ways = Ways::of(&conversion.journey);
    for block in model.reached() {
        let state = conversion.mapping.get(&spec.id(block));
        let Some(state) = state else { panic!("b{block} is not mapped: {}", spec.to_json()) };
        let next = ways.next(state);
        for step in model.steps(block) {
            let target = &conversion.mapping[&spec.id(step)];
            assert!(next.contains(target.as_str()), "no way from b{block} to b{step}: {}", spec.to_json());
        }
    }
    for (at, block) in spec.blocks.iter().enumerate() {
        assert!(block.enabled || !conversion.mapping.contains_key(&spec.id(at)), "b{at} is disabled, and mapped");
    }
    assert!(!conversion.journey.document().to_value().to_string().contains("verysecret"));
}

/// The document with its keys and edges in another order, where that means nothing.
fn reordered(document: &Value, spec: &Spec, order: &[Index]) -> Value {
    let positional = |edge: &Value| {
        let at = edge["source"].as_str().unwrap()[1..].parse::<usize>().unwrap();
        matches!(spec.blocks[at].kind, "condition" | "router_v2")
    };
    let mut document = document.clone();
    for path in ["/edges", "/connections", "/state/edges", "/data/edges", "/data/state/edges"] {
        let Some(Value::Array(edges)) = document.pointer_mut(path) else { continue };
        let (fixed, mut free): (Vec<Value>, Vec<Value>) = edges.drain(..).partition(positional);
        for (at, index) in order.iter().enumerate().take(free.len()) {
            let other = index.index(free.len());
            free.swap(at, other);
        }
        edges.extend(free);
        edges.extend(fixed);
    }
    for path in ["/blocks", "/state/blocks", "/data/blocks", "/data/state/blocks"] {
        if let Some(Value::Array(blocks)) = document.pointer_mut(path) {
            blocks.reverse();
        }
    }
    document
}

/// The text of a document with the keys of each object backwards.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().rev().map(|(key, value)| format!("{}:{}", json!(key), backwards(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(backwards).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(serde_json::from_str("1e400").unwrap()),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("<b0.x> {{K}} {% [1")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            Just("id"),
            Just("type"),
            Just("value"),
            Just("blocks"),
            Just("b0"),
            Just("parentId"),
            Just("nodes"),
            Just("title"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// Puts a value in some place of a document.
fn spoil(document: &mut Value, place: Index, spoilt: Value) {
    let mut places = 0;
    count(document, &mut places);
    let mut at = place.index(places);
    replace(document, &mut at, &mut Some(spoilt));
}

fn count(value: &Value, places: &mut usize) {
    *places += 1;
    match value {
        Value::Object(members) => members.values().for_each(|member| count(member, places)),
        Value::Array(elements) => elements.iter().for_each(|element| count(element, places)),
        _ => {}
    }
}

fn replace(value: &mut Value, at: &mut usize, by: &mut Option<Value>) {
    if *at == 0 {
        if let Some(by) = by.take() {
            *value = by;
        }
        return;
    }
    *at -= 1;
    let members: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Object(members) => Box::new(members.values_mut()),
        Value::Array(elements) => Box::new(elements.iter_mut()),
        _ => return,
    };
    for member in members {
        if by.is_some() {
            replace(member, at, by);
        }
    }
}

/// A journey as its transitions are ordered for the states that they leave.
fn by_state(journey: &Journey) -> Journey {
    let mut journey = journey.clone();
    let place: HashMap<String, usize> =
        journey.states.iter().enumerate().map(|(place, state)| (state.name.clone(), place)).collect();
    journey.transitions.sort_by_key(|transition| place[&transition.from]);
    journey
}

fn assert_comes_back(journey: &Journey) {
    let workflow = to_workflow(&journey.document().to_value().to_string()).unwrap();
    let again = to_journey(&workflow.to_string(), "{}", "{}").unwrap();
    assert_eq!(by_state(&again.journey), by_state(journey), "{workflow}");
    assert_eq!(again.warnings, [], "{workflow}");
}

fn any_journey() -> impl Strategy<Value = Journey> {
    let name = select(vec!["a", "A", "loop", "b c", "End", "Start", "<x>", "ä"]);
    let text =
        select(vec!["Hi {{ start.input }}", " {% if x %}y{% endif %}", "{{ env.KEY }}", "plain", "<b>bold</b>", "{"]);
    let kind = select(StateType::ALL.to_vec());
    let condition = select(vec![
        None,
        None,
        Some((ConditionKind::Natural, "the customer agrees")),
        Some((ConditionKind::Natural, "a == 1")),
        Some((ConditionKind::Expression, "a.b == 1 && has(c.d)")),
        Some((ConditionKind::Expression, "size(x.y) > 2")),
        Some((ConditionKind::Expression, "env.X != \"y\" || loop_.index >= 3")),
    ]);
    let states = prop::collection::hash_map(name, (kind, text, any::<bool>()), 1..6);
    let transitions = prop::collection::vec((any::<Index>(), any::<Index>(), condition, 98..102), 0..12);
    (states, transitions, any::<Index>(), any::<bool>()).prop_map(|(states, transitions, initial, flag)| {
        let mut journey = Journey { title: " Title ".to_owned(), allow_skipping: flag, ..Journey::default() };
        journey.conditions.extend(flag.then(|| "always".to_owned()));
        for (name, (kind, text, skip)) in states {
            let mut state = State::new(name, kind);
            state.prompt = Some(text.to_owned()).filter(|_| kind != StateType::Decision || skip);
            state.tool_id = (kind == StateType::Tool).then(|| if skip { "slack" } else { "my tool" }.to_owned());
            state.tool_config =
                (kind == StateType::Tool).then(|| Packed::Value(json!({"arguments": {"channel": text, "apiKey": 1}})));
            state.condition = (kind == StateType::Decision).then(|| "which".to_owned());
            state.allow_skip = skip;
            journey.states.push(state);
        }
        let count = journey.states.len();
        journey.states[initial.index(count)].is_initial = true;
        for (from, to, condition, priority) in transitions {
            let name = |index: Index| journey.states[index.index(count)].name.clone();
            let mut transition = Transition::new(name(from), name(to));
            transition.priority = priority;
            if let Some((kind, text)) = condition {
                transition.condition = Some(text.to_owned());
                transition.condition_kind = kind;
            }
            let same = |other: &Transition| {
                (&other.from, &other.to, &other.condition) == (&transition.from, &transition.to, &transition.condition)
            };
            if !journey.transitions.iter().any(same) {
                journey.transitions.push(transition);
            }
        }
        journey
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn odd_workflows_keep_what_sim_does(spec in workflow()) {
        assert_keeps_what_sim_does(&spec);
    }

    #[test]
    fn sound_workflows_keep_what_sim_does(spec in sound_workflow()) {
        assert_keeps_what_sim_does(&spec);
    }

    #[test]
    fn the_order_of_keys_and_edges_means_nothing(spec in workflow(), order in prop::collection::vec(any::<Index>(), 40)) {
        let document = spec.to_json();
        let expected = converted(&document).document().to_value();
        prop_assert_eq!(converted(&document).document().to_value(), expected.clone());
        let other = backwards(&reordered(&document, &spec, &order));
        prop_assert_eq!(to_journey(&other, "{}", "{}").unwrap().document().to_value(), expected);
    }

    #[test]
    fn no_document_panics(spec in workflow(), spoilt in prop::collection::vec((any::<Index>(), any_json()), 1..4)) {
        let mut document = spec.to_json();
        for (place, value) in spoilt {
            spoil(&mut document, place, value);
        }
        let converted = to_journey(&document.to_string(), "{}", "{}");
        if let Some(stored) = write(&(&document).into()) {
            let of_stored = to_journey(&Jsonb(&stored), "{}", "{}");
            let shown = |conversion: Conversion| conversion.document().to_value();
            prop_assert_eq!(of_stored.map(shown), converted.clone().map(shown));
        }
        if let Ok(conversion) = converted {
            assert_sound(&conversion);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", parameters in "\\PC{0,20}") {
        let _ = to_journey(&text, &parameters, "{}");
    }

    #[test]
    fn parameters_never_spoil_a_journey(spec in workflow(), value in any_json()) {
        let parameters = Map::from_iter([("start.input", &value), ("KEY", &value), ("greet.n", &value), ("greet.ok", &value)]
            .map(|(name, value)| (name.to_owned(), value.clone())));
        let conversion = to_journey(&spec.to_json().to_string(), &Value::Object(parameters).to_string(), "{}").unwrap();
        assert_sound(&conversion);
    }

    #[test]
    fn a_converted_journey_comes_back_from_its_workflow(spec in workflow()) {
        assert_comes_back(&converted(&spec.to_json()).journey);
    }

    #[test]
    fn any_journey_comes_back_from_its_workflow(journey in any_journey()) {
        let findings = validate(&journey, None);
        prop_assume!(findings.iter().all(|finding| finding.severity != Severity::Error));
        assert_comes_back(&journey);
    }

    #[test]
    fn a_workflow_made_of_a_journey_may_be_spoilt(
        journey in any_journey(), spoilt in prop::collection::vec((any::<Index>(), any_json()), 1..4)
    ) {
        let mut document = to_workflow(&journey.document().to_value().to_string()).unwrap();
        for (place, value) in spoilt {
            spoil(&mut document, place, value);
        }
        if let Ok(conversion) = to_journey(&document.to_string(), "{}", "{}") {
            assert_sound_but_for_islands(&conversion);
        }
    }

    #[test]
    fn a_workflow_made_of_a_journey_may_be_wired_anew(
        journey in any_journey(), wires in prop::collection::vec((any::<Index>(), any::<Index>()), 1..6)
    ) {
        let mut document = to_workflow(&journey.document().to_value().to_string()).unwrap();
        let ids: Vec<String> = document["blocks"].as_object().unwrap().keys().cloned().collect();
        if let Some(edges) = document["edges"].as_array_mut().filter(|edges| !edges.is_empty()) {
            for (edge, id) in wires {
                let at = edge.index(edges.len());
                edges[at]["target"] = json!(ids[id.index(ids.len())]);
            }
        }
        assert_sound_but_for_islands(&to_journey(&document.to_string(), "{}", "{}").unwrap());
    }
}
