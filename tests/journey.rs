//! Journeys as documents and rows: what goes in comes out, what is wrong is told, what is replaced keeps its place.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

fn refund() -> Value {
    json!({
        "title": "Refund", "description": "Gives money back", "conditions": ["the customer wants a refund"],
        "states": [
            {"name": "ask", "type": "chat", "is_initial": true, "prompt": "Which order?"},
            {"name": "look up", "type": "tool", "tool_id": "tool", "tool_config": {"limit": 1.50, "unset": null}},
            {"name": "decide", "type": "decision", "condition": "Is the order young enough?"},
            {"name": "paid", "type": "final", "prompt": "Done.", "metadata": {"colour": "green"}},
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

fn quoted(document: &Value) -> String {
    format!("'{}'", document.to_string().replace('\'', "''"))
}

fn create(connection: &mut Connection, document: &Value) -> String {
    connection.value(&with_ids(&format!("SELECT parlant.create_journey(:agent1, {})::text", quoted(document))))
}

fn definition(connection: &mut Connection, journey: &str) -> Value {
    let text: String = connection.value(&format!("SELECT parlant.journey_definition('{journey}')::text"));
    serde_json::from_str(&text).unwrap()
}

fn replace(journey: &str, document: &Value) -> String {
    format!("SELECT parlant.replace_journey('{journey}', {})", quoted(document))
}

fn state(connection: &mut Connection, journey: &str, name: &str) -> String {
    connection.value(&format!(
        "SELECT id::text FROM parlant.parlant_journey_state WHERE journey_id = '{journey}' AND name = '{name}'"
    ))
}

fn codes(connection: &mut Connection, journey: &str) -> Vec<String> {
    connection.column(&format!("SELECT severity || ' ' || code FROM parlant.validate_journey('{journey}')"))
}

#[test]
fn what_goes_in_comes_out() {
    let mut connection = world();
    connection.run("SET search_path = ''");
    let journey = create(&mut connection, &refund());
    assert_eq!(definition(&mut connection, &journey), refund());
    assert_eq!(codes(&mut connection, &journey), [] as [String; 0]);
}

fn document() -> impl Strategy<Value = Value> {
    let text = || {
        "\\PC{1,20}"
            .prop_filter("blank, or what JSON in PostgreSQL cannot hold", |s| !s.trim().is_empty() && !s.contains('\0'))
    };
    let names = proptest::collection::btree_set(text(), 2..7);
    let edges = proptest::collection::vec(
        (any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), proptest::option::of(text()), 1..=1000),
        0..12,
    );
    let kinds = proptest::collection::vec((0..3_usize, any::<bool>(), text()), 7);
    (text(), any::<bool>(), names, kinds, edges).prop_map(|(title, flag, names, kinds, edges)| {
        let names: Vec<_> = names.into_iter().collect();
        let mut states = Vec::new();
        for (n, (name, (kind, allow, text))) in names.iter().zip(kinds).enumerate() {
            let mut state = match kind {
                _ if n == 1 => json!({"name": name, "type": "final"}),
                0 => json!({"name": name, "type": "chat", "prompt": text}),
                1 => {
                    json!({"name": name, "type": "tool", "tool_id": text, "tool_config": {"exact": 0.10, "a": [null]}})
                }
                _ => json!({"name": name, "type": "decision", "condition": text}),
            };
            if n == 0 {
                state["is_initial"] = json!(true);
            }
            if !allow {
                state["allow_skip"] = json!(false);
            }
            states.push(state);
        }
        let mut transitions: Vec<Value> = Vec::new();
        // Every state but the final one leads to it, so that nothing is an error.
        for name in names.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, name)| name) {
            transitions.push(json!({"from": name, "to": names[1], "condition": "always"}));
        }
        for (from, to, condition, priority) in edges {
            let (from, to) = (from.get(&names), to.get(&names));
            let condition = condition.unwrap_or_else(|| "else".to_owned());
            let is_there = transitions
                .iter()
                .any(|t| t["from"] == json!(from) && t["to"] == json!(to) && t["condition"] == json!(condition));
            if from != &names[1] && !is_there {
                let mut transition = json!({"from": from, "to": to, "condition": condition});
                if priority != 100 {
                    transition["priority"] = json!(priority);
                }
                transitions.push(transition);
            }
        }
        let mut document = json!({"title": title, "states": states, "transitions": transitions});
        if flag {
            document["allow_skipping"] = json!(false);
        }
        document
    })
}

/// As far as order means nothing: states, and transitions of different states or priorities.
fn unordered(document: &Value) -> Value {
    let mut document = document.clone();
    let states = document["states"].as_array_mut().unwrap();
    states.sort_by_key(|state| state["name"].to_string());
    let transitions = document["transitions"].as_array_mut().unwrap();
    transitions.sort_by_key(|t| (t["from"].to_string(), t["priority"].as_i64().unwrap_or(100)));
    document
}

#[test]
fn every_document_comes_back_and_every_one_replaces_every_other() {
    let connection = RefCell::new(world());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&(document(), document()), |(first, second)| {
            let mut connection = connection.borrow_mut();
            connection.run("BEGIN");
            let journey = create(&mut connection, &first);
            assert_eq!(definition(&mut connection, &journey), first);
            connection.run(&replace(&journey, &second));
            assert_eq!(unordered(&definition(&mut connection, &journey)), unordered(&second));
            connection.run(&replace(&journey, &first));
            assert_eq!(unordered(&definition(&mut connection, &journey)), unordered(&first));
            connection.run("ROLLBACK");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_document_with_errors_creates_nothing_and_tells_all_of_them() {
    let mut connection = world();
    let mut wrong = refund();
    wrong["titel"] = json!("x");
    wrong["states"][0]["prompt"] = json!("");
    wrong["transitions"][1]["to"] = json!("nowhere");
    wrong["transitions"][2]["condition"] = json!("order.days <");
    let sql = |document: &Value| with_ids(&format!("SELECT parlant.create_journey(:agent1, {})", quoted(document)));
    let refusal =
        connection.assert_refused(&sql(&wrong), "22023").message("the definition of journey \"Refund\" has 4 errors");
    refusal
        .detail("/titel: unknown_key: ")
        .detail("/states/0: missing_prompt: ")
        .detail("/transitions/1/to: unknown_state: the journey has no state \"nowhere\"")
        .detail("/transitions/2/condition: invalid_condition: line 1, column 13: ")
        .hint("validate_journey_definition");
    let only = |key: &str, value: Value| {
        let mut document = refund();
        document[key] = value;
        document
    };
    connection.assert_refused(&sql(&only("colour", json!(1))), "22030").detail("/colour: unknown_key");
    connection.assert_refused(&sql(&only("title", json!("x".repeat(501)))), "54000").detail("more than 500");
    connection
        .assert_refused(&sql(&only("replaced_states", json!({"old": "ask"}))), "22030")
        .hint("parlant.replace_journey");
    connection.assert_refused(&sql(&json!([])), "22023").detail("malformed");
    connection.assert_refused(&with_ids("SELECT parlant.create_journey(:agent1, NULL)"), "22023");
    connection
        .assert_refused(
            &format!(
                "SELECT parlant.create_journey('{}', {})",
                "00000000-0000-4000-8000-00000000dead",
                quoted(&refund())
            ),
            "P0002",
        )
        .message("does not exist");
    connection
        .run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = timezone('utc', now()) WHERE id = :agent1"));
    connection.assert_refused(&sql(&refund()), "P0002").hint("Check the id");
    connection.run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = NULL WHERE id = :agent1"));
    create(&mut connection, &refund());
    connection.assert_refused(&sql(&refund()), "23505").constraint("parlant_journey_title_key");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_journey WHERE title = 'Refund'"), 1);
}

#[test]
fn a_replacement_keeps_the_ids_of_what_stays() {
    let mut connection = world();
    let journey = create(&mut connection, &refund());
    let ids =
        "SELECT string_agg(id::text, ' ' ORDER BY id) FROM parlant.parlant_journey_transition WHERE journey_id = ";
    let (ask, transitions): (_, String) =
        (state(&mut connection, &journey, "ask"), connection.value(&format!("{ids}'{journey}'")));
    let mut changed = refund();
    changed["title"] = json!("Money back");
    changed["states"][0]["prompt"] = json!("Which one?");
    changed["states"][4]["name"] = json!("declined");
    changed["transitions"][2]["priority"] = json!(300);
    changed["transitions"][3]["to"] = json!("declined");
    connection.run(&replace(&journey, &changed));
    assert_eq!(definition(&mut connection, &journey), changed);
    assert_eq!(state(&mut connection, &journey, "ask"), ask);
    let after: String = connection.value(&format!("{ids}'{journey}'"));
    let kept = transitions.split(' ').filter(|id| after.contains(id)).count();
    assert_eq!(kept, 3);
    connection.assert_refused(&replace("00000000-0000-4000-8000-00000000dead", &refund()), "P0002");
}

#[test]
fn a_replacement_puts_transitions_of_one_priority_into_its_order() {
    let mut connection = world();
    let journey = create(&mut connection, &refund());
    let ways = |names: &[&str]| {
        let mut document = refund();
        let transitions = document["transitions"].as_array_mut().unwrap();
        transitions.retain(|t| t["from"] != "ask");
        transitions.extend(names.iter().map(|name| json!({"from": "ask", "to": "look up", "condition": name})));
        document
    };
    for names in [&["a", "b", "c"][..], &["c", "b", "a"], &["b", "c", "x", "a"], &["x", "b"], &["b", "x"]] {
        connection.run(&replace(&journey, &ways(names)));
        let order: Vec<String> = connection.column(&format!(
            "SELECT condition FROM parlant.parlant_journey_transition
             WHERE journey_id = '{journey}' AND from_state_id = '{}' ORDER BY priority DESC, created_at, id",
            state(&mut connection.another(), &journey, "ask")
        ));
        assert_eq!(order, names);
    }
}

#[test]
fn a_state_in_which_an_active_session_rests_goes_only_if_another_takes_its_place() {
    let mut connection = world();
    let journey = create(&mut connection, &refund());
    let ask = state(&mut connection, &journey, "ask");
    let session: String = connection.value(&with_ids(&format!(
        "INSERT INTO parlant.parlant_session (agent_id, current_journey_id, current_state_id)
         VALUES (:agent1, '{journey}', '{ask}') RETURNING id::text"
    )));
    let mut without = refund();
    without["states"][0]["name"] = json!("greet");
    without["transitions"][0]["from"] = json!("greet");
    connection
        .assert_refused(&replace(&journey, &without), "55000")
        .message("state \"ask\" cannot be removed")
        .detail("1")
        .hint("\"replaced_states\": {\"ask\"");
    without["replaced_states"] = json!({"ask": "greet", "other": "greet"});
    connection.assert_refused(&replace(&journey, &without), "22023").message("\"other\"");
    without["replaced_states"] = json!({"ask": "nowhere"});
    connection.assert_refused(&replace(&journey, &without), "22023").detail("unknown_state");
    without["replaced_states"] = json!({"ask": "greet"});
    connection.run(&replace(&journey, &without));
    let greet = state(&mut connection, &journey, "greet");
    let position: String =
        connection.value(&format!("SELECT current_state_id::text FROM parlant.parlant_session WHERE id = '{session}'"));
    assert_eq!(position, greet);
    let event: String = connection.value(&format!(
        "SELECT concat_ws(' ', content ->> 'kind', content ->> 'from', content ->> 'to', state_id) FROM parlant.parlant_event
         WHERE session_id = '{session}' AND event_type = 'journey_transition'"
    ));
    assert_eq!(event, format!("replace ask greet {greet}"));
    // An ended session holds nothing.
    connection.run(&format!("UPDATE parlant.parlant_session SET status = 'completed' WHERE id = '{session}'"));
    connection.run(&replace(&journey, &refund()));
}

#[test]
fn a_replacement_can_leave_a_single_state_and_come_back() {
    let mut connection = world();
    let journey = create(&mut connection, &refund());
    let lone = json!({"title": "One", "states": [{"name": "paid", "type": "final", "is_initial": true}]});
    for document in [&lone, &refund(), &lone, &refund()] {
        connection.run(&replace(&journey, document));
        assert_eq!(unordered_or_lone(&definition(&mut connection, &journey)), unordered_or_lone(document));
    }
}

fn unordered_or_lone(document: &Value) -> Value {
    if document.get("transitions").is_some() { unordered(document) } else { document.clone() }
}

#[test]
fn rows_that_an_application_writes_one_by_one_are_judged_like_a_document() {
    let mut connection = world();
    connection.run(&with_ids(
        "INSERT INTO parlant.parlant_journey_state (journey_id, name, state_type, chat_prompt, tool_id) VALUES
             (:journey1, 'lost', 'chat', 'p', NULL), (:journey1, 'call', 'tool', NULL, 'no such tool');
         UPDATE parlant.parlant_journey_state SET is_initial = false WHERE journey_id = :journey1",
    ));
    let journey = with_ids(":journey1").replace('\'', "");
    assert_eq!(
        codes(&mut connection, &journey),
        ["error no_initial_state", "error unknown_tool", "warning dead_end_state", "warning dead_end_state"]
    );
    connection.run(&with_ids("UPDATE parlant.parlant_journey SET conditions = '[1, \"\"]' WHERE id = :journey1"));
    assert_eq!(codes(&mut connection, &journey)[..2], ["error invalid_value", "error invalid_value"]);
    connection
        .assert_refused("SELECT * FROM parlant.validate_journey('00000000-0000-4000-8000-00000000dead')", "P0002");
}

#[test]
fn a_tool_is_named_by_its_name_or_its_id_and_must_be_of_use() {
    let mut connection = world();
    let mut document = refund();
    let found = |connection: &mut Connection, tool: &str, document: &mut Value| {
        document["states"][1]["tool_id"] = json!(tool);
        document["title"] = json!(tool);
        let journey = create(connection, document);
        codes(connection, &journey)
    };
    let none: [&str; 0] = [];
    let id = |name: &str| with_ids(name).replace('\'', "");
    assert_eq!(found(&mut connection, "tool", &mut document), none);
    assert_eq!(found(&mut connection, &id(":tool1"), &mut document), none);
    assert_eq!(found(&mut connection, &id(":rival_tool"), &mut document), ["error unknown_tool"]);
    assert_eq!(found(&mut connection, "no tool", &mut document), ["error unknown_tool"]);
    connection.run("UPDATE parlant.parlant_agent_tool SET enabled = false");
    assert_eq!(found(&mut connection, "tool ", &mut document), ["error unknown_tool"]);
    document["states"][1]["tool_id"] = json!("tool");
    let journey: String = connection.value("SELECT id::text FROM parlant.parlant_journey WHERE title = 'tool'");
    assert_eq!(codes(&mut connection, &journey), ["warning tool_not_assigned"]);
    connection.run("UPDATE parlant.parlant_tool SET enabled = false");
    assert_eq!(codes(&mut connection, &journey), ["error disabled_tool"]);
}

#[test]
fn conditions_are_judged_and_refused_with_their_own_sqlstates() {
    let mut connection = world();
    connection.run("SET search_path = ''");
    let holds = |connection: &mut Connection, expression: &str| -> bool {
        connection.value(&format!(
            "SELECT parlant.evaluate_condition($${expression}$$, '{{\"age\": 20, \"tags\": [\"a\"]}}')"
        ))
    };
    assert!(holds(&mut connection, "age >= 18 && 'a' in tags"));
    assert!(!holds(&mut connection, "age < 18"));
    assert!(!holds(&mut connection, "absent.member == 1"));
    let evaluate =
        |expression: &str, variables: &str| format!("SELECT parlant.evaluate_condition({expression}, {variables})");
    connection.assert_refused(&evaluate("'age >'", "'{}'"), "22023").detail("line 1, column 6: ").hint("CEL");
    connection.assert_refused(&evaluate("'age'", "'{\"age\": 1}'"), "22023").detail("not true or false");
    connection.assert_refused(&evaluate("'true'", "'[]'"), "22023").detail("no JSON object");
    connection.assert_refused(&evaluate("repeat('(', 1000)", "'{}'"), "54000").detail("levels deep");
    connection.assert_refused(&evaluate("repeat('x', 2001)", "'{}'"), "54000").detail("2000 characters");
    let bomb = "l.map(a, l.map(b, l.map(c, l))).size() > 0";
    let many = "(SELECT jsonb_build_object('l', jsonb_agg(n)) FROM generate_series(1, 1000) n)";
    connection.assert_refused(&evaluate(&format!("'{bomb}'"), many), "54000").detail("more steps");
    connection
        .assert_refused(&evaluate("'true'", "jsonb_build_object('t', repeat('x', 5000000))"), "54000")
        .detail("4194304");
}

#[test]
fn next_states_tells_what_holds_what_is_missing_and_what_is_wrong() {
    let mut connection = world();
    let mut document = refund();
    let ways = [
        json!({"from": "ask", "to": "refused", "priority": 900, "condition": "vip", "condition_kind": "expression"}),
        json!({"from": "ask", "to": "refused", "priority": 800, "condition": "age > 'x'", "condition_kind": "expression"}),
        json!({"from": "ask", "to": "paid", "priority": 700, "condition": "age > 18 && session.locale == 'en' && message == 'hi'
               && journey.title == 'Refund'", "condition_kind": "expression"}),
        json!({"from": "ask", "to": "decide", "priority": 1}),
    ];
    document["transitions"].as_array_mut().unwrap().extend(ways);
    let journey = create(&mut connection, &document);
    let ask = state(&mut connection, &journey, "ask");
    let session: String = connection.value(&with_ids(&format!(
        "INSERT INTO parlant.parlant_session (agent_id, current_journey_id, current_state_id, variables)
         VALUES (:agent1, '{journey}', '{ask}', '{{\"age\": 17}}') RETURNING id::text"
    )));
    connection.run(&format!(
        "INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
         VALUES ('{session}', 0, 'customer_message', '{{\"message\": \"hi\"}}')"
    ));
    let told: Vec<String> = connection.column(&format!(
        "SELECT concat_ws('|', state_name, condition_kind, coalesce(holds::text, 'ask'), missing, problem IS NOT NULL)
         FROM parlant.next_states('{session}', '{{\"age\": 20}}')"
    ));
    assert_eq!(
        told,
        [
            "refused|expression|false|[\"vip\"]|f",
            "refused|expression|false|[]|t",
            "paid|expression|true|[]|f",
            "look up|natural|ask|[]|f",
            "decide|natural|true|[]|f"
        ]
    );
    connection.assert_refused("SELECT * FROM parlant.next_states('00000000-0000-4000-8000-00000000dead')", "P0002");
}

#[test]
fn a_diagram_highlights_the_session() {
    let mut connection = world();
    let journey = create(&mut connection, &refund());
    let plain: String = connection.value(&format!("SELECT parlant.journey_diagram('{journey}')"));
    assert!(plain.starts_with("flowchart TD\n    s0(\"ask\")\n") && !plain.contains("class "), "{plain}");
    let decide = state(&mut connection, &journey, "decide");
    connection.run(&with_ids(&format!(
        "UPDATE parlant.parlant_session SET current_journey_id = '{journey}', current_state_id = '{decide}' WHERE id = :session1"
    )));
    let drawn: String = connection.value(&with_ids(&format!("SELECT parlant.journey_diagram('{journey}', :session1)")));
    assert!(drawn.ends_with("class s2 current\n"), "{drawn}");
    let elsewhere: String = connection.value(&with_ids("SELECT parlant.journey_diagram(:journey1, :session1)"));
    assert!(!elsewhere.contains("class "), "{elsewhere}");
}

fn large(states: usize) -> Value {
    let last = states - 1;
    let name = |n: usize| format!("s{}", n.min(last));
    let mut made: Vec<_> = (0..last).map(|n| json!({"name": name(n), "type": "chat", "prompt": "?"})).collect();
    made[0]["is_initial"] = json!(true);
    made.push(json!({"name": name(last), "type": "final"}));
    let way = |n, step| json!({"from": name(n), "to": name(n + step), "condition": format!("step {step}")});
    let transitions: Vec<_> = (0..last).flat_map(|n| [way(n, 1), way(n, 2), way(n, 3)]).collect();
    json!({"title": "Large", "states": made, "transitions": transitions})
}

#[test]
fn a_large_journey_is_judged_created_and_replaced() {
    let mut connection = world();
    let start = std::time::Instant::now();
    let findings: i64 = connection
        .value(&format!("SELECT count(*) FROM parlant.validate_journey_definition({})", quoted(&large(10_000))));
    println!("10,000 states and 29,997 transitions: {:?}", start.elapsed());
    assert_eq!(findings, 0);
    let document = large(500);
    let journey = create(&mut connection, &document);
    connection.run(&replace(&journey, &document));
    assert_eq!(definition(&mut connection, &journey), document);
    let many: Vec<_> = (0..=25_000).map(|n| json!({"name": format!("s{n}"), "type": "final"})).collect();
    let over = json!({"title": "Over", "states": many});
    connection
        .assert_refused(&with_ids(&format!("SELECT parlant.create_journey(:agent1, {})", quoted(&over))), "54000")
        .detail("/states: over_limit");
}

/// `PARLANT_MERMAID` names a folder in which the npm packages mermaid and jsdom are installed.
#[test]
fn mermaid_itself_reads_what_is_drawn() {
    let Some(folder) = std::env::var_os("PARLANT_MERMAID") else {
        println!("SKIPPED, as PARLANT_MERMAID is not set: mermaid_itself_reads_what_is_drawn");
        return;
    };
    let mut connection = world();
    let mut runner = TestRunner::deterministic();
    let hostile = ["end", "a\"b", "1. x", "`x`", "<b>&amp;#35;", "]}) --> s0", "%%{init}%%", "- x"];
    let mut diagrams = Vec::new();
    for n in 0..100 {
        let mut document = document().new_tree(&mut runner).unwrap().current();
        document["states"][0]["name"] = json!(hostile[n % hostile.len()]);
        document["transitions"][0]["condition"] = json!(hostile[(n / 2) % hostile.len()]);
        let drawn: String = connection.value(&format!("SELECT parlant.draw_journey({})", quoted(&document)));
        diagrams.push(drawn);
    }
    let mut node = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/mermaid.mjs"))
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(diagrams.join("\0").as_bytes()).unwrap();
    assert!(node.wait().unwrap().success());
}
