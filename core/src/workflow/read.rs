//! One tolerant reader for every form in which a workflow is found, and the plain graph it makes of it.

use super::fault::{Fault, element, member};
use crate::jsonb::{Document, Members, Node};
use serde_json::{Map, Value};
use std::borrow::Cow;
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
pub(super) struct Workflow<'d> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// In the order of their places on the canvas, so that no order of the document matters.
    pub(super) blocks: Vec<Block<'d>>,
    /// In the order of the document, which matters for edges of conditions that have no handle.
    pub(super) edges: Vec<Edge<'d>>,
}

#[derive(Debug)]
pub(super) struct Block<'d> {
    pub(super) id: Cow<'d, str>,
    pub(super) kind: Cow<'d, str>,
    pub(super) name: Option<Cow<'d, str>>,
    pub(super) enabled: bool,
    pub(super) is_trigger: bool,
    pub(super) retry: Option<Value>,
    /// Values of the sub-blocks.
    pub(super) fields: Fields<'d>,
    pub(super) data: Object,
    /// Id of the container that the document names.
    pub(super) parent: Option<Cow<'d, str>>,
    /// Entry of `loops` or `parallels`.
    pub(super) container: Object,
    place: (i64, i64),
}

#[derive(Debug)]
pub(super) struct Edge<'d> {
    pub(super) id: Option<Cow<'d, str>>,
    pub(super) source: Cow<'d, str>,
    pub(super) target: Cow<'d, str>,
    pub(super) handle: Option<Cow<'d, str>>,
}

type Object = Map<String, Value>;

/// The graph that the document describes; `parsed` holds what a document is parsed to that is a text.
pub(super) fn read<'d>(document: &'d (impl Document + ?Sized), parsed: &'d mut Value) -> Result<Workflow<'d>, Fault> {
    let length = document.source().len();
    if length > MAX_BYTES {
        return Err(Fault::new("$", format!("the workflow has {length} bytes, more than {MAX_BYTES}")));
    }
    let root = match document.stored() {
        Some(stored) => stored.root(),
        None => {
            *parsed = document.value().map_err(unreadable)?;
            Node::Parsed(parsed)
        }
    };
    let (state, path, mut workflow) = unwrap(root)?;
    read_blocks(state, &path, &mut workflow)?;
    read_containers(state, &path, &mut workflow)?;
    read_edges(state, &path, &mut workflow)?;
    // Blocks are large, so they are moved only once.
    workflow.blocks.sort_by_cached_key(|block| (block.place, block.id.clone()));
    Ok(workflow)
}

fn unreadable(reason: String) -> Fault {
    Fault::new("$", format!("no JSON that can be read: {reason}"))
}

/// The object that holds the blocks, its path, and what the wrappers say about the workflow.
fn unwrap<'d>(document: Node<'d>) -> Result<(Node<'d>, String, Workflow<'d>), Fault> {
    let mut path = "$".to_owned();
    let mut workflow = Workflow::default();
    let mut object = document;
    members(object, || path.clone())?;
    for _ in 0..MAX_WRAPPERS {
        describe(object, &mut workflow);
        if object.get("blocks").is_some() {
            return Ok((object, path, workflow));
        }
        let inner = |key| Some((key, object.get(key).filter(|inner| inner.members().is_some())?));
        let Some((key, inner)) = ["state", "data"].into_iter().find_map(inner) else { break };
        path = member(&path, key);
        object = inner;
    }
    Err(Fault::new(&member(&path, "blocks"), "missing: a workflow has blocks"))
}

fn describe(object: Node<'_>, workflow: &mut Workflow<'_>) {
    for key in ["workflow", "metadata"] {
        let Some(about) = object.get(key) else { continue };
        keep_first(&mut workflow.id, about.get("id"));
        keep_first(&mut workflow.name, about.get("name"));
        keep_first(&mut workflow.description, about.get("description"));
    }
}

fn keep_first(kept: &mut Option<String>, node: Option<Node<'_>>) {
    if kept.is_none() {
        *kept = node.and_then(Node::text).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    }
}

fn read_blocks<'d>(state: Node<'d>, path: &str, workflow: &mut Workflow<'d>) -> Result<(), Fault> {
    let path = member(path, "blocks");
    let blocks = state.get("blocks");
    if let Some(blocks) = blocks.and_then(Node::members) {
        bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
        workflow.blocks.reserve_exact(blocks.len());
        let mut faults = Vec::new();
        for (id, block) in blocks {
            match read_block(block, Some(id.clone()), &|| member(&path, &id)) {
                Ok(block) => workflow.blocks.push(block),
                Err(fault) => faults.push((id, fault)),
            }
        }
        // Whatever the form of the document, the same of several faults is told.
        if let Some((_, fault)) = faults.into_iter().min_by(|(a, _), (b, _)| a.cmp(b)) {
            return Err(fault);
        }
    } else if let Some(blocks) = blocks.and_then(Node::elements) {
        bound(blocks.len(), MAX_BLOCKS, "blocks", &path)?;
        let mut seen = HashMap::new();
        for (index, block) in blocks.enumerate() {
            let at = || element(&path, index);
            let block = read_block(block, None, &at)?;
            if let Some(first) = seen.insert(block.id.clone(), index) {
                let message = format!("block {first} has the id {:?} as well", block.id);
                return Err(Fault::new(&member(&at(), "id"), message));
            }
            workflow.blocks.push(block);
        }
    } else {
        return Err(Fault::new(&path, "must be an object of blocks by id, or an array of blocks"));
    }
    if workflow.blocks.is_empty() {
        return Err(Fault::new(&path, "the workflow has no blocks"));
    }
    Ok(())
}

/// The members of a block that mean something.
#[derive(Default)]
struct Parts<'d> {
    id: Option<Node<'d>>,
    kind: Option<Node<'d>>,
    name: Option<Node<'d>>,
    older_name: Option<Node<'d>>,
    parent: Option<Node<'d>>,
    enabled: Option<Node<'d>>,
    is_trigger: Option<Node<'d>>,
    metadata: Option<Node<'d>>,
    data: Option<Node<'d>>,
    position: Option<Node<'d>>,
    retry: Option<Node<'d>>,
    config: Option<Node<'d>>,
    fields: Option<Node<'d>>,
}

impl<'d> Parts<'d> {
    fn of(block: Node<'d>, at: &impl Fn() -> String) -> Result<Self, Fault> {
        let mut parts = Parts::default();
        for (key, value) in members(block, at)? {
            let part = match &*key {
                "id" => &mut parts.id,
                "type" => &mut parts.kind,
                "name" => &mut parts.name,
                "Name" => &mut parts.older_name,
                "parentId" => &mut parts.parent,
                "enabled" => &mut parts.enabled,
                "triggerMode" => &mut parts.is_trigger,
                "metadata" => &mut parts.metadata,
                "data" => &mut parts.data,
                "position" => &mut parts.position,
                "retry" => &mut parts.retry,
                "config" => &mut parts.config,
                "subBlocks" => &mut parts.fields,
                _ => continue,
            };
            *part = Some(value);
        }
        Ok(parts)
    }
}

/// `id` is the key of the block, unless the block tells itself.
fn read_block<'d>(block: Node<'d>, id: Option<Cow<'d, str>>, at: &impl Fn() -> String) -> Result<Block<'d>, Fault> {
    let parts = Parts::of(block, at)?;
    let id = match id {
        Some(id) => id,
        None => required(parts.id, "id", at)?,
    };
    let metadata = optional_object(parts.metadata, "metadata", at)?;
    let data = optional_object(parts.data, "data", at)?;
    let of_metadata = |key| metadata.and_then(|metadata| metadata.get(key));
    let kind = match parts.kind.filter(|kind| !kind.is_null()) {
        None => of_metadata("id").and_then(Node::text).unwrap_or_default(),
        Some(kind) => kind.text().ok_or_else(|| Fault::new(&member(&at(), "type"), "must be text"))?,
    };
    let trimmed_text = |node: Option<Node<'d>>| node.and_then(Node::text).map(trimmed);
    let name = trimmed_text(parts.name).or_else(|| trimmed_text(parts.older_name));
    let name = name.or_else(|| trimmed_text(of_metadata("name")));
    let parent = trimmed_text(data.and_then(|data| data.get("parentId"))).or_else(|| trimmed_text(parts.parent));
    let enabled = flag(parts.enabled, "enabled", at)?.unwrap_or(true);
    let is_trigger = flag(parts.is_trigger, "triggerMode", at)?.unwrap_or(false);
    let fields = Fields::of(&parts, at)?;
    let retry = parts.retry.filter(|retry| retry.members().is_some());
    Ok(Block {
        id,
        kind: trimmed(kind),
        name: name.filter(|name| !name.is_empty()),
        enabled,
        is_trigger,
        retry: retry.map(Node::value).transpose().map_err(unreadable)?,
        fields,
        data: data.map(read_object).transpose()?.unwrap_or_default(),
        parent: parent.filter(|parent| !parent.is_empty()),
        container: Map::new(),
        place: place(parts.position),
    })
}

/// The values of the sub-blocks: `subBlocks: {key: {value}}`, or `config: {params: {key: value}}` as the executor has
/// them, or `config: {key: value}` as some templates do. They are made when they are asked for, so that those of ten
/// thousand blocks are not there at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'d> {
    params: Option<Node<'d>>,
    fields: Option<Node<'d>>,
}

impl<'d> Fields<'d> {
    fn of(parts: &Parts<'d>, at: &impl Fn() -> String) -> Result<Self, Fault> {
        let config = optional_object(parts.config, "config", at)?;
        let params = config.and_then(|config| config.get("params")).filter(|params| params.members().is_some());
        let fields = Fields { params: params.or(config), fields: optional_object(parts.fields, "subBlocks", at)? };
        for (_, field) in fields.members() {
            field_value(field).map_or(Ok(()), Node::check_depth).map_err(unreadable)?;
        }
        Ok(fields)
    }

    /// Later ones take the place of earlier ones of the same key.
    fn members(self) -> impl Iterator<Item = (Cow<'d, str>, Node<'d>)> {
        self.params.into_iter().chain(self.fields).filter_map(Node::members).flatten()
    }

    pub(super) fn all(self) -> Object {
        let mut all: Object = self.members().map(|(key, field)| (key.into_owned(), made(field))).collect();
        all.retain(|_, value| !value.is_null());
        all
    }

    pub(super) fn get(self, key: &str) -> Option<Value> {
        let field = [self.fields, self.params].into_iter().flatten().find_map(|fields| fields.get(key))?;
        Some(made(field)).filter(|value| !value.is_null())
    }
}

/// What its depth has been checked of.
fn made(field: Node<'_>) -> Value {
    field_value(field).and_then(|value| value.value().ok()).unwrap_or_default()
}

fn field_value(field: Node<'_>) -> Option<Node<'_>> {
    field.get("value").or_else(|| (field.get("type").is_none() || field.get("id").is_none()).then_some(field))
}

/// The coordinates as integers that are ordered as they are.
fn place(position: Option<Node<'_>>) -> (i64, i64) {
    let coordinate = |axis| {
        let value = position.and_then(|position| position.get(axis)).and_then(Node::number);
        // Adding 0.0 makes -0.0 the same place as 0.0.
        let bits = (value.filter(|value| value.is_finite()).unwrap_or(0.0) + 0.0).to_bits().cast_signed();
        // Of negative numbers those are smaller whose other bits are larger.
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    };
    (coordinate("x"), coordinate("y"))
}

/// Entries of `loops`, `parallels` and the older `subflows`. Children name their container themselves; where none
/// does, as in the executor's form, the list of nodes counts.
fn read_containers(state: Node<'_>, path: &str, workflow: &mut Workflow<'_>) -> Result<(), Fault> {
    let mut listed = Vec::new();
    let mut settings_of: HashMap<String, Object> = HashMap::new();
    for key in ["subflows", "loops", "parallels"] {
        let containers = optional_object(state.get(key), key, &|| path.to_owned())?;
        for (id, container) in containers.and_then(Node::members).into_iter().flatten() {
            let at = || member(&member(path, key), &id);
            members(container, at)?;
            let settings = optional_object(container.get("config"), "config", &at)?.unwrap_or(container);
            let mut settings = read_object(settings)?;
            settings.retain(|_, value| !value.is_null());
            let nodes = settings.get("nodes").and_then(Value::as_array).into_iter().flatten();
            listed.extend(nodes.filter_map(|node| Some((node.as_str()?.to_owned(), id.clone().into_owned()))));
            settings_of.entry(id.into_owned()).or_default().extend(settings);
        }
    }
    if settings_of.is_empty() {
        return Ok(());
    }
    let ids: HashSet<&str> = workflow.blocks.iter().map(|block| &*block.id).collect();
    let with_children: HashSet<&str> = workflow.blocks.iter().filter_map(|block| block.parent.as_deref()).collect();
    listed.retain(|(_, container)| ids.contains(container.as_str()) && !with_children.contains(container.as_str()));
    listed.sort();
    let mut container_of = HashMap::new();
    for (child, container) in listed {
        container_of.entry(child).or_insert(container);
    }
    for block in &mut workflow.blocks {
        block.container = settings_of.remove(&*block.id).unwrap_or_default();
        let listed = container_of.remove(&*block.id).map(Cow::Owned);
        block.parent = block.parent.take().or(listed);
    }
    Ok(())
}

fn read_edges<'d>(state: Node<'d>, path: &str, workflow: &mut Workflow<'d>) -> Result<(), Fault> {
    let (key, edges) = match state.get("edges") {
        Some(edges) => ("edges", Some(edges)),
        None => ("connections", state.get("connections")),
    };
    let path = member(path, key);
    let Some(edges) = edges.filter(|edges| !edges.is_null()) else { return Ok(()) };
    let edges = edges.elements().ok_or_else(|| Fault::new(&path, "must be an array of edges"))?;
    bound(edges.len(), MAX_EDGES, "edges", &path)?;
    workflow.edges.reserve_exact(edges.len());
    for (index, edge) in edges.enumerate() {
        let at = || element(&path, index);
        let (mut id, mut source, mut target, mut handle) = (None, None, None, None);
        for (key, value) in members(edge, at)? {
            match &*key {
                "id" => id = value.text(),
                "source" => source = Some(value),
                "target" => target = Some(value),
                "sourceHandle" if !value.is_null() => {
                    let fault = || Fault::new(&member(&at(), "sourceHandle"), "must be text");
                    handle = healed(value.text().ok_or_else(fault)?);
                }
                _ => {}
            }
        }
        let (source, target) = (required(source, "source", at)?, required(target, "target", at)?);
        workflow.edges.push(Edge { id, source, target, handle });
    }
    Ok(())
}

/// Empty is absent, and `source-right` and the like are `source`.
fn healed(handle: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let handle = trimmed(handle);
    match handle.strip_prefix("source-") {
        Some("top" | "right" | "bottom" | "left") => Some(Cow::Borrowed("source")),
        _ => Some(handle).filter(|handle| !handle.is_empty()),
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

// Places are written out only where something is wrong.

fn members<'d>(node: Node<'d>, at: impl Fn() -> String) -> Result<Members<'d>, Fault> {
    node.members().ok_or_else(|| Fault::new(&at(), format!("must be an object, not {}", kind_of_node(node))))
}

fn optional_object<'d>(node: Option<Node<'d>>, key: &str, at: &impl Fn() -> String) -> Result<Option<Node<'d>>, Fault> {
    let node = node.filter(|node| !node.is_null());
    node.map(|node| members(node, || member(&at(), key)).map(|_| node)).transpose()
}

fn read_object(node: Node<'_>) -> Result<Object, Fault> {
    match node.value().map_err(unreadable)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

fn required<'d>(node: Option<Node<'d>>, key: &str, at: impl Fn() -> String) -> Result<Cow<'d, str>, Fault> {
    let fault = |message: String| Fault::new(&member(&at(), key), message);
    let node = node.filter(|node| !node.is_null()).ok_or_else(|| fault("missing".to_owned()))?;
    match node.text() {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(fault("must not be empty".to_owned())),
        None => Err(fault(format!("must be text, not {}", kind_of_node(node)))),
    }
}

fn flag(node: Option<Node<'_>>, key: &str, at: &impl Fn() -> String) -> Result<Option<bool>, Fault> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Ok(None) };
    let fault = || Fault::new(&member(&at(), key), format!("must be true or false, not {}", kind_of_node(node)));
    node.boolean().map(Some).ok_or_else(fault)
}

fn bound(count: usize, most: usize, what: &str, path: &str) -> Result<(), Fault> {
    if count <= most {
        return Ok(());
    }
    Err(Fault::new(path, format!("the workflow has {count} {what}, more than the {most} allowed")))
}

fn kind_of_node(node: Node<'_>) -> &'static str {
    node.value().map_or("something nested too deep", |value| kind_of(&value))
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
