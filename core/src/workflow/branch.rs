//! The rows of conditions and the routes of routers, and which of them an edge takes.

use super::block_type::Role;
use super::read::{Block, Edge, kind_of};
use super::reference::reference_form;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Most rows of a condition or a router: each needs a priority of its own.
pub const MAX_ROWS: usize = 300;

/// One row of a condition, or one route of a router.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) title: String,
    /// JavaScript, or the description of a route.
    pub(super) value: String,
    pub(super) is_else: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// The document does not list them; the handles of the edges do.
    pub(super) from_handles: bool,
    /// Why the list of the document could not be read.
    pub(super) unreadable: Option<String>,
}

/// Which way of a block an edge is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Always,
    Failure,
    Row(usize),
    /// A branch that the block does not have.
    Unknown,
}

impl Rows {
    pub(super) fn of(block: &Block, role: Role, edges: &[&Edge]) -> Rows {
        let key = if role == Role::Router { "routes" } else { "conditions" };
        let mut rows = Rows::default();
        let field = block.fields.get(key);
        match field.as_ref().map(listed) {
            None => {}
            Some(Ok(listed)) => rows.rows = listed.iter().map(row).collect(),
            Some(Err(reason)) => rows.unreadable = Some(reason),
        }
        if rows.rows.is_empty() && role == Role::Condition {
            rows.rows = rows_of_handles(block, edges);
            rows.from_handles = true;
        }
        let last = rows.rows.len().saturating_sub(1);
        for (index, row) in rows.rows.iter_mut().enumerate() {
            if row.id.is_empty() {
                row.id = match role {
                    Role::Router => format!("{}-route{}", block.id, index + 1),
                    _ => format!("{}-cond-{index}", block.id),
                };
            }
            if role == Role::Condition {
                let named_else = row.title.trim().eq_ignore_ascii_case("else");
                let unnamed = row.title.trim().is_empty() && row.value.trim().is_empty();
                row.is_else = named_else || (unnamed && index == last && index > 0);
            }
        }
        rows
    }

    /// The way of an edge; `ordinal` is its place among the edges that leave the block.
    pub(super) fn way(&self, block: &Block, role: Role, handle: Option<&str>, ordinal: usize) -> Way {
        let prefix = if role == Role::Router { "router-" } else { "condition-" };
        match handle {
            None if ordinal < self.rows.len() => Way::Row(ordinal),
            None => Way::Always,
            Some("error") => Way::Failure,
            Some("source") => Way::Always,
            Some(handle) => {
                let id = handle.strip_prefix(prefix);
                let by_id = |id: &str| self.rows.iter().position(|row| row.id == id);
                let found = id.and_then(by_id).or_else(|| by_id(handle)).or_else(|| {
                    let suffix =
                        id.and_then(|id| Some(id.strip_prefix(&*block.id)?.strip_prefix('-').unwrap_or_default()));
                    match (role, suffix, id) {
                        (Role::Router, Some(suffix), _) => self.route(suffix, 1),
                        (Role::Router, None, _) => self.route(id.unwrap_or(handle), 0),
                        (_, Some(suffix), _) => self.branch(suffix, 1),
                        (_, None, id) => self.branch(id.unwrap_or(handle), 0),
                    }
                });
                found.map_or(Way::Unknown, Way::Row)
            }
        }
    }

    /// `if`, `else-if`, `else-if-2`, `else`; numbers begin at `first`.
    fn branch(&self, name: &str, first: usize) -> Option<usize> {
        match name {
            "if" | "true" => (!self.rows.is_empty()).then_some(0),
            "else" | "false" => self.rows.iter().position(|row| row.is_else),
            _ => {
                let number = name.strip_prefix("else-if")?;
                let number = match number.strip_prefix('-') {
                    Some(number) => number.parse::<usize>().ok()?.checked_sub(first)?,
                    None if number.is_empty() => 0,
                    None => return None,
                };
                let mut between = self.rows.iter().enumerate().skip(1).filter(|(_, row)| !row.is_else);
                between.nth(number).map(|(index, _)| index)
            }
        }
    }

    /// `route-1`; numbers begin at `first`.
    fn route(&self, name: &str, first: usize) -> Option<usize> {
        let number = name.strip_prefix("route-")?.parse::<usize>().ok()?.checked_sub(first)?;
        (number < self.rows.len()).then_some(number)
    }
}

/// A list that is an array, or JSON text of one.
pub(super) fn listed(value: &Value) -> Result<Cow<'_, [Value]>, String> {
    let none = Cow::Borrowed(<&[Value]>::default());
    match value {
        Value::Array(elements) => Ok(Cow::Borrowed(elements)),
        Value::String(text) if text.trim().is_empty() => Ok(none),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Array(elements)) => Ok(Cow::Owned(elements)),
            Ok(Value::Null) => Ok(none),
            Ok(other) => Err(format!("JSON text of {}, not of an array", kind_of(&other))),
            Err(error) => Err(format!("text that is no JSON: {error}")),
        },
        Value::Null => Ok(none),
        other => Err(format!("{}, not an array", kind_of(other))),
    }
}

fn row(value: &Value) -> Row {
    let text = |key: &str| match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
        _ => String::new(),
    };
    Row { id: text("id"), title: text("title"), value: text("value"), is_else: false }
}

/// The rows that the handles of a condition's edges name, in the order in which a condition has them.
fn rows_of_handles(block: &Block, edges: &[&Edge]) -> Vec<Row> {
    let mut named: Vec<(u8, usize, String)> = Vec::new();
    for edge in edges {
        let Some(handle) = edge.handle.as_deref().filter(|handle| !matches!(*handle, "error" | "source")) else {
            continue;
        };
        let id = handle.strip_prefix("condition-").unwrap_or(handle);
        let suffix = id.strip_prefix(&*block.id).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
        let rank = match suffix {
            "if" | "true" => (0, 0),
            "else" | "false" => (2, 0),
            _ => {
                let number = suffix.strip_prefix("else-if").map(|n| n.trim_start_matches('-').parse().unwrap_or(0));
                (1, number.unwrap_or(usize::MAX))
            }
        };
        named.push((rank.0, rank.1, id.to_owned()));
    }
    let unnamed = edges.iter().any(|edge| edge.handle.is_none());
    if named.is_empty() && unnamed {
        named = vec![(0, 0, format!("{}-if", block.id)), (2, 0, format!("{}-else", block.id))];
    }
    named.sort();
    named.dedup();
    let title = |rank| match rank {
        0 => "if",
        2 => "else",
        _ => "else if",
    };
    named.into_iter().map(|(rank, _, id)| Row { id, title: title(rank).to_owned(), ..Row::default() }).collect()
}

/// Which of a field's basic and advanced twins applies.
pub(super) fn twin<'b>(fields: &'b Map<String, Value>, data: &Map<String, Value>, keys: &[&str]) -> Option<&'b str> {
    let modes = data.get("canonicalModes").and_then(Value::as_object);
    let advanced = modes.is_some_and(|modes| {
        modes.iter().any(|(key, mode)| {
            let key = reference_form(key);
            mode.as_str() == Some("advanced") && keys.iter().any(|name| reference_form(name).contains(&key))
        })
    });
    let text = |key: &&str| fields.get(*key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let preferred = if advanced { keys.iter().find(|key| key.starts_with("manual")).and_then(text) } else { None };
    preferred.or_else(|| keys.iter().find_map(text))
}
