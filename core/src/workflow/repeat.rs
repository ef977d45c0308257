//! How often the children of a loop or a parallel run, in words and as a condition.

use super::block_type::Role;
use super::read::Block;
use super::reference::plain_text;
use serde_json::{Map, Value, json};

/// Rounds of a loop of Sim that does not say how many.
const DEFAULT_ROUNDS: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    For,
    ForEach,
    While,
    DoWhile,
    Count,
    Collection,
}

#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) kind: Kind,
    count: u64,
    /// Items to go through, as JSON text or a reference.
    items: String,
    /// JavaScript, for `while` and `doWhile`.
    pub(super) condition: String,
    batch_size: Option<u64>,
}

impl Repeat {
    /// What `loops` or `parallels` says wins over the block's own data, as when Sim loads a workflow.
    pub(super) fn of(block: &Block, role: Role) -> Repeat {
        let get = |keys: &[&str]| {
            let find = |from: &Map<String, Value>| keys.iter().find_map(|key| from.get(*key)).cloned();
            find(&block.container).or_else(|| find(&block.data)).filter(|value| !value.is_null())
        };
        let text = |keys: &[&str]| get(keys).map(|value| plain_text(&value).trim().to_owned()).unwrap_or_default();
        let number = |keys: &[&str]| match get(keys) {
            Some(Value::Number(number)) => number.as_f64().filter(|n| *n >= 0.0 && *n < 1e15).map(|n| n as u64),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let items = text(&["forEachItems", "distribution", "collection"]);
        let kind = match (role, text(&["loopType", "parallelType"]).as_str()) {
            (Role::Loop, "forEach") => Kind::ForEach,
            (Role::Loop, "while") => Kind::While,
            (Role::Loop, "doWhile") => Kind::DoWhile,
            (Role::Loop, _) => Kind::For,
            (_, "collection") => Kind::Collection,
            (_, "") if !items.is_empty() => Kind::Collection,
            _ => Kind::Count,
        };
        let condition = match kind {
            Kind::While => text(&["whileCondition"]),
            Kind::DoWhile => text(&["doWhileCondition", "whileCondition"]),
            _ => String::new(),
        };
        let count = number(&["iterations", "count"]).unwrap_or(DEFAULT_ROUNDS);
        Repeat { kind, count, items, condition, batch_size: number(&["batchSize"]) }
    }

    /// When another round follows one that is done.
    pub(super) fn again(&self, name: &str) -> String {
        match self.kind {
            Kind::For => format!("fewer than {} rounds of {name:?} are done", self.count),
            Kind::DoWhile if self.condition.is_empty() => {
                format!("fewer than {} rounds of {name:?} are done", self.count)
            }
            Kind::ForEach => format!("an item of {} is left for {name:?}", self.items_in_words()),
            Kind::While | Kind::DoWhile => format!("another round of {name:?} is due: {}", self.condition),
            Kind::Count => format!("fewer than {} branches of {name:?} are done", self.count),
            Kind::Collection => format!("a branch of {name:?} is left for an item of {}", self.items_in_words()),
        }
    }

    fn items_in_words(&self) -> &str {
        if self.items.is_empty() { "its collection" } else { &self.items }
    }

    pub(super) fn metadata(&self) -> Value {
        let kind = match self.kind {
            Kind::For => "for",
            Kind::ForEach => "forEach",
            Kind::While => "while",
            Kind::DoWhile => "doWhile",
            Kind::Count => "count",
            Kind::Collection => "collection",
        };
        let mut metadata = Map::from_iter([("kind".to_owned(), json!(kind))]);
        let counts =
            matches!(self.kind, Kind::For | Kind::Count) || (self.kind == Kind::DoWhile && self.condition.is_empty());
        if counts {
            metadata.insert("count".to_owned(), json!(self.count));
        }
        for (key, value) in [("items", &self.items), ("condition", &self.condition)] {
            if !value.is_empty() {
                metadata.insert(key.to_owned(), json!(value));
            }
        }
        if let Some(size) = self.batch_size {
            metadata.insert("batch_size".to_owned(), json!(size));
        }
        Value::Object(metadata)
    }
}
