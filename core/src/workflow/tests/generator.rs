//! Workflows as people and programs leave them: most of them sound, all of them with something odd.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) blocks: Vec<SpecBlock>,
    pub(super) edges: Vec<SpecEdge>,
    pub(super) form: Form,
}

#[derive(Debug, Clone)]
pub(super) struct SpecBlock {
    pub(super) kind: &'static str,
    pub(super) name: Option<&'static str>,
    pub(super) enabled: bool,
    pub(super) trigger_mode: bool,
    pub(super) parent: Option<usize>,
    place: (i32, i32),
    rows: &'static str,
    loop_kind: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct SpecEdge {
    pub(super) source: usize,
    /// One past the last block is a block that does not exist.
    pub(super) target: usize,
    pub(super) handle: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Form {
    wrapper: u8,
    as_list: bool,
    conditions_as_array: bool,
}

const KINDS: &[&str] = &[
    "agent",
    "agent",
    "agent",
    "function",
    "function",
    "api",
    "condition",
    "condition",
    "router_v2",
    "router",
    "response",
    "loop",
    "loop",
    "parallel",
    "note",
    "start_trigger",
    "starter",
    "schedule",
    "human_in_the_loop",
    "knowledge",
    "mcp",
    "no-such-type",
    "",
];
const NAMES: &[&str] = &[
    "Greet",
    "Greet",
    "Start",
    "End",
    "Ask again",
    "session",
    "  ",
    "{{ x }}",
    "\"quoted\"",
    "Straße",
    "if",
    "a.b",
    "1st",
];
const ROWS: &[&str] = &[
    r#"[{"id":"r0","title":"if","value":"<greet.ok> === true"},{"id":"r1","title":"else","value":""}]"#,
    r#"[{"id":"r0","title":"if","value":"<greet.n> > 3"},{"id":"r1","title":"else if","value":"context.foo()"},{"id":"r2","title":"else","value":""}]"#,
    r#"[{"id":"r0","title":"if","value":"true"}]"#,
    r#"[{"title":"","value":""},{"title":"","value":""},7]"#,
    "[]",
    "{",
    "null",
];
const HANDLES: &[&str] = &[
    "source",
    "source",
    "error",
    "condition-r0",
    "condition-r1",
    "condition-r2",
    "condition-else",
    "if",
    "else-if-0",
    "router-r0",
    "router-r1",
    "route-1",
    "loop-start-source",
    "loop-end-source",
    "parallel-start-source",
    "parallel-end-source",
    "source-right",
    "output",
    "no such handle",
    "",
];
const LOOPS: &[&str] = &["for", "forEach", "while", "doWhile", "count", "collection", "odd"];

pub(super) fn workflow() -> impl Strategy<Value = Spec> {
    (1_usize..14).prop_flat_map(|count| {
        let parent = prop_oneof![3 => Just(None), 2 => (0..count).prop_map(Some)];
        let name = prop_oneof![1 => Just(None), 4 => select(NAMES).prop_map(Some)];
        let block = (
            select(KINDS),
            name,
            prop::bool::weighted(0.9),
            prop::bool::weighted(0.05),
            parent,
            (0..4, 0..4),
            select(ROWS),
            select(LOOPS),
        );
        let handle = prop_oneof![2 => Just(None), 3 => select(HANDLES).prop_map(|handle| Some(handle.to_owned()))];
        let edge = (0..count, 0..=count, handle);
        let form = (0_u8..6, any::<bool>(), any::<bool>());
        (vec(block, count), vec(edge, 0..count * 3), form).prop_map(|(blocks, edges, form)| Spec {
            blocks: blocks
                .into_iter()
                .map(|(kind, name, enabled, trigger_mode, parent, place, rows, loop_kind)| SpecBlock {
                    kind,
                    name,
                    enabled,
                    trigger_mode,
                    parent,
                    place,
                    rows,
                    loop_kind,
                })
                .collect(),
            edges: edges.into_iter().map(|(source, target, handle)| SpecEdge { source, target, handle }).collect(),
            form: Form { wrapper: form.0, as_list: form.1, conditions_as_array: form.2 },
        })
    })
}

/// A workflow that the editor could have made: nested containers wired by their handles, edges that lead on.
pub(super) fn sound_workflow() -> impl Strategy<Value = Spec> {
    let kinds: &[&str] =
        &["agent", "function", "condition", "router_v2", "api", "loop", "parallel", "response", "agent"];
    (vec((select(kinds), 0_usize..100, select(LOOPS), any::<bool>()), 1..20), vec((0_usize..400, 0_usize..400), 0..30))
        .prop_map(|(chosen, pairs)| {
            let block = |kind, parent, loop_kind| SpecBlock {
                kind,
                name: None,
                enabled: true,
                trigger_mode: false,
                parent,
                place: (0, 0),
                rows: ROWS[0],
                loop_kind,
            };
            let mut blocks = vec![block("start_trigger", None, "for")];
            let mut edges: Vec<SpecEdge> = Vec::new();
            let mut edge = |source: usize, target: usize, handle: &str| {
                edges.push(SpecEdge { source, target, handle: Some(handle.to_owned()) });
            };
            for (kind, pick, loop_kind, first) in chosen {
                let at = blocks.len();
                let before = pick % at;
                let handle = |kind: &str| match kind {
                    "condition" => ["condition-r0", "condition-r1"][pick % 2],
                    "router_v2" => ["router-r0", "router-r1"][pick % 2],
                    "loop" => "loop-end-source",
                    "parallel" => "parallel-end-source",
                    _ if first && pick % 3 == 0 => "error",
                    _ => "source",
                };
                let is_container = matches!(blocks[before].kind, "loop" | "parallel");
                if is_container && first {
                    let start = format!("{}-start-source", blocks[before].kind);
                    edge(before, at, &start);
                    blocks.push(block(kind, Some(before), loop_kind));
                } else {
                    edge(before, at, handle(blocks[before].kind));
                    let parent = blocks[before].parent;
                    blocks.push(block(kind, parent, loop_kind));
                }
            }
            for (a, b) in pairs {
                let (a, b) = (a % blocks.len(), b % blocks.len());
                if a < b && blocks[a].parent == blocks[b].parent {
                    edge(a, b, "source");
                }
            }
            Spec { blocks, edges, form: Form { wrapper: 0, as_list: false, conditions_as_array: false } }
        })
}

impl Spec {
    pub(super) fn id(&self, block: usize) -> String {
        format!("b{block}")
    }

    pub(super) fn to_json(&self) -> Value {
        let blocks: Vec<(String, Value)> =
            self.blocks.iter().enumerate().map(|(at, block)| (self.id(at), self.block(at, block))).collect();
        let edges: Vec<Value> = self.edges.iter().enumerate().map(|(at, edge)| self.edge(at, edge)).collect();
        let blocks = if self.form.as_list {
            Value::Array(blocks.into_iter().map(|(_, block)| block).collect())
        } else {
            Value::Object(blocks.into_iter().collect())
        };
        let key = if self.form.wrapper == 5 { "connections" } else { "edges" };
        let state = json!({"blocks": blocks, key: edges});
        match self.form.wrapper {
            1 => json!({"version": "1.0", "state": state}),
            2 => json!({"data": {"workflow": {"id": "w", "name": "Wrapped"}, "state": state}}),
            3 => json!({"data": state, "metadata": {"name": "Named"}}),
            4 => json!({"workflow": {"name": "W", "description": "d"}, "state": state}),
            _ => state,
        }
    }

    fn block(&self, at: usize, block: &SpecBlock) -> Value {
        let mut document = Map::new();
        document.insert("id".to_owned(), json!(self.id(at)));
        document.insert("type".to_owned(), json!(block.kind));
        if let Some(name) = block.name {
            document.insert(if at.is_multiple_of(5) { "Name" } else { "name" }.to_owned(), json!(name));
        }
        document.insert("position".to_owned(), json!({"x": block.place.0, "y": block.place.1}));
        document.insert("enabled".to_owned(), json!(block.enabled));
        document.insert("triggerMode".to_owned(), json!(block.trigger_mode));
        let mut data = json!({"loopType": block.loop_kind, "parallelType": block.loop_kind, "count": 3,
            "whileCondition": "<greet.n> < 3", "collection": "[1, 2]"});
        if let Some(parent) = block.parent {
            data["parentId"] = json!(self.id(parent));
        }
        document.insert("data".to_owned(), data);
        let rows = match serde_json::from_str(block.rows) {
            Ok(rows) if self.form.conditions_as_array => rows,
            _ => json!(block.rows),
        };
        let key = if block.kind == "router_v2" { "routes" } else { "conditions" };
        document.insert(
            "subBlocks".to_owned(),
            json!({
                key: {"id": key, "value": rows},
                "messages": {"value": [{"role": "user", "content": "Hello <start.input> {{KEY}} {% x"}]},
                "apiKey": {"value": "sk-verysecretverysecret"},
            }),
        );
        Value::Object(document)
    }

    fn edge(&self, at: usize, edge: &SpecEdge) -> Value {
        json!({"id": format!("e{at}"), "source": self.id(edge.source), "target": self.id(edge.target),
            "sourceHandle": edge.handle})
    }
}
