use super::*;
use crate::jsonb::Packed;
use proptest::prelude::*;
use serde_json::{Value, json};

fn refund() -> Value {
    json!({
        "title": "Refund", "description": "Gives money back", "conditions": ["the customer wants a refund"],
        "allow_revisiting": false,
        "states": [
            {"name": "ask", "type": "chat", "is_initial": true, "prompt": "Which order?"},
            {"name": "look up", "type": "tool", "tool_id": "find_order", "tool_config": {"limit": 1}, "allow_skip": false},
            {"name": "decide", "type": "decision", "condition": "Is the order young enough?"},
            {"name": "paid", "type": "final", "prompt": "You get your money back.", "metadata": {"colour": "green"}},
            {"name": "refused", "type": "final"}
        ],
        "transitions": [
            {"from": "ask", "to": "look up", "condition": "the customer names an order"},
            {"from": "look up", "to": "decide"},
            {"from": "decide", "to": "paid", "condition": "order.days <= 30", "condition_kind": "expression", "priority": 200},
            {"from": "decide", "to": "refused"}
        ]
    })
}

fn codes(document: &Value) -> Vec<(&'static str, &'static str, String)> {
    check(&document.to_string(), None).findings.into_iter().map(|f| (f.severity.name(), f.code, f.path)).collect()
}

/// The document with one place changed, by JSON Pointer; a null takes the member away.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = refund();
    for (path, value) in changes {
        let (parent, key) = path.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Object(members) if value.is_null() => drop(members.remove(key)),
            Value::Object(members) => drop(members.insert(key.to_owned(), value.clone())),
            Value::Array(elements) => elements.push(value.clone()),
            _ => panic!("{path}"),
        }
    }
    document
}

#[track_caller]
fn assert_found(changes: &[(&str, Value)], expected: &[(&'static str, &'static str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(s, c, p)| (*s, *c, (*p).to_owned())).collect();
    assert_eq!(codes(&with(changes)), expected);
}

#[test]
fn a_sound_journey_has_no_findings_and_comes_back_as_it_was() {
    let reading = check(&refund().to_string(), None);
    assert_eq!(reading.findings, []);
    assert_eq!(reading.journey.unwrap().document().to_value(), refund());
}

#[test]
fn every_code_is_found_where_it_is_and_nothing_else() {
    let to = |from: &str, to: &str| json!({"from": from, "to": to});
    let expression =
        |text: &str| json!({"from": "ask", "to": "refused", "condition": text, "condition_kind": "expression"});
    let chat = |name: &str| json!({"name": name, "type": "chat", "prompt": "?"});
    let decision = |name: &str| json!({"name": name, "type": "decision", "condition": "?"});
    for (changes, expected) in [
        (vec![("/title", json!(null))], vec![("error", "missing_key", "")]),
        (vec![("/title", json!(" "))], vec![("error", "invalid_value", "/title")]),
        (vec![("/title", json!("x".repeat(501)))], vec![("error", "over_limit", "/title")]),
        (vec![("/titel", json!("x"))], vec![("error", "unknown_key", "/titel")]),
        (
            vec![("/allowSkipping", json!(true)), ("/allow_skipping", json!(true))],
            vec![("error", "duplicate_key", "/allow_skipping")],
        ),
        (
            vec![("/conditions", json!(["", 1]))],
            vec![("error", "invalid_value", "/conditions/0"), ("error", "invalid_value", "/conditions/1")],
        ),
        (vec![("/states/0/is_initial", json!(null))], vec![("error", "no_initial_state", "/states")]),
        (
            vec![("/states/2/is_initial", json!(true))],
            vec![("error", "multiple_initial_states", "/states/2/is_initial")],
        ),
        (
            vec![("/states/0/is_initial", json!(null)), ("/states/4/is_initial", json!(true))],
            vec![
                ("error", "initial_state_is_final", "/states/4"),
                ("warning", "unreachable_state", "/states/0"),
                ("warning", "unreachable_state", "/states/1"),
                ("warning", "unreachable_state", "/states/2"),
                ("warning", "unreachable_state", "/states/3"),
            ],
        ),
        (
            vec![("/states/-", json!({"name": "ask", "type": "final"})), ("/transitions/-", to("decide", "ask"))],
            vec![
                ("error", "duplicate_state_name", "/states/5/name"),
                ("warning", "ambiguous_transitions", "/transitions/4"),
                ("warning", "unreachable_state", "/states/5"),
            ],
        ),
        (vec![("/transitions/-", to("ask", "nowhere"))], vec![("error", "unknown_state", "/transitions/4/to")]),
        (
            vec![("/replaced_states", json!({"old": "nowhere"}))],
            vec![("error", "unknown_state", "/replaced_states/old")],
        ),
        (vec![("/transitions/-", to("paid", "ask"))], vec![("error", "final_state_has_outgoing", "/transitions/4")]),
        (
            vec![("/states/-", chat("lost")), ("/transitions/-", to("lost", "paid"))],
            vec![("warning", "unreachable_state", "/states/5")],
        ),
        (
            vec![("/states/-", chat("stuck")), ("/transitions/-", to("ask", "stuck"))],
            vec![("warning", "dead_end_state", "/states/5")],
        ),
        (
            vec![("/states/-", decision("stuck")), ("/transitions/-", to("ask", "stuck"))],
            vec![("error", "dead_end_state", "/states/5")],
        ),
        (
            vec![
                ("/states/-", chat("round")),
                ("/transitions/-", to("ask", "round")),
                ("/transitions/-", to("round", "round")),
            ],
            vec![("warning", "no_path_to_final", "/states/5"), ("info", "self_transition", "/transitions/5")],
        ),
        (vec![("/states/0/prompt", json!(null))], vec![("error", "missing_prompt", "/states/0")]),
        (vec![("/states/1/tool_id", json!(" "))], vec![("error", "missing_tool", "/states/1")]),
        (vec![("/states/2/condition", json!(null))], vec![("error", "missing_condition", "/states/2")]),
        (
            vec![("/transitions/2/condition", json!(null))],
            vec![
                ("error", "missing_condition", "/transitions/2"),
                ("warning", "shadowed_transition", "/transitions/3"),
            ],
        ),
        (vec![("/transitions/-", to("ask", "ask"))], vec![("info", "self_transition", "/transitions/4")]),
        (
            vec![("/transitions/-", to("look up", "decide"))],
            vec![
                ("error", "duplicate_transition", "/transitions/4"),
                ("warning", "ambiguous_transitions", "/transitions/4"),
            ],
        ),
        (vec![("/transitions/-", to("look up", "ask"))], vec![("warning", "ambiguous_transitions", "/transitions/4")]),
        (vec![("/transitions/2/priority", json!(50))], vec![("warning", "shadowed_transition", "/transitions/2")]),
        (
            vec![("/transitions/3/condition", json!("it is too old"))],
            vec![("warning", "decision_without_default", "/states/2")],
        ),
        (
            vec![
                ("/states/-", decision("again")),
                ("/transitions/3/to", json!("again")),
                ("/transitions/-", to("again", "decide")),
            ],
            vec![("warning", "unreachable_state", "/states/4"), ("warning", "decision_loop", "/states/2")],
        ),
        (
            vec![
                ("/states/-", decision("a")),
                ("/states/-", decision("b")),
                ("/transitions/-", to("a", "b")),
                ("/transitions/-", to("b", "a")),
                ("/transitions/-", to("ask", "a")),
            ],
            vec![
                ("error", "decision_loop", "/states/5"),
                ("warning", "no_path_to_final", "/states/5"),
                ("warning", "no_path_to_final", "/states/6"),
            ],
        ),
        (
            vec![("/transitions/-", expression("amount >"))],
            vec![("error", "invalid_condition", "/transitions/4/condition")],
        ),
        (
            vec![("/transitions/-", expression("items.exists(i, vip)"))],
            vec![("warning", "unused_variable", "/transitions/4/condition")],
        ),
        (vec![("/transitions/0/priority", json!(1001))], vec![("error", "invalid_value", "/transitions/0/priority")]),
        (
            vec![("/transitions/0/condition_kind", json!("guess"))],
            vec![("error", "invalid_value", "/transitions/0/condition_kind")],
        ),
        (vec![("/states/0/type", json!("chatt"))], vec![("error", "invalid_value", "/states/0/type")]),
    ] {
        assert_found(&changes, &expected);
    }
    assert_eq!(codes(&json!({"title": "t", "states": []})), [("error", "no_states", "/states".to_owned())]);
    for text in ["", "[1]", "{", &("[".repeat(300))] {
        assert_eq!(check(text, None).findings[0].code, "malformed");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let document = json!({
        "tittle": "x",
        "states": [{"name": "a", "type": "chat", "is_initial": true}, 7, {"type": "tool"}],
        "transitions": [{"from": "a", "to": "b"}, {"from": "a", "to": "a", "condition": "1 +", "condition_kind": "expression"}]
    });
    let found: Vec<_> = codes(&document).into_iter().map(|(_, code, path)| format!("{code} {path}")).collect();
    assert_eq!(
        found,
        [
            "unknown_key /tittle",
            "missing_key ",
            "invalid_value /states/1",
            "missing_key /states/2",
            "missing_prompt /states/0",
            "unknown_state /transitions/0/to",
            "invalid_condition /transitions/1/condition",
            "self_transition /transitions/1"
        ]
    );
}

#[test]
fn tools_are_judged_where_they_are_known() {
    let journey = check(&refund().to_string(), None).journey.unwrap();
    for (status, expected) in [
        (Some(ToolStatus::Usable), None),
        (None, Some("unknown_tool")),
        (Some(ToolStatus::Unknown), Some("unknown_tool")),
        (Some(ToolStatus::Disabled), Some("disabled_tool")),
        (Some(ToolStatus::NotAssigned), Some("tool_not_assigned")),
    ] {
        let tools = status.map(|status| ("find_order".to_owned(), status)).into_iter().collect();
        let findings = validate(&journey, Some(&tools));
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}

#[test]
fn the_spellings_of_other_clients_are_accepted() {
    let document = json!({
        "title": "t", "allowSkipping": false, "description": null,
        "states": [
            {"name": "a", "stateType": "chat", "isInitial": true, "config": {"chatPrompt": "?"}},
            {"name": "b", "stateType": "tool", "config": {"toolId": "t", "toolConfig": {}}, "allowSkip": false},
            {"name": "c", "isFinal": true, "chat_prompt": "bye"}
        ],
        "transitions": [
            {"fromStateName": "a", "toStateName": "b", "conditionKind": "expression", "condition": "true"},
            {"from_state": "b", "toState": "c"}
        ]
    });
    let reading = check(&document.to_string(), None);
    assert_eq!(reading.findings, []);
    assert_eq!(
        reading.journey.unwrap().document().to_value(),
        json!({
            "title": "t", "allow_skipping": false,
            "states": [
                {"name": "a", "type": "chat", "is_initial": true, "prompt": "?"},
                {"name": "b", "type": "tool", "tool_id": "t", "tool_config": {}, "allow_skip": false},
                {"name": "c", "type": "final", "prompt": "bye"}
            ],
            "transitions": [
                {"from": "a", "to": "b", "condition": "true", "condition_kind": "expression"},
                {"from": "b", "to": "c"}
            ]
        })
    );
}

#[test]
fn every_code_has_a_way_out() {
    let mut codes: Vec<&str> = Vec::new();
    for source in [include_str!("graph.rs"), include_str!("read.rs")] {
        for start in [
            "Severity::Error, \"",
            "Severity::Warning, \"",
            "Severity::Info, \"",
            "severity, \"",
            "report(\"",
            "error(\"",
            "Some((\"",
        ] {
            codes.extend(source.split(start).skip(1).filter_map(|rest| rest.split('"').next()));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        let code: &'static str = code;
        assert_ne!(Finding::error(code, "", String::new()).hint(), "", "{code}");
    }
}

#[test]
fn a_large_journey_is_judged_in_linear_time() {
    let large = |n: usize| {
        let mut journey = Journey { title: "large".to_owned(), ..Journey::default() };
        for i in 0..n {
            let mut state = State::new(format!("s{i}"), if i % 3 == 0 { StateType::Decision } else { StateType::Chat });
            (state.prompt, state.condition, state.is_initial) = (Some("?".to_owned()), Some("?".to_owned()), i == 0);
            journey.states.push(state);
        }
        journey.states.push(State::new("end", StateType::Final));
        for i in 0..n {
            let next = |step: usize| if i + step < n { format!("s{}", i + step) } else { "end".to_owned() };
            journey.transitions.push(Transition::new(format!("s{i}"), next(1)));
            for step in [7, 100] {
                let mut transition = Transition::new(format!("s{i}"), next(step));
                transition.condition = Some(format!("amount > {i} && order.items.exists(x, x.n == {step})"));
                transition.condition_kind = ConditionKind::Expression;
                transition.priority = 200;
                journey.transitions.push(transition);
            }
        }
        journey
    };
    let journey = large(9_999);
    assert_eq!((journey.states.len(), journey.transitions.len()), (10_000, 29_997));
    let start = std::time::Instant::now();
    let findings = validate(&journey, None);
    println!("10,000 states, 30,000 transitions: {:?}", start.elapsed());
    assert_eq!(findings.iter().filter(|f| f.severity == Severity::Error).count(), 0, "{:?}", findings.first());
    // Deep, not only wide: a chain as long as a journey can be, and back.
    assert!(diagram(&journey, Some("s5000")).lines().count() > 40_000);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "\\PC{1,12}",
        "[\"#;|<>&\\\\\\[\\](){}`*_~-]{1,6}",
        "1\\. .{1,5}",
        "(end|graph|style|click|class) x"
    ]
    .prop_filter("blank", |s| !s.trim().is_empty())
}

prop_compose! {
    fn journey()(
        title in text(), description in proptest::option::of(text()), conditions in prop::collection::vec(text(), 0..3),
        flags in any::<[bool; 3]>(), names in prop::collection::btree_set(text(), 1..8),
        parts in prop::collection::vec((0..4_usize, any::<bool>(), text(), proptest::option::of(any::<i32>())), 8),
        edges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), proptest::option::of(text()), any::<bool>(), 1..=1000), 0..16),
    ) -> Journey {
        let names: Vec<_> = names.into_iter().collect();
        let states = names.iter().zip(parts).enumerate().map(|(n, (name, (kind, flag, text, number)))| State {
            state_type: StateType::ALL[kind],
            is_initial: n == 0,
            prompt: flag.then(|| text.clone()),
            tool_id: (!flag).then(|| text.clone()),
            tool_config: number.map(|n| Packed::new(json!({"n": n, "null": null}))),
            condition: number.map(|_| text.clone()),
            allow_skip: flag,
            metadata: (!flag).then(|| Packed::new(json!({"m": [text]}))),
            ..State::new(name, StateType::Chat)
        }).collect();
        let transitions = edges.into_iter().map(|(from, to, condition, is_expression, priority)| Transition {
            condition_kind: if is_expression { ConditionKind::Expression } else { ConditionKind::Natural },
            condition,
            priority,
            ..Transition::new(from.get(&names), to.get(&names))
        }).collect();
        Journey { title, description, conditions, enabled: flags[0], allow_skipping: flags[1], allow_revisiting: flags[2],
            states, transitions, replaced_states: Vec::new() }
    }
}

/// What Mermaid's grammar allows of what we write: numbered nodes with a quoted text, edges between them, two keywords.
fn assert_is_a_flowchart(diagram: &str) {
    let mut lines = diagram.lines();
    assert_eq!(lines.next(), Some("flowchart TD"));
    for line in lines {
        let line = line.strip_prefix("    ").unwrap();
        let mut quoted = line.split('"');
        let shape = match (quoted.next(), quoted.next(), quoted.next(), quoted.next()) {
            (Some(shape), None, ..) => shape.to_owned(),
            (Some(before), Some(text), Some(after), None) => {
                assert!(
                    !text.contains(['<', '>', '&', '`', '|', '[', ']', '{', '}', '\\', '\n', '*', '_', '-']),
                    "{line}"
                );
                for entity in text.split('#').skip(1) {
                    let (number, _) = entity.split_once(';').unwrap();
                    assert!(number.parse::<u32>().is_ok(), "{line}");
                }
                format!("{before}…{after}")
            }
            _ => panic!("{line}"),
        };
        let shape: String = shape.chars().filter(|c| !c.is_ascii_digit()).collect();
        let known = [
            "start(( ))",
            "start --> s",
            "s(…)",
            "s[[…]]",
            "s{…}",
            "s([…])",
            "s --> s",
            "s -->|…| s",
            "s -.->|…| s",
            "class s current",
            "classDef current fill:#ffdf,stroke:#bfc,stroke-width:px",
        ];
        assert!(known.contains(&shape.as_str()), "{line}: {shape}");
    }
}

#[test]
fn a_diagram_shows_types_conditions_and_the_position() {
    let journey = check(&refund().to_string(), None).journey.unwrap();
    assert_eq!(
        diagram(&journey, Some("decide")),
        r##"flowchart TD
    s0("ask")
    start(( ))
    start --> s0
    s1[["look up"]]
    s2{"decide"}
    s3(["paid"])
    s4(["refused"])
    s0 -.->|"the customer names an order"| s1
    s1 --> s2
    s2 -->|"order.days #60;#61; 30"| s3
    s2 --> s4
    classDef current fill:#ffd54f,stroke:#bf360c,stroke-width:3px
    class s2 current
"##
    );
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(journey in journey()) {
        let reading = read(&journey.document().to_value().to_string());
        prop_assert_eq!(reading.findings, []);
        prop_assert_eq!(reading.journey.unwrap(), journey);
    }

    #[test]
    fn no_document_panics(text in "[{}\\[\\]\",:a-z0-9\\\\]{0,60}") {
        let _ = check(&text, None);
    }

    /// The findings about reachability agree with what following every transition from every state shows.
    #[test]
    fn reachability_is_what_walking_shows(journey in journey()) {
        let findings = validate(&journey, None);
        let next = |from: &str| -> Vec<String> {
            journey.transitions.iter().filter(|t| t.from == from).map(|t| t.to.clone()).collect()
        };
        let reach = |from: &str| {
            let mut seen = vec![from.to_owned()];
            let mut n = 0;
            while n < seen.len() {
                for to in next(&seen[n]) {
                    if !seen.contains(&to) { seen.push(to); }
                }
                n += 1;
            }
            seen
        };
        let from_start = reach(&journey.states[0].name);
        for state in &journey.states {
            let has = |code: &str| findings.iter().any(|f| f.code == code && f.state.as_deref() == Some(&state.name));
            prop_assert_eq!(has("unreachable_state"), !from_start.contains(&state.name));
            let dead_end = !state.is_final() && next(&state.name).is_empty();
            prop_assert_eq!(has("dead_end_state"), dead_end);
            let ends = reach(&state.name).iter().any(|name| journey.states.iter().any(|s| s.name == *name && s.is_final()));
            prop_assert_eq!(has("no_path_to_final"), !ends && !dead_end);
        }
    }

    #[test]
    fn every_journey_draws_a_flowchart(journey in journey()) {
        assert_is_a_flowchart(&diagram(&journey, Some(&journey.states[0].name)));
    }
}
