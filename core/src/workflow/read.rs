//! One tolerant reader for every form in which a workflow is found, and the plain graph it makes of it.

use super::fault::{Fault, element, member};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Longest document, in bytes of its JSON text.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most blocks of a workflow.
pub const MAX_BLOCKS: usize = 10_000;
/// Most edges of a workflow.
pub const MAX_EDGES: usize = 50_000;

/// Wrappers around the state, such as `{data: {workflow, state}}`, that are looked into.
const MAX_WRAPPERS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Workflow {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// In the order of their places on the canvas, so that no order of the document matters.
    pub(super) blocks: Vec<Block>,
    /// In the order of the document, which matters for edges of conditions that have no handle.
    pub(super) edges: Vec<Edge>,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) enabled: bool,
    pub(super) is_trigger: bool,
    pub(super) retry: Option<Value>,
    /// Values of the sub-blocks.
    pub(super) fields: Map<String, Value>,
    pub(super) data: Map<String, Value>,
    /// Id of the container that the document names.
    pub(super) parent: Option<String>,
    /// Entry of `loops` or `parallels`.
    pub(super) container: Map<String, Value>,
    place: (f64, f64),
}

#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) id: Option<String>,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) handle: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Workflow, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::new("$", format!("the workflow has {} bytes, more than {MAX_BYTES}", text.len())));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|error| Fault::new("$", format!("no JSON that can be read: {error}")))?;
    let (state, path, mut workflow) = unwrap(&document)?;
    read_blocks(state, &path, &mut workflow)?;
    read_containers(state, &path, &mut workflow)?;
    read_edges(state, &path, &mut workflow)?;
    workflow.blocks.sort_by(|a, b| {
        let by_place = a.place.0.total_cmp(&b.place.0).then(a.place.1.total_cmp(&b.place.1));
        by_place.then_with(|| a.id.cmp(&b.id))
    });
    Ok(workflow)
}

type Object = Map<String, Value>;

/// The object that holds the blocks, its path, and what the wrappers say about the workflow.
fn unwrap(document: &Value) -> Result<(&Object, String, Workflow), Fault> {
    let mut path = "$".to_owned();
    let mut workflow = Workflow::default();
    let mut object = object(document, &path)?;
    for _ in 0..MAX_WRAPPERS {
        describe(object, &mut workflow);
        if object.contains_key("blocks") {
            return Ok((object, path, workflow));
        }
        let inner = ["state", "data"].into_iter().find_map(|key| Some((key, object.get(key)?.as_object()?)));
        let Some((key, inner)) = inner else { break };
        path = member(&path, key);
        object = inner;
    }
    Err(Fault::new(&member(&path, "blocks"), "missing: a workflow has blocks"))
}

fn describe(object: &Object, workflow: &mut Workflow) {
    for key in ["workflow", "metadata"] {
        let Some(about) = object.get(key).and_then(Value::as_object) else { continue };
        keep_first(&mut workflow.id, about.get("id"));
        keep_first(&mut workflow.name, about.get("name"));
        keep_first(&mut workflow.description, about.get("description"));
    }
}

fn keep_first(text: &mut Option<String>, value: Option<&Value>) {
    if text.is_none() {
        *text = value.and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    }
}

fn read_blocks(state: &Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let path = member(path, "blocks");
    match state.get("blocks") {
        Some(Value::Object(blocks)) => {
            bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
            for (id, block) in blocks {
                workflow.blocks.push(read_block(id, block, &member(&path, id))?);
            }
        }
        Some(Value::Array(blocks)) => {
            bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
            let mut seen = HashMap::new();
            for (index, block) in blocks.iter().enumerate() {
                let path = element(&path, index);
                let id = required(object(block, &path)?, "id", &path)?;
                if let Some(first) = seen.insert(id, index) {
                    return Err(Fault::new(&member(&path, "id"), format!("block {first} has the id {id:?} as well")));
                }
                workflow.blocks.push(read_block(id, block, &path)?);
            }
        }
        _ => return Err(Fault::new(&path, "must be an object of blocks by id, or an array of blocks")),
    }
    if workflow.blocks.is_empty() {
        return Err(Fault::new(&path, "the workflow has no blocks"));
    }
    Ok(())
}

fn read_block(id: &str, block: &Value, path: &str) -> Result<Block, Fault> {
    let block = object(block, path)?;
    let none = Map::new();
    let metadata = optional_object(block, "metadata", path)?.unwrap_or(&none);
    let data = optional_object(block, "data", path)?.unwrap_or(&none);
    let kind = match block.get("type") {
        None | Some(Value::Null) => metadata.get("id").and_then(Value::as_str).unwrap_or_default(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(Fault::new(&member(path, "type"), "must be text")),
    };
    let named = |key: &str, of: &Object| of.get(key).and_then(Value::as_str).map(str::trim).map(str::to_owned);
    let name = named("name", block).or_else(|| named("Name", block)).or_else(|| named("name", metadata));
    let parent = named("parentId", data).or_else(|| named("parentId", block)).filter(|parent| !parent.is_empty());
    Ok(Block {
        id: id.to_owned(),
        kind: kind.trim().to_owned(),
        name: name.filter(|name| !name.is_empty()),
        enabled: flag(block, "enabled", path)?.unwrap_or(true),
        is_trigger: flag(block, "triggerMode", path)?.unwrap_or(false),
        retry: block.get("retry").filter(|retry| retry.is_object()).cloned(),
        fields: read_fields(block, path)?,
        data: data.clone(),
        parent,
        container: Map::new(),
        place: place(block),
    })
}

/// The values of the sub-blocks: `subBlocks: {key: {value}}`, or `config: {params: {key: value}}` as the executor has
/// them, or `config: {key: value}` as some templates do.
fn read_fields(block: &Object, path: &str) -> Result<Map<String, Value>, Fault> {
    let mut fields = Map::new();
    if let Some(config) = optional_object(block, "config", path)? {
        let params = config.get("params").and_then(Value::as_object).unwrap_or(config);
        fields.extend(params.iter().map(|(key, value)| (key.clone(), field_value(value))));
    }
    if let Some(sub_blocks) = optional_object(block, "subBlocks", path)? {
        fields.extend(sub_blocks.iter().map(|(key, value)| (key.clone(), field_value(value))));
    }
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

fn field_value(field: &Value) -> Value {
    match field {
        Value::Object(field) if field.contains_key("value") => field.get("value").cloned().unwrap_or_default(),
        Value::Object(field) if field.contains_key("type") && field.contains_key("id") => Value::Null,
        other => other.clone(),
    }
}

fn place(block: &Object) -> (f64, f64) {
    let position = block.get("position");
    let coordinate = |axis| {
        let value = position.and_then(|position| position.get(axis)).and_then(Value::as_f64);
        // Adding 0.0 makes -0.0 the same place as 0.0.
        value.filter(|value| value.is_finite()).unwrap_or(0.0) + 0.0
    };
    (coordinate("x"), coordinate("y"))
}

/// Entries of `loops`, `parallels` and the older `subflows`. Children name their container themselves; where none
/// does, as in the executor's form, the list of nodes counts.
fn read_containers(state: &Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let index: HashMap<String, usize> = workflow.blocks.iter().enumerate().map(|(i, b)| (b.id.clone(), i)).collect();
    let mut listed = Vec::new();
    for key in ["subflows", "loops", "parallels"] {
        let Some(containers) = optional_object(state, key, path)? else { continue };
        for (id, container) in containers {
            let container = object(container, &member(&member(path, key), id))?;
            let settings = optional_object(container, "config", path)?.unwrap_or(container);
            let Some(block) = index.get(id).and_then(|&at| workflow.blocks.get_mut(at)) else { continue };
            let nodes = settings.get("nodes").and_then(Value::as_array);
            listed.extend(nodes.into_iter().flatten().filter_map(|node| Some((node.as_str()?.to_owned(), id.clone()))));
            let settings = settings.iter().filter(|(_, value)| !value.is_null());
            block.container.extend(settings.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    let with_children: std::collections::HashSet<String> =
        workflow.blocks.iter().filter_map(|block| block.parent.clone()).collect();
    listed.sort();
    for (child, container) in listed {
        let Some(block) = index.get(&child).and_then(|&at| workflow.blocks.get_mut(at)) else { continue };
        if block.parent.is_none() && !with_children.contains(&container) {
            block.parent = Some(container);
        }
    }
    Ok(())
}

fn read_edges(state: &Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let key = if state.contains_key("edges") { "edges" } else { "connections" };
    let path = member(path, key);
    let edges = match state.get(key) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(edges)) => edges,
        Some(_) => return Err(Fault::new(&path, "must be an array of edges")),
    };
    bound(edges.len(), MAX_EDGES, "edges", &path)?;
    for (index, edge) in edges.iter().enumerate() {
        let path = element(&path, index);
        let edge = object(edge, &path)?;
        let handle = match edge.get("sourceHandle") {
            None | Some(Value::Null) => None,
            Some(Value::String(handle)) => healed(handle),
            Some(_) => return Err(Fault::new(&member(&path, "sourceHandle"), "must be text")),
        };
        workflow.edges.push(Edge {
            id: edge.get("id").and_then(Value::as_str).map(str::to_owned),
            source: required(edge, "source", &path)?.to_owned(),
            target: required(edge, "target", &path)?.to_owned(),
            handle: handle.map(str::to_owned),
        });
    }
    Ok(())
}

/// Empty is absent, and `source-right` and the like are `source`.
fn healed(handle: &str) -> Option<&str> {
    let handle = handle.trim();
    match handle.strip_prefix("source-") {
        Some("top" | "right" | "bottom" | "left") => Some("source"),
        _ => Some(handle).filter(|handle| !handle.is_empty()),
    }
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Object, Fault> {
    value.as_object().ok_or_else(|| Fault::new(path, format!("must be an object, not {}", kind_of(value))))
}

fn optional_object<'a>(of: &'a Object, key: &str, path: &str) -> Result<Option<&'a Object>, Fault> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => object(value, &member(path, key)).map(Some),
    }
}

fn required<'a>(of: &'a Object, key: &str, path: &str) -> Result<&'a str, Fault> {
    let path = member(path, key);
    match of.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null) => Err(Fault::new(&path, "missing")),
        Some(Value::String(_)) => Err(Fault::new(&path, "must not be empty")),
        Some(other) => Err(Fault::new(&path, format!("must be text, not {}", kind_of(other)))),
    }
}

fn flag(of: &Object, key: &str, path: &str) -> Result<Option<bool>, Fault> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Fault::new(&member(path, key), format!("must be true or false, not {}", kind_of(other)))),
    }
}

fn bound(count: usize, most: usize, what: &str, path: &str) -> Result<(), Fault> {
    if count <= most {
        return Ok(());
    }
    Err(Fault::new(path, format!("the workflow has {count} {what}, more than the {most} allowed")))
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
