//! From a journey to a workflow that Sim imports, and that becomes the same journey again.

use super::block_type::is_known;
use super::expression;
use super::fault::Fault;
use super::marker::{KEY, journey_of, seen, transition_document};
use super::reference::References;
use crate::journey::{ConditionKind, Journey, State, StateType, Transition};
use crate::jsonb::Document;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// Space between blocks on the canvas.
const COLUMN: usize = 350;
const ROW: usize = 180;

/// Makes the state of a workflow, `{blocks, edges, loops, parallels, metadata}`, from a journey document.
pub fn to_workflow(definition: &(impl Document + ?Sized)) -> Result<Value, Fault> {
    let journey = journey_of(definition)?;
    Ok(Writer::new(&journey)?.write())
}

struct Writer<'j> {
    journey: &'j Journey,
    /// Ids of the blocks of the states.
    ids: Vec<String>,
    by_name: HashMap<&'j str, usize>,
    references: References,
    blocks: Map<String, Value>,
    edges: Vec<Value>,
}

impl<'j> Writer<'j> {
    fn new(journey: &'j Journey) -> Result<Self, Fault> {
        let mut taken: HashSet<String> = HashSet::from(["parlant-start".to_owned()]);
        let mut ids = Vec::with_capacity(journey.states.len());
        for (place, state) in journey.states.iter().enumerate() {
            let known = state.metadata.as_ref().and_then(|metadata| metadata.root().get("block_id")?.text());
            let mut id = known.unwrap_or_default().into_owned();
            if id.is_empty() || id.len() > 200 || id.ends_with("-ways") || !taken.insert(id.clone()) {
                id = format!("parlant-state-{place}");
                taken.insert(id.clone());
            }
            ids.push(id);
        }
        let names = ids.iter().zip(&journey.states).map(|(id, state)| (id.as_str(), state.name.as_str()));
        let references = References::new(names, Map::new())?;
        let by_name = journey.states.iter().enumerate().map(|(at, state)| (state.name.as_str(), at)).collect();
        Ok(Writer { journey, ids, by_name, references, blocks: Map::new(), edges: Vec::new() })
    }

    fn write(mut self) -> Value {
        let mut leaving: Vec<Vec<&Transition>> = vec![Vec::new(); self.ids.len()];
        for transition in &self.journey.transitions {
            if let Some(from) = self.by_name.get(transition.from.as_str()) {
                leaving[*from].push(transition);
            }
        }
        self.write_entry();
        for (place, transitions) in leaving.iter().enumerate() {
            self.write_state(place, transitions);
        }
        let mut metadata = json!({"name": self.journey.title});
        if let Some(description) = &self.journey.description {
            metadata["description"] = json!(description);
        }
        json!({"blocks": self.blocks, "edges": self.edges, "loops": {}, "parallels": {}, "metadata": metadata})
    }

    fn write_entry(&mut self) {
        let about = Journey {
            states: Vec::new(),
            transitions: Vec::new(),
            replaced_states: Vec::new(),
            ..self.journey.clone()
        };
        let marker = json!({"part": "entry", "journey": about.document().to_value()});
        self.block("parlant-start", "start_trigger", "Start", 0, Map::new(), marker);
        if let Some(initial) = self.journey.states.iter().position(|state| state.is_initial) {
            self.edge("parlant-start", initial, "source");
        }
    }

    fn write_state(&mut self, place: usize, transitions: &[&Transition]) {
        let journey = self.journey;
        let state = &journey.states[place];
        let exact = State { is_initial: false, ..state.clone() }.document().to_value();
        let mut marker = json!({"part": "state", "state": exact, "place": place, "leads_on": !transitions.is_empty()});
        let id = self.ids[place].clone();
        if state.state_type == StateType::Decision {
            let (kind, fields, rows) = self.rows(transitions);
            marker["rows"] = rows;
            self.block(&id, kind, &state.name, place + 1, fields, marker);
            self.row_edges(&id, kind, transitions);
            return;
        }
        let (kind, fields) = contents(state);
        self.block(&id, kind, &state.name, place + 1, fields, marker);
        match transitions {
            [] => {}
            [only] if **only == Transition::new(&only.from, &only.to) => {
                if let Some(to) = self.by_name.get(only.to.as_str()) {
                    self.edge(&id, *to, "source");
                }
            }
            several => {
                let ways = format!("{id}-ways");
                let (kind, fields, rows) = self.rows(several);
                let name = format!("{}: next", state.name);
                self.block(&ways, kind, &name, place + 1, fields, json!({"part": "ways", "rows": rows}));
                self.edge_between(&id, &ways, "source");
                self.row_edges(&ways, kind, several);
            }
        }
    }

    /// A condition where the database decides, a router where a model does.
    fn rows(&self, transitions: &[&Transition]) -> (&'static str, Map<String, Value>, Value) {
        let natural = |t: &&&Transition| t.condition.is_some() && t.condition_kind == ConditionKind::Natural;
        let judged = transitions.iter().any(|transition| natural(&transition));
        let mut listed = Vec::new();
        let mut rows = Map::new();
        for (index, transition) in transitions.iter().enumerate() {
            let id = row_id(index);
            let text = transition.condition.as_deref().unwrap_or_default();
            let (title, value) = match (judged, &transition.condition) {
                (true, None) => (transition.to.clone(), "otherwise".to_owned()),
                (true, Some(_)) => (transition.to.clone(), text.to_owned()),
                (false, None) => ("else".to_owned(), String::new()),
                (false, Some(_)) => (if index == 0 { "if" } else { "else if" }.to_owned(), self.javascript(text)),
            };
            listed.push(json!({"id": id, "title": title, "value": value}));
            rows.insert(id, transition_document(transition));
        }
        let (kind, field) = if judged { ("router_v2", "routes") } else { ("condition", "conditions") };
        let fields = Map::from_iter([(field.to_owned(), json!(Value::Array(listed).to_string()))]);
        (kind, fields, Value::Object(rows))
    }

    fn row_edges(&mut self, source: &str, kind: &str, transitions: &[&Transition]) {
        let prefix = if kind == "router_v2" { "router" } else { "condition" };
        for (index, transition) in transitions.iter().enumerate() {
            if let Some(to) = self.by_name.get(transition.to.as_str()) {
                self.edge(source, *to, &format!("{prefix}-{}", row_id(index)));
            }
        }
    }

    /// JavaScript that is translated to this expression, or else the expression itself.
    fn javascript(&self, cel: &str) -> String {
        let javascript = rewritten(cel);
        let same = expression::translate(&javascript, &self.references).as_deref() == Some(cel);
        if same { javascript } else { cel.to_owned() }
    }

    fn block(&mut self, id: &str, kind: &str, name: &str, place: usize, fields: Map<String, Value>, mut marker: Value) {
        marker["seen"] = json!(seen(kind, name, &fields));
        let sub_blocks: Map<String, Value> = fields
            .into_iter()
            .map(|(key, value)| {
                let field = json!({"id": key, "type": field_type(&key), "value": value});
                (key, field)
            })
            .collect();
        let block = json!({
            "id": id, "type": kind, "name": name, "enabled": true, "outputs": {}, "subBlocks": sub_blocks,
            "position": {"x": place % 20 * COLUMN, "y": place / 20 * ROW + usize::from(id.ends_with("-ways")) * ROW / 2},
            "data": {KEY: marker},
        });
        self.blocks.insert(id.to_owned(), block);
    }

    fn edge(&mut self, source: &str, to: usize, handle: &str) {
        let target = self.ids[to].clone();
        self.edge_between(source, &target, handle);
    }

    fn edge_between(&mut self, source: &str, target: &str, handle: &str) {
        let id = format!("parlant-edge-{}", self.edges.len());
        self.edges.push(json!({
            "id": id, "source": source, "target": target, "sourceHandle": handle, "targetHandle": "target"
        }));
    }
}

/// Never an id that begins with that of its block: Sim rewrites those when it imports.
fn row_id(index: usize) -> String {
    format!("row-{index}")
}

fn field_type(key: &str) -> &'static str {
    match key {
        "messages" => "messages-input",
        "conditions" => "condition-input",
        "routes" => "router-input",
        "code" => "code",
        _ => "long-input",
    }
}

fn contents(state: &State) -> (&'static str, Map<String, Value>) {
    let prompt = source_of(state.prompt.as_deref().unwrap_or_default());
    match state.state_type {
        StateType::Chat => {
            let messages = json!([{"role": "user", "content": prompt}]);
            ("agent", Map::from_iter([("messages".to_owned(), messages)]))
        }
        StateType::Final => {
            let fields = [("dataMode".to_owned(), json!("json")), ("data".to_owned(), json!(prompt))];
            ("response", fields.into_iter().filter(|_| !prompt.is_empty()).collect())
        }
        StateType::Tool | StateType::Decision => {
            let tool = state.tool_id.as_deref().unwrap_or_default();
            if is_known(tool) && known_tool(tool).is_some() {
                let arguments = state.tool_config.as_ref().and_then(|config| config.root().get("arguments"));
                let arguments = arguments.and_then(|arguments| arguments.value().ok());
                let fields = match arguments {
                    Some(Value::Object(fields)) => fields,
                    _ => Map::new(),
                };
                let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
                let fields = fields.map(|(key, value)| (key, sources_of(value))).collect();
                return (known_tool(tool).unwrap_or("function"), fields);
            }
            let code = format!("// Calls the tool {tool:?}.");
            ("function", Map::from_iter([("code".to_owned(), json!(code))]))
        }
    }
}

/// The type of Sim's block for a tool of this name, if it is one that does something by itself.
fn known_tool(tool: &str) -> Option<&'static str> {
    super::block_type::known(tool).filter(|kind| {
        let others = [
            "agent",
            "human_in_the_loop",
            "condition",
            "router",
            "router_v2",
            "response",
            "loop",
            "parallel",
            "note",
            "starter",
            "schedule",
            "webhook",
            "generic_webhook",
            "sim_workspace_event",
            "rss",
            "imap",
            "circleback",
        ];
        !others.contains(kind) && !kind.ends_with("_trigger")
    })
}

/// Recursion is safe: reading has bounded the depth.
fn sources_of(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(source_of(&text)),
        Value::Array(elements) => elements.into_iter().map(sources_of).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, sources_of(value))).collect(),
        other => other,
    }
}

/// A template with its variables as references, as far as they are plain paths.
fn source_of(template: &str) -> String {
    let mut source = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{ ") {
        source.push_str(before);
        let Some((inner, tail)) = after.split_once(" }}") else {
            source.push_str("{{ ");
            rest = after;
            continue;
        };
        match inner {
            "'{{'" | "'{%'" | "'{#'" | "'{'" => source.push_str(inner.trim_matches('\'')),
            _ => source.push_str(&reference_to(inner).unwrap_or_else(|| format!("{{{{ {inner} }}}}"))),
        }
        rest = tail;
    }
    source.push_str(rest);
    source
}

fn reference_to(path: &str) -> Option<String> {
    let plain = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "_.[]".contains(c));
    if !plain || path.starts_with(|c: char| !(c.is_ascii_alphabetic() || c == '_')) {
        return None;
    }
    if let Some(name) = path.strip_prefix("env.") {
        return Some(format!("{{{{{name}}}}}"));
    }
    Some(match path.strip_prefix("loop_.") {
        Some(rest) => format!("<loop.{rest}>"),
        None => format!("<{path}>"),
    })
}

/// A CEL expression with its paths as references and its operators as JavaScript has them.
fn rewritten(cel: &str) -> String {
    let mut javascript = String::new();
    let mut rest = cel;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(at, _)| at + 1)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.[]".contains(c)));
                let end = end.unwrap_or(rest.len());
                let path = rest.get(..end).unwrap_or_default();
                let is_call = rest.get(end..).is_some_and(|after| after.starts_with('('));
                let word = ["true", "false", "null", "in"].contains(&path);
                match reference_to(path).filter(|_| !word && !is_call) {
                    Some(reference) => javascript.push_str(&reference),
                    None => javascript.push_str(path),
                }
                rest = rest.get(end..).unwrap_or_default();
                continue;
            }
            _ => first.len_utf8(),
        };
        let (taken, after) = rest.split_at(length);
        javascript.push_str(taken);
        rest = after;
        if ["=", "!"].contains(&taken) && rest.starts_with('=') {
            javascript.push_str("==");
            rest = rest.get(1..).unwrap_or_default();
        } else if ["<", ">"].contains(&taken) && rest.starts_with('=') {
            javascript.push('=');
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    javascript
}
