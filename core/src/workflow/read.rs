//! One tolerant reader for every form in which a workflow is found, and the plain graph it makes of it.

use super::fault::{Fault, element, member};
use crate::jsonb::Document;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

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

pub(super) fn read(document: &(impl Document + ?Sized)) -> Result<Workflow, Fault> {
    let length = document.source().len();
    if length > MAX_BYTES {
        return Err(Fault::new("$", format!("the workflow has {length} bytes, more than {MAX_BYTES}")));
    }
    let document = document.value().map_err(|error| Fault::new("$", format!("no JSON that can be read: {error}")))?;
    let (mut state, path, mut workflow) = unwrap(document)?;
    read_blocks(&mut state, &path, &mut workflow)?;
    read_containers(&mut state, &path, &mut workflow)?;
    read_edges(&mut state, &path, &mut workflow)?;
    workflow.blocks.sort_by(|a, b| {
        let by_place = a.place.0.total_cmp(&b.place.0).then(a.place.1.total_cmp(&b.place.1));
        by_place.then_with(|| a.id.cmp(&b.id))
    });
    Ok(workflow)
}

type Object = Map<String, Value>;

/// The object that holds the blocks, its path, and what the wrappers say about the workflow.
fn unwrap(document: Value) -> Result<(Object, String, Workflow), Fault> {
    let mut path = "$".to_owned();
    let mut workflow = Workflow::default();
    let mut object = object(document, || path.clone())?;
    for _ in 0..MAX_WRAPPERS {
        describe(&object, &mut workflow);
        if object.contains_key("blocks") {
            return Ok((object, path, workflow));
        }
        let Some(key) = ["state", "data"].into_iter().find(|key| object.get(*key).is_some_and(Value::is_object)) else {
            break;
        };
        let Some(Value::Object(inner)) = object.remove(key) else { break };
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

fn read_blocks(state: &mut Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let path = member(path, "blocks");
    match state.remove("blocks") {
        Some(Value::Object(blocks)) => {
            bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
            for (id, block) in blocks {
                let at = || member(&path, &id);
                let block = object(block, at)?;
                workflow.blocks.push(read_block(id.clone(), block, &at)?);
            }
        }
        Some(Value::Array(blocks)) => {
            bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
            let mut seen = HashMap::new();
            for (index, block) in blocks.into_iter().enumerate() {
                let at = || element(&path, index);
                let mut block = object(block, at)?;
                let id = required(&mut block, "id", at)?;
                if let Some(first) = seen.insert(id.clone(), index) {
                    return Err(Fault::new(&member(&at(), "id"), format!("block {first} has the id {id:?} as well")));
                }
                workflow.blocks.push(read_block(id, block, &at)?);
            }
        }
        _ => return Err(Fault::new(&path, "must be an object of blocks by id, or an array of blocks")),
    }
    if workflow.blocks.is_empty() {
        return Err(Fault::new(&path, "the workflow has no blocks"));
    }
    Ok(())
}

fn read_block(id: String, mut block: Object, at: &impl Fn() -> String) -> Result<Block, Fault> {
    let metadata = optional_object(&mut block, "metadata", at)?.unwrap_or_default();
    let data = optional_object(&mut block, "data", at)?.unwrap_or_default();
    let kind = match block.get("type") {
        None | Some(Value::Null) => metadata.get("id").and_then(Value::as_str).unwrap_or_default(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(Fault::new(&member(&at(), "type"), "must be text")),
    };
    let kind = kind.trim().to_owned();
    let named = |key: &str, of: &Object| of.get(key).and_then(Value::as_str).map(str::trim).map(str::to_owned);
    let name = named("name", &block).or_else(|| named("Name", &block)).or_else(|| named("name", &metadata));
    let parent = named("parentId", &data).or_else(|| named("parentId", &block)).filter(|parent| !parent.is_empty());
    let enabled = flag(&block, "enabled", at)?.unwrap_or(true);
    let is_trigger = flag(&block, "triggerMode", at)?.unwrap_or(false);
    let place = place(&block);
    let fields = read_fields(&mut block, at)?;
    Ok(Block {
        id,
        kind,
        name: name.filter(|name| !name.is_empty()),
        enabled,
        is_trigger,
        retry: block.remove("retry").filter(Value::is_object),
        fields,
        data,
        parent,
        container: Map::new(),
        place,
    })
}

/// The values of the sub-blocks: `subBlocks: {key: {value}}`, or `config: {params: {key: value}}` as the executor has
/// them, or `config: {key: value}` as some templates do.
fn read_fields(block: &mut Object, at: &impl Fn() -> String) -> Result<Map<String, Value>, Fault> {
    let mut fields = Map::new();
    let mut keep = |of: Object| fields.extend(of.into_iter().map(|(key, value)| (key, field_value(value))));
    if let Some(mut config) = optional_object(block, "config", at)? {
        match config.get("params") {
            Some(Value::Object(_)) => optional_object(&mut config, "params", at)?.into_iter().for_each(&mut keep),
            _ => keep(config),
        }
    }
    optional_object(block, "subBlocks", at)?.into_iter().for_each(keep);
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

fn field_value(field: Value) -> Value {
    match field {
        Value::Object(mut field) if field.contains_key("value") => field.remove("value").unwrap_or_default(),
        Value::Object(field) if field.contains_key("type") && field.contains_key("id") => Value::Null,
        other => other,
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
fn read_containers(state: &mut Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let mut listed = Vec::new();
    let mut settings_of: HashMap<String, Object> = HashMap::new();
    for key in ["subflows", "loops", "parallels"] {
        for (id, container) in optional_object(state, key, &|| path.to_owned())?.into_iter().flatten() {
            let at = || member(&member(path, key), &id);
            let mut container = object(container, at)?;
            let mut settings = optional_object(&mut container, "config", &at)?.unwrap_or(container);
            settings.retain(|_, value| !value.is_null());
            let nodes = settings.get("nodes").and_then(Value::as_array).into_iter().flatten();
            listed.extend(nodes.filter_map(|node| Some((node.as_str()?.to_owned(), id.clone()))));
            settings_of.entry(id).or_default().extend(settings);
        }
    }
    let ids: HashSet<&str> = workflow.blocks.iter().map(|block| block.id.as_str()).collect();
    let with_children: HashSet<&str> = workflow.blocks.iter().filter_map(|block| block.parent.as_deref()).collect();
    listed.retain(|(_, container)| ids.contains(container.as_str()) && !with_children.contains(container.as_str()));
    listed.sort();
    let mut container_of = HashMap::new();
    for (child, container) in listed {
        container_of.entry(child).or_insert(container);
    }
    for block in &mut workflow.blocks {
        block.container = settings_of.remove(&block.id).unwrap_or_default();
        let listed = container_of.remove(&block.id);
        block.parent = block.parent.take().or(listed);
    }
    Ok(())
}

fn read_edges(state: &mut Object, path: &str, workflow: &mut Workflow) -> Result<(), Fault> {
    let key = if state.contains_key("edges") { "edges" } else { "connections" };
    let path = member(path, key);
    let edges = match state.remove(key) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(edges)) => edges,
        Some(_) => return Err(Fault::new(&path, "must be an array of edges")),
    };
    bound(edges.len(), MAX_EDGES, "edges", &path)?;
    workflow.edges.reserve_exact(edges.len());
    for (index, edge) in edges.into_iter().enumerate() {
        let at = || element(&path, index);
        let mut edge = object(edge, at)?;
        let handle = match edge.get("sourceHandle") {
            None | Some(Value::Null) => None,
            Some(Value::String(handle)) => healed(handle).map(str::to_owned),
            Some(_) => return Err(Fault::new(&member(&at(), "sourceHandle"), "must be text")),
        };
        let id = match edge.remove("id") {
            Some(Value::String(id)) => Some(id),
            _ => None,
        };
        let source = required(&mut edge, "source", at)?;
        let target = required(&mut edge, "target", at)?;
        workflow.edges.push(Edge { id, source, target, handle });
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

// Places are written out only where something is wrong.

fn object(value: Value, at: impl Fn() -> String) -> Result<Object, Fault> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(Fault::new(&at(), format!("must be an object, not {}", kind_of(&other)))),
    }
}

fn optional_object(of: &mut Object, key: &str, at: &impl Fn() -> String) -> Result<Option<Object>, Fault> {
    match of.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => object(value, || member(&at(), key)).map(Some),
    }
}

fn required(of: &mut Object, key: &str, at: impl Fn() -> String) -> Result<String, Fault> {
    let fault = |message: String| Fault::new(&member(&at(), key), message);
    match of.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null) => Err(fault("missing".to_owned())),
        Some(Value::String(_)) => Err(fault("must not be empty".to_owned())),
        Some(other) => Err(fault(format!("must be text, not {}", kind_of(&other)))),
    }
}

fn flag(of: &Object, key: &str, at: &impl Fn() -> String) -> Result<Option<bool>, Fault> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Fault::new(&member(&at(), key), format!("must be true or false, not {}", kind_of(other)))),
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
