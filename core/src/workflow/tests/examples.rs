//! What becomes of what, example by example.

use super::{converted, to_journey};
use crate::journey::{Journey, StateType};
use crate::jsonb::Packed;
use crate::workflow::{Code, Conversion, MAX_BLOCKS, MAX_EDGES, MAX_ROWS};
use serde_json::{Map, Value, json};

fn block(kind: &str, name: &str, fields: Value) -> Value {
    let fields: Map<String, Value> = fields
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), json!({"id": key, "value": value})))
        .collect();
    json!({"type": kind, "name": name, "position": {"x": 0, "y": 0}, "subBlocks": fields})
}

fn within(parent: &str, mut block: Value) -> Value {
    block["data"]["parentId"] = json!(parent);
    block
}

fn workflow(blocks: &[(&str, Value)], edges: &[(&str, &str, &str)]) -> Value {
    let blocks: Map<String, Value> = blocks.iter().map(|(id, block)| ((*id).to_owned(), block.clone())).collect();
    let edges: Vec<Value> = edges
        .iter()
        .enumerate()
        .map(|(n, (source, target, handle))| {
            json!({"id": format!("e{n}"), "source": source, "target": target, "sourceHandle": handle})
        })
        .collect();
    json!({"blocks": blocks, "edges": edges})
}

/// The transitions of a journey, one a line: from > to, priority, condition.
fn ways(journey: &Journey) -> Vec<String> {
    let line = |t: &crate::journey::Transition| {
        let condition = t.condition.as_ref().map(|text| format!(" {}: {text}", t.condition_kind.name()));
        format!("{} > {} {}{}", t.from, t.to, t.priority, condition.unwrap_or_default())
    };
    journey.transitions.iter().map(line).collect()
}

fn codes(conversion: &Conversion) -> Vec<&'static str> {
    conversion.warnings.iter().map(|warning| warning.code.name()).collect()
}

fn start() -> (&'static str, Value) {
    ("s", block("start_trigger", "Start", json!({})))
}

#[track_caller]
fn assert_refused(document: &Value, fault: &str) {
    assert_eq!(to_journey(&document.to_string(), "{}", "{}").unwrap_err().to_string(), fault);
}

fn value(packed: &Option<Packed>) -> Value {
    packed.as_ref().unwrap().root().value().unwrap()
}

#[test]
fn blocks_are_in_the_order_of_their_places() {
    let at = |x: Value, y: Value| {
        let mut block = block("agent", "", json!({"messages": "Hello"}));
        block["position"] = json!({"x": x, "y": y});
        block
    };
    let in_order = [
        ("h", at(json!(-1e300), json!(0))),
        ("d", at(json!(-20.5), json!(7))),
        ("f", at(json!(-20), json!(-7))),
        ("b", at(json!(-20), json!(-6.5))),
        ("e", at(json!(-0.0), json!(0))),
        ("g", at(json!(0), json!(-0.0))),
        ("c", at(json!("far"), json!(1))),
        ("a", at(json!(0.25), json!(-1000))),
    ];
    let converted = converted(&workflow(&in_order, &[]));
    let blocks = converted.journey.states.iter().filter_map(|state| state.metadata.as_ref());
    let blocks: Vec<_> = blocks.map(|metadata| metadata.root().value().unwrap()["block_id"].clone()).collect();
    assert_eq!(blocks, in_order.map(|(id, _)| json!(id)));
}

#[test]
fn the_rows_of_a_condition_become_transitions_in_their_order() {
    let rows = json!([
        {"id": "c-if", "title": "if", "value": "<start.age> >= 18"},
        {"id": "c-else-if-1", "title": "else if", "value": "isMember(<start.id>)"},
        {"id": "c-else", "title": "else", "value": ""}
    ]);
    let conversion = converted(&workflow(
        &[
            start(),
            ("c", block("condition", "Of age?", json!({"conditions": rows.to_string()}))),
            ("a", block("agent", "Adult", json!({"userPrompt": "a"}))),
            ("b", block("agent", "Child", json!({"userPrompt": "b"}))),
        ],
        &[("s", "c", ""), ("c", "a", "condition-c-if"), ("c", "b", "condition-c-else"), ("c", "b", "error")],
    ));
    assert_eq!(
        ways(&conversion.journey),
        [
            "Start > Of age? 100",
            "Of age? > Child 900 natural: \"Of age?\" failed",
            "Of age? > Adult 800 expression: start.age >= 18",
            "Of age? > End 798 natural: isMember(<start.id>)",
            "Of age? > Child 100",
            "Adult > End 100",
            "Child > End 100",
        ]
    );
    assert_eq!(codes(&conversion), ["condition_as_text"]);
}

#[test]
fn branches_are_found_by_every_spelling_of_their_handle() {
    let rows = json!([
        {"id": "x", "title": "if", "value": "true"}, {"id": "y", "title": "else if", "value": "<start.b> > 1"},
        {"id": "z", "title": "else", "value": ""}
    ]);
    for (first, second, last) in [
        ("condition-x", "condition-y", "condition-z"),
        ("if", "else-if-0", "else"),
        ("condition-c-if", "condition-c-else-if", "condition-c-else"),
        ("condition-c-if", "condition-c-else-if-1", "condition-false"),
        ("condition-true", "condition-else-if-0", "condition-else"),
        ("x", "y", "z"),
        ("", "", ""),
    ] {
        let conversion = converted(&workflow(
            &[
                start(),
                ("c", block("condition", "C", json!({"conditions": rows}))),
                ("1", block("agent", "1", json!({"userPrompt": "1"}))),
                ("2", block("agent", "2", json!({"userPrompt": "2"}))),
                ("3", block("agent", "3", json!({"userPrompt": "3"}))),
            ],
            &[("s", "c", ""), ("c", "1", first), ("c", "2", second), ("c", "3", last)],
        ));
        let ways = ways(&conversion.journey);
        assert_eq!(
            &ways[1..4],
            ["C > 1 800 expression: true", "C > 2 798 expression: start.b > 1", "C > 3 100"],
            "{first:?}"
        );
    }
}

#[test]
fn routes_are_judged_by_a_model() {
    let routes =
        json!([{"id": "r1", "title": "Sales", "value": "wants to buy"}, {"id": "r2", "title": "", "value": "Help"}]);
    let conversion = converted(&workflow(
        &[
            start(),
            ("r", block("router_v2", "Which", json!({"routes": routes.to_string(), "context": "<start.input>"}))),
            ("a", block("agent", "Sell", json!({"userPrompt": "a"}))),
            ("o", block("router", "Old", json!({"prompt": "choose"}))),
            ("b", block("agent", "Help", json!({"userPrompt": "b"}))),
        ],
        &[("s", "r", ""), ("r", "a", "router-r1"), ("r", "o", "route-1"), ("o", "a", "source"), ("o", "b", "")],
    ));
    assert_eq!(
        ways(&conversion.journey)[1..],
        [
            "Which > Sell 800 natural: Sales: wants to buy",
            "Which > Old 798 natural: Help",
            "Sell > End 100",
            "Old > Sell 800 natural: \"Sell\" is the right next step",
            "Old > Help 800 natural: \"Help\" is the right next step",
            "Help > End 100",
        ]
    );
    assert_eq!(conversion.journey.states[1].condition.as_deref(), Some("which route of \"Which\" fits: <start.input>"));
    assert_eq!(codes(&conversion), Vec::<&str>::new());
}

#[test]
fn a_loop_goes_through_its_children_and_on() {
    let mut container = block("loop", "Each", json!({}));
    container["data"] = json!({"loopType": "forEach", "collection": "<start.items>"});
    let conversion = converted(&workflow(
        &[
            start(),
            ("l", container),
            ("a", within("l", block("agent", "Ask", json!({"userPrompt": "<loop.currentItem>"})))),
            ("b", within("l", block("function", "Note", json!({"code": "return 1"})))),
            ("e", block("response", "Done", json!({"data": "{\"n\": <each.results>}"}))),
        ],
        &[
            ("s", "l", ""),
            ("l", "a", "loop-start-source"),
            ("a", "b", ""),
            ("b", "l", ""),
            ("l", "e", "loop-end-source"),
        ],
    ));
    assert_eq!(
        ways(&conversion.journey),
        [
            "Start > Each 100",
            "Each > Done 800 natural: there is nothing to do in \"Each\"",
            "Each > Ask 100",
            "Ask > Note 100",
            "Note > Each: again? 100",
            "Each: again? > Ask 800 natural: an item of <start.items> is left for \"Each\"",
            "Each: again? > Done 100",
        ]
    );
    assert_eq!(conversion.journey.states[2].prompt.as_deref(), Some("{{ loop_.currentItem }}"));
    let done = conversion.journey.states.iter().find(|state| state.name == "Done").unwrap();
    assert_eq!((done.state_type, done.prompt.as_deref()), (StateType::Final, Some("{\"n\": {{ each.results }}}")));
    assert_eq!(codes(&conversion), Vec::<&str>::new());
}

#[test]
fn while_decides_before_its_children_and_do_while_behind_them() {
    let looping = |kind: &str, key: &str| {
        let mut container = block("loop", "L", json!({}));
        container["data"] = json!({"loopType": kind, key: "<a.ok> !== true"});
        let child = within("l", block("agent", "A", json!({"userPrompt": "a"})));
        ways(
            &converted(&workflow(&[start(), ("l", container), ("a", child)], &[("s", "l", ""), ("l", "a", "")]))
                .journey,
        )
    };
    assert_eq!(
        looping("while", "whileCondition")[1..],
        ["L > A 800 expression: a.ok != true", "L > End 100", "A > L 100",]
    );
    assert_eq!(
        looping("doWhile", "doWhileCondition")[1..],
        [
            "L > End 800 natural: there is nothing to do in \"L\"",
            "L > A 100",
            "A > L: again? 100",
            "L: again? > A 800 expression: a.ok != true",
            "L: again? > End 100",
        ]
    );
}

#[test]
fn the_branches_of_a_parallel_go_one_after_the_other() {
    let mut container = block("parallel", "P", json!({}));
    container["data"] = json!({"parallelType": "count", "count": 3});
    let child = within("p", block("agent", "A", json!({"userPrompt": "a"})));
    let conversion =
        converted(&workflow(&[start(), ("p", container), ("a", child)], &[("s", "p", ""), ("p", "a", "")]));
    assert!(
        ways(&conversion.journey)
            .contains(&"P: again? > A 800 natural: fewer than 3 branches of \"P\" are done".to_owned())
    );
    assert_eq!(codes(&conversion), ["parallel_in_turn"]);
}

#[test]
fn what_sim_does_at_once_is_done_one_by_one() {
    let agent = |name| block("agent", name, json!({"userPrompt": "x"}));
    let conversion = converted(&workflow(
        &[start(), ("a", agent("A")), ("b", agent("B"))],
        &[("s", "a", "source"), ("s", "b", "source")],
    ));
    assert_eq!(ways(&conversion.journey)[..2], ["Start > A 100", "Start > B 150 natural: \"B\" is to be done next",]);
    assert_eq!(codes(&conversion), ["fan_out"]);
}

#[test]
fn several_triggers_have_one_state_before_them() {
    let agent = |name| block("agent", name, json!({"userPrompt": "x"}));
    let mut mail = block("gmail", "Mail", json!({}));
    mail["triggerMode"] = json!(true);
    let conversion = converted(&workflow(
        &[("m", mail), ("c", block("chat_trigger", "Chat", json!({}))), ("a", agent("A"))],
        &[("m", "a", ""), ("c", "a", "")],
    ));
    assert_eq!(
        ways(&conversion.journey),
        [
            "Start > Chat 100",
            "Start > Mail 150 natural: the conversation starts by \"Mail\"",
            "Chat > A 100",
            "A > End 100",
            "Mail > A 100",
        ]
    );
}

#[test]
fn a_disabled_block_ends_the_path_before_it() {
    let mut disabled = block("function", "Off", json!({}));
    disabled["enabled"] = json!(false);
    let last = block("agent", "Last", json!({"userPrompt": "x"}));
    let conversion = converted(&workflow(&[start(), ("d", disabled), ("l", last)], &[("s", "d", ""), ("d", "l", "")]));
    assert_eq!(ways(&conversion.journey), ["Start > End 100"]);
    assert_eq!(codes(&conversion), ["disabled_block", "unreachable_block"]);
}

#[test]
fn tools_keep_their_links_and_lose_their_secrets() {
    let conversion = converted(&workflow(
        &[
            start(),
            ("m", block("mcp", "Call", json!({"server": "srv", "tool": "find", "arguments": {"q": "<start.q>"}}))),
            ("k", block("knowledge", "Search", json!({"knowledgeBaseSelector": "kb1", "query": "{{TOPIC}}"}))),
            (
                "a",
                block(
                    "api",
                    "Get",
                    json!({
                "url": "https://x.test/?api_key=abcdef12345", "apiKey": "sk-1234567890abcdefghij",
                "headers": [{"id": "1", "cells": {"Key": "Authorization", "Value": "Bearer abcdef0123456789"}},
                            {"id": "2", "cells": {"Key": "X-Api-Key", "Value": "{{MY_KEY}}"}}]}),
                ),
            ),
        ],
        &[("s", "m", ""), ("m", "k", ""), ("k", "a", "")],
    ));
    let states = &conversion.journey.states;
    assert_eq!(states[1].tool_id.as_deref(), Some("mcp-srv-find"));
    assert_eq!(value(&states[1].tool_config)["links"], json!({"mcp_server_id": "srv", "mcp_tool": "find"}));
    assert_eq!(value(&states[1].tool_config)["arguments"]["arguments"], json!({"q": "{{ start.q }}"}));
    assert_eq!(value(&states[2].tool_config)["links"], json!({"knowledge_base_id": "kb1"}));
    assert_eq!(value(&states[2].tool_config)["arguments"]["query"], "{{ env.TOPIC }}");
    assert_eq!(
        value(&states[3].tool_config)["arguments"],
        json!({
            "url": "https://x.test/?api_key=[secret removed]",
            "headers": [{"id": "1", "cells": {"Key": "Authorization"}},
                        {"id": "2", "cells": {"Key": "X-Api-Key", "Value": "{{ env.MY_KEY }}"}}],
        })
    );
    assert!(codes(&conversion).iter().all(|code| *code == "secret_removed"));
    assert!(codes(&conversion).len() >= 3);
}

#[test]
fn tools_of_the_workspace_are_called_by_their_names() {
    let listed =
        json!([{"type": "custom-tool", "customToolId": "ct1"}, {"type": "mcp", "params": {"serverId": "other"}}]);
    let document = workflow(
        &[
            start(),
            ("m", block("mcp", "Call", json!({"server": "srv", "tool": "find", "arguments": {"q": 1}}))),
            ("a", block("agent", "A", json!({"userPrompt": "Hi", "tools": listed}))),
        ],
        &[("s", "m", ""), ("m", "a", "")],
    );
    let tools = json!({"srv": "mcp_Search", "ct1": "find_order"});
    let states = to_journey(&document.to_string(), "{}", &tools.to_string()).unwrap().journey.states;
    assert_eq!(states[1].tool_id.as_deref(), Some("mcp_Search"));
    // What the tool takes, as the host's server is its own already.
    assert_eq!(value(&states[1].tool_config)["arguments"], json!({"tool": "find", "arguments": {"q": 1}}));
    let metadata = value(&states[2].metadata);
    let named: Vec<_> = metadata["tools"].as_array().unwrap().iter().map(|tool| &tool["tool_id"]).collect();
    assert_eq!(named, ["find_order", "mcp"]);
}

#[test]
fn agents_keep_their_tools() {
    let tools = json!([
        {"type": "custom-tool", "title": "Mine", "customToolId": "ct1", "usageControl": "force"},
        {"type": "mcp", "params": {"serverId": "srv", "toolName": "find", "apiKey": "k"}},
        {"type": "exa", "usageControl": "none"}
    ]);
    for tools in [tools.clone(), json!(tools.to_string())] {
        let agent = block(
            "agent",
            "A",
            json!({"messages": [{"role": "system", "content": "Be kind."},
            {"role": "user", "content": "<start.input>"}], "tools": tools, "model": "m"}),
        );
        let conversion = converted(&workflow(&[start(), ("a", agent)], &[("s", "a", "")]));
        let state = &conversion.journey.states[1];
        assert_eq!(state.prompt.as_deref(), Some("Be kind.\n\n{{ start.input }}"));
        assert_eq!(value(&state.metadata)["settings"], json!({"model": "m"}));
        assert_eq!(
            value(&state.metadata)["tools"],
            json!([
                {"tool_id": "ct1", "type": "custom-tool", "title": "Mine", "usage": "force", "links": {"custom_tool_id": "ct1"}},
                {"tool_id": "mcp-srv-find", "type": "mcp", "links": {"mcp_server_id": "srv", "mcp_tool": "find"},
                 "arguments": {"serverId": "srv", "toolName": "find"}},
            ])
        );
    }
}

#[test]
fn decisions_do_not_turn_in_a_circle() {
    let rows = json!([{"id": "r", "title": "if", "value": "<start.x>"}]);
    let condition = |name| block("condition", name, json!({"conditions": rows}));
    let conversion = converted(&workflow(
        &[start(), ("a", condition("A")), ("b", condition("B"))],
        &[("s", "a", ""), ("a", "b", "condition-r"), ("b", "a", "condition-r")],
    ));
    assert_eq!(codes(&conversion), ["decision_cycle"]);
}

#[test]
fn parameters_stand_in_for_references_but_secrets_do_not() {
    let agent = block("agent", "A", json!({"userPrompt": "<variable.city> {{TONE}} {{API_KEY}} <start.input>"}));
    let document = workflow(&[start(), ("a", agent)], &[("s", "a", "")]).to_string();
    let parameters = json!({"city": "Rome", "TONE": "kind", "API_KEY": "x", "none": 1}).to_string();
    let conversion = to_journey(&document, &parameters, "{}").unwrap();
    assert_eq!(conversion.journey.states[1].prompt.as_deref(), Some("Rome kind {{ env.API_KEY }} {{ start.input }}"));
    assert_eq!(codes(&conversion), ["secret_removed", "unused_parameter"]);
    assert!(!conversion.parameters.contains_key("API_KEY"));
}

#[test]
fn long_texts_are_shortened_and_told() {
    let agent = block("agent", "A", json!({"userPrompt": "x".repeat(10_001)}));
    let conversion = converted(&workflow(&[start(), ("a", agent)], &[("s", "a", "")]));
    assert_eq!(value(&conversion.journey.states[1].metadata)["full_prompt"].as_str().map(str::len), Some(10_001));
    assert_eq!(codes(&conversion), ["text_shortened"]);
}

#[test]
fn the_executors_form_and_its_lists_of_nodes_are_read() {
    let conversion = converted(&json!({"version": "1.0",
        "blocks": [
            {"id": "s", "metadata": {"id": "starter", "name": "Go"}, "config": {"tool": "", "params": {}}, "enabled": true},
            {"id": "l", "metadata": {"id": "loop", "name": "L"}, "config": {"params": {}}, "enabled": true},
            {"id": "a", "metadata": {"id": "agent", "name": "A"}, "config": {"params": {"systemPrompt": "hi"}}, "enabled": true}],
        "connections": [{"source": "s", "target": "l"}, {"source": "l", "target": "a", "sourceHandle": "loop-start-source"}],
        "loops": {"l": {"id": "l", "nodes": ["a"], "iterations": 2}}}));
    assert_eq!(value(&conversion.journey.states[2].metadata)["container"], "l");
    assert_eq!(conversion.journey.states[2].prompt.as_deref(), Some("hi"));
}

#[test]
fn what_is_no_workflow_is_refused_with_its_path() {
    assert_refused(&json!([]), "$: must be an object, not an array");
    assert_refused(&json!({}), "$.blocks: missing: a workflow has blocks");
    assert_refused(&json!({"data": {"state": {}}}), "$.data.state.blocks: missing: a workflow has blocks");
    assert_refused(&json!({"blocks": {}}), "$.blocks: the workflow has no blocks");
    assert_refused(&json!({"blocks": 1}), "$.blocks: must be an object of blocks by id, or an array of blocks");
    assert_refused(&json!({"blocks": {"a b": 1}}), "$.blocks[\"a b\"]: must be an object, not a number");
    assert_refused(&json!({"state": {"blocks": [{}]}}), "$.state.blocks[0].id: missing");
    assert_refused(&json!({"blocks": [{"id": "a"}, {"id": "a"}]}), "$.blocks[1].id: block 0 has the id \"a\" as well");
    assert_refused(&json!({"blocks": {"a": {"type": 1}}}), "$.blocks.a.type: must be text");
    assert_refused(&json!({"blocks": {"a": {"enabled": "no"}}}), "$.blocks.a.enabled: must be true or false, not text");
    assert_refused(&json!({"blocks": {"a": {}}, "edges": {}}), "$.edges: must be an array of edges");
    assert_refused(&json!({"blocks": {"a": {}}, "edges": [{"source": "a"}]}), "$.edges[0].target: missing");
    assert_refused(
        &json!({"blocks": {"a": {"subBlocks": []}}}),
        "$.blocks.a.subBlocks: must be an object, not an array",
    );
    let parameters = to_journey(r#"{"blocks": {"a": {}}}"#, "[]", "{}").unwrap_err();
    assert_eq!(parameters.to_string(), "parameters: must be an object, not an array");
}

#[test]
fn bounds_are_named() {
    let many = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("b{n}"), json!({"type": "function", "name": format!("B{n}")}))).collect()
    };
    assert_refused(
        &json!({"blocks": many(MAX_BLOCKS + 1)}),
        "$.blocks: the workflow has 10001 blocks, more than the 10000 allowed",
    );
    let edges = vec![json!({"source": "b0", "target": "b0"}); MAX_EDGES + 1];
    assert_refused(
        &json!({"blocks": many(1), "edges": edges}),
        "$.edges: the workflow has 50001 edges, more than the 50000 allowed",
    );
    let rows: Vec<Value> =
        (0..=MAX_ROWS).map(|n| json!({"id": n.to_string(), "title": "if", "value": "true"})).collect();
    assert_refused(
        &workflow(&[start(), ("c", block("condition", "C", json!({"conditions": rows})))], &[("s", "c", "")]),
        "$.blocks.c: the block has 301 branches, more than the 300 allowed",
    );
    let chain: Vec<Value> =
        (0..MAX_BLOCKS - 1).map(|n| json!({"source": format!("b{n}"), "target": format!("b{}", n + 1)})).collect();
    let conversion = converted(&json!({"blocks": many(MAX_BLOCKS), "edges": chain}));
    assert_eq!(conversion.journey.states.len(), MAX_BLOCKS + 1);
    let routes: Vec<Value> = (0..260).map(|n| json!({"title": format!("R{n}")})).collect();
    let routers: Map<String, Value> =
        (0..400).map(|n| (format!("r{n}"), block("router_v2", "R", json!({"routes": routes})))).collect();
    assert_refused(
        &json!({"blocks": routers}),
        "$.blocks: the journey would have 104400 transitions, more than the 100000 allowed",
    );
}

#[test]
fn containers_may_be_nested_as_deep_as_there_are_blocks() {
    let mut blocks = Map::from_iter([("s".to_owned(), json!({"type": "starter"}))]);
    let mut edges = vec![json!({"source": "s", "target": "l0"})];
    for n in 0..2000 {
        let mut container = json!({"type": "loop", "name": format!("L{n}")});
        if n > 0 {
            container["data"] = json!({"parentId": format!("l{}", n - 1)});
            edges.push(json!({"source": format!("l{}", n - 1), "target": format!("l{n}")}));
        }
        blocks.insert(format!("l{n}"), container);
    }
    let conversion = converted(&json!({"blocks": blocks, "edges": edges}));
    assert_eq!(conversion.mapping.len(), 2001);
}

#[test]
fn every_warning_has_a_name_of_its_own_and_is_documented() {
    let page = include_str!("../../../../docs/workflows.md");
    let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    for name in &names {
        assert!(page.contains(&format!("| `{name}` |")), "docs/workflows.md does not explain {name}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn a_host_of_either_version_gives_the_same_workflow() {
    let block = |id: &str, extra: Value| {
        let mut row = json!({"id": id, "type": "function", "name": id, "position_x": 0, "position_y": 0, "enabled": true,
            "trigger_mode": false, "sub_blocks": {}, "data": {}});
        row.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        row
    };
    let rows = |child: Value| {
        json!({"workflow": {"id": "w", "name": "W"}, "edges": [{"id": "e", "source_block_id": "l", "target_block_id": "a"}],
            "blocks": [block("l", json!({"type": "loop"})), block("a", child)],
            "subflows": [{"id": "l", "type": "loop", "config": {"nodes": ["a"], "iterations": 4, "loopType": "for"}}]})
    };
    let [old, new] = [json!({"parent_id": "l"}), json!({"data": {"parentId": "l"}})].map(|child| {
        let document = crate::workflow::from_host_rows(&rows(child).to_string()).unwrap();
        converted(&document).document().to_value()
    });
    assert_eq!(old, new);
    assert_eq!(old["definition"]["states"][0]["metadata"]["repeat"], json!({"count": 4, "kind": "for"}));
}
