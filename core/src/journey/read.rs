//! Reading a journey document: all that is wrong with it at once, each with its place.

use super::definition::{ConditionKind, Journey, MAX_STATES, MAX_TRANSITIONS, State, StateType, Transition};
use super::finding::{Finding, child};
use crate::jsonb::{Document, Packed};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest document, in bytes of its JSON text.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

const MAX_CONDITIONS: usize = 100;

/// A key as the document's normal form spells it, and what else is accepted. All are accepted in camelCase as well.
type Key = (&'static str, &'static [&'static str]);

const JOURNEY: &[Key] = &[
    ("title", &[]),
    ("description", &[]),
    ("conditions", &[]),
    ("enabled", &[]),
    ("allow_skipping", &[]),
    ("allow_revisiting", &[]),
    ("states", &[]),
    ("transitions", &[]),
    ("replaced_states", &[]),
];
const STATE: &[Key] = &[
    ("name", &[]),
    ("type", &["state_type"]),
    ("is_initial", &["initial"]),
    ("is_final", &["final"]),
    ("prompt", &["chat_prompt"]),
    ("tool_id", &["tool"]),
    ("tool_config", &[]),
    ("condition", &[]),
    ("allow_skip", &[]),
    ("metadata", &[]),
    ("config", &[]),
];
/// What some clients put into an object of its own.
const STATE_CONFIG: &[Key] =
    &[("prompt", &["chat_prompt"]), ("tool_id", &["tool"]), ("tool_config", &[]), ("condition", &[])];
const TRANSITION: &[Key] = &[
    ("from", &["from_state", "from_state_name"]),
    ("to", &["to_state", "to_state_name"]),
    ("condition", &[]),
    ("condition_kind", &[]),
    ("priority", &[]),
];

/// What a document says, as far as it can be told, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// None if the text is no JSON object of bearable size.
    pub journey: Option<Journey>,
    pub findings: Vec<Finding>,
    pub(super) places: Places,
}

/// Where the states and transitions of a journey stand in its document.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) states: Vec<usize>,
    pub(super) transitions: Vec<usize>,
    /// Names of states that are in the document and could not be read.
    pub(super) unread_states: HashSet<String>,
    /// Not everything could be read, so what the whole graph lacks cannot be told.
    pub(super) incomplete: bool,
}

impl Places {
    pub(super) fn in_order(journey: &Journey) -> Self {
        Places {
            states: (0..journey.states.len()).collect(),
            transitions: (0..journey.transitions.len()).collect(),
            ..Places::default()
        }
    }
}

/// Reads a journey document. The graph is not looked at: see [`super::check`].
#[must_use]
pub fn read(document: &(impl Document + ?Sized)) -> Reading {
    let refused = |finding| Reading { findings: vec![finding], ..Reading::default() };
    let length = document.source().len();
    if length > MAX_BYTES {
        let message = format!("the document has {length} bytes, more than the {MAX_BYTES} allowed");
        return refused(Finding::error("over_limit", "", message));
    }
    match document.value() {
        Ok(value) => read_value(value),
        Err(error) => {
            refused(Finding::error("malformed", "", format!("the document is no JSON that can be read: {error}")))
        }
    }
}

/// Reads a journey document that has been read as JSON.
pub(crate) fn read_value(document: Value) -> Reading {
    let mut reader = Reader::default();
    let journey = reader.journey(document);
    Reading { journey, findings: reader.findings, places: reader.places }
}

#[derive(Default)]
struct Reader {
    findings: Vec<Finding>,
    places: Places,
}

/// An object of the document, whose place is written out only where something is wrong.
#[derive(Clone, Copy)]
enum At {
    Root,
    State(usize),
    Transition(usize),
}

impl At {
    fn path(self) -> String {
        match self {
            At::Root => String::new(),
            At::State(n) => format!("/states/{n}"),
            At::Transition(n) => format!("/transitions/{n}"),
        }
    }
}

/// A member of an object.
struct Field {
    spelling: String,
    /// The key of the object inside the object that holds it.
    inside: Option<String>,
    value: Value,
}

impl Field {
    fn path(&self, at: At) -> String {
        let object = match &self.inside {
            Some(key) => child(&at.path(), key),
            None => at.path(),
        };
        child(&object, &self.spelling)
    }
}

/// The members of an object in the order of the known keys; nulls are left out.
struct Fields {
    at: At,
    known: &'static [Key],
    found: Vec<Option<Field>>,
}

impl Fields {
    fn slot(&mut self, key: &str) -> Option<&mut Option<Field>> {
        let place = self.known.iter().position(|(name, _)| *name == key)?;
        self.found.get_mut(place)
    }

    fn take(&mut self, key: &str) -> Option<Field> {
        self.slot(key)?.take()
    }
}

impl Reader {
    fn report(&mut self, code: &'static str, path: impl Into<String>, message: String) {
        self.findings.push(Finding::error(code, path, message));
    }

    fn journey(&mut self, document: Value) -> Option<Journey> {
        let Value::Object(members) = document else {
            self.report("malformed", "", format!("the document is {}, not an object", kind(&document)));
            return None;
        };
        let mut fields = self.fields(members, At::Root, JOURNEY);
        let usual = Journey::default();
        let mut journey = Journey {
            title: self.required_text(&mut fields, "title", 500).unwrap_or_default(),
            description: self.text(&mut fields, "description", 2000),
            conditions: self.conditions(&mut fields),
            enabled: self.boolean(&mut fields, "enabled").unwrap_or(usual.enabled),
            allow_skipping: self.boolean(&mut fields, "allow_skipping").unwrap_or(usual.allow_skipping),
            allow_revisiting: self.boolean(&mut fields, "allow_revisiting").unwrap_or(usual.allow_revisiting),
            ..usual
        };
        for (n, element) in self.elements(&mut fields, "states", MAX_STATES).into_iter().enumerate() {
            match self.state(element, At::State(n)) {
                Some(state) => {
                    journey.states.push(state);
                    self.places.states.push(n);
                }
                None => self.places.incomplete = true,
            }
        }
        for (n, element) in self.elements(&mut fields, "transitions", MAX_TRANSITIONS).into_iter().enumerate() {
            match self.transition(element, At::Transition(n)) {
                Some(transition) => {
                    journey.transitions.push(transition);
                    self.places.transitions.push(n);
                }
                None => self.places.incomplete = true,
            }
        }
        journey.replaced_states = self.replaced_states(&mut fields);
        Some(journey)
    }

    fn state(&mut self, element: Value, at: At) -> Option<State> {
        let Value::Object(members) = element else {
            self.report("invalid_value", at.path(), format!("a state is an object, not {}", kind(&element)));
            return None;
        };
        let mut fields = self.fields(members, at, STATE);
        if let Some(config) = fields.take("config") {
            self.config(config, &mut fields);
        }
        let name = self.required_text(&mut fields, "name", 255);
        let state_type = self.state_type(&mut fields);
        let mut state = State::new(name.unwrap_or_default(), state_type.unwrap_or(StateType::Chat));
        state.is_initial = self.boolean(&mut fields, "is_initial").unwrap_or(false);
        state.prompt = self.text(&mut fields, "prompt", 10_000);
        state.tool_id = self.text(&mut fields, "tool_id", 255);
        state.tool_config = self.object(&mut fields, "tool_config").map(Packed::Value);
        state.condition = self.text(&mut fields, "condition", 2000);
        state.allow_skip = self.boolean(&mut fields, "allow_skip").unwrap_or(true);
        let metadata = self.object(&mut fields, "metadata");
        state.metadata = metadata.filter(|metadata| metadata.as_object() != Some(&Map::new())).map(Packed::Value);
        // A state without a name or a type has been reported; what else it lacks is not worth telling.
        if state.name.is_empty() || state_type.is_none() {
            self.places.unread_states.insert(state.name);
            return None;
        }
        Some(state)
    }

    fn config(&mut self, config: Field, fields: &mut Fields) {
        let at = fields.at;
        let path = config.path(at);
        let Value::Object(members) = config.value else {
            let message = format!("\"config\" is an object, not {}", kind(&config.value));
            return self.report("invalid_value", path, message);
        };
        let inside = self.fields_inside(members, at, Some(config.spelling), STATE_CONFIG);
        for ((key, _), field) in STATE_CONFIG.iter().zip(inside.found) {
            let (Some(field), Some(slot)) = (field, fields.slot(key)) else { continue };
            if slot.is_some() {
                self.report("duplicate_key", field.path(at), format!("{key:?} is here and in the state itself"));
            }
            *slot = Some(field);
        }
    }

    /// `type` and `is_final` say the same; either alone will do for a final state.
    fn state_type(&mut self, fields: &mut Fields) -> Option<StateType> {
        let at = fields.at;
        let final_path = fields.slot("is_final").and_then(|slot| slot.as_ref().map(|field| field.path(at)));
        let is_final = self.boolean(fields, "is_final");
        let type_path = fields.slot("type").and_then(|slot| slot.as_ref().map(|field| field.path(at)));
        let is_named = type_path.is_some();
        let named = match self.text(fields, "type", 255) {
            Some(name) => StateType::from_name(&name).or_else(|| {
                let message = format!("{name:?} is no state type: chat, tool, decision or final");
                self.report("invalid_value", type_path.unwrap_or_default(), message);
                None
            }),
            None if is_final == Some(true) => Some(StateType::Final),
            None => {
                if !is_named {
                    let message = "a state needs \"type\": chat, tool, decision or final".to_owned();
                    self.report("missing_key", at.path(), message);
                }
                None
            }
        };
        match (named, is_final) {
            (Some(_), Some(true)) => Some(StateType::Final),
            (Some(StateType::Final), Some(false)) => {
                let message = "a state of type final is final".to_owned();
                self.report("invalid_value", final_path.unwrap_or_default(), message);
                None
            }
            _ => named,
        }
    }

    fn transition(&mut self, element: Value, at: At) -> Option<Transition> {
        let Value::Object(members) = element else {
            self.report("invalid_value", at.path(), format!("a transition is an object, not {}", kind(&element)));
            return None;
        };
        let mut fields = self.fields(members, at, TRANSITION);
        let from = self.required_text(&mut fields, "from", 255);
        let to = self.required_text(&mut fields, "to", 255);
        let condition = self.text_at(&mut fields, "condition", 2000);
        if let Some((text, path)) = &condition
            && text.trim().is_empty()
        {
            let message = "a condition is not empty; leave it out for always".to_owned();
            self.report("invalid_value", path.path(at), message);
        }
        let kind = self.text_at(&mut fields, "condition_kind", 255).map(|(name, field)| {
            let kind = ConditionKind::from_name(&name);
            if kind.is_none() {
                let message = format!("{name:?} is no condition kind: natural or expression");
                self.report("invalid_value", field.path(at), message);
            }
            kind
        });
        let priority = self.priority(&mut fields);
        let mut transition = Transition::new(from?, to?);
        transition.condition = condition.map(|(text, _)| text);
        if let Some(kind) = kind {
            transition.condition_kind = kind?;
        }
        if let Some(priority) = priority {
            transition.priority = priority;
        }
        Some(transition)
    }

    fn priority(&mut self, fields: &mut Fields) -> Option<i32> {
        let field = fields.take("priority")?;
        let priority = field.value.as_i64().filter(|n| (1..=1000).contains(n)).and_then(|n| i32::try_from(n).ok());
        if priority.is_none() {
            let message = format!("a priority is an integer from 1 to 1000, not {}", brief(&field.value));
            self.report("invalid_value", field.path(fields.at), message);
        }
        priority
    }

    fn conditions(&mut self, fields: &mut Fields) -> Vec<String> {
        let path = fields.slot("conditions").and_then(|slot| slot.as_ref().map(|field| field.path(At::Root)));
        let path = path.unwrap_or_default();
        let mut conditions = Vec::new();
        for (n, element) in self.elements(fields, "conditions", MAX_CONDITIONS).into_iter().enumerate() {
            let at = format!("{path}/{n}");
            match element {
                Value::String(text) if text.chars().count() > 2000 => {
                    self.report("over_limit", at, "a condition has at most 2000 characters".to_owned());
                }
                Value::String(text) if !text.trim().is_empty() => conditions.push(text),
                _ => self.report("invalid_value", at, "a condition is a text that is not empty".to_owned()),
            }
        }
        conditions
    }

    fn replaced_states(&mut self, fields: &mut Fields) -> Vec<(String, String)> {
        let Some(field) = fields.take("replaced_states") else { return Vec::new() };
        let path = field.path(fields.at);
        let Value::Object(members) = field.value else {
            let message = format!("\"replaced_states\" is an object, not {}", kind(&field.value));
            self.report("invalid_value", path, message);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (old, new) in members {
            match new {
                Value::String(new) => pairs.push((old, new)),
                _ => self.report("invalid_value", child(&path, &old), "the name of a state is a text".to_owned()),
            }
        }
        pairs
    }

    fn fields(&mut self, members: Map<String, Value>, at: At, known: &'static [Key]) -> Fields {
        self.fields_inside(members, at, None, known)
    }

    fn fields_inside(
        &mut self,
        members: Map<String, Value>,
        at: At,
        inside: Option<String>,
        known: &'static [Key],
    ) -> Fields {
        let mut fields = Fields { at, known, found: known.iter().map(|_| None).collect() };
        for (spelling, value) in members {
            let key = snake_case(&spelling);
            let place = known.iter().position(|(name, others)| *name == key || others.contains(&key.as_ref()));
            let is_null = value.is_null();
            let field = Field { inside: inside.clone(), spelling, value };
            let Some(slot) = place.and_then(|place| fields.found.get_mut(place)) else {
                let message = format!("{:?} is no key of this object", field.spelling);
                self.report("unknown_key", field.path(at), message);
                continue;
            };
            if is_null {
                continue;
            }
            if slot.is_some() {
                let message = format!("{:?} is another spelling of a key that is there already", field.spelling);
                self.report("duplicate_key", field.path(at), message);
            }
            *slot = Some(field);
        }
        fields
    }

    /// The elements of an array; none if it is missing, or none that can be told.
    fn elements(&mut self, fields: &mut Fields, key: &str, most: usize) -> Vec<Value> {
        let Some(field) = fields.take(key) else { return Vec::new() };
        let path = field.path(fields.at);
        let Value::Array(mut elements) = field.value else {
            self.report("invalid_value", path, format!("{key:?} is an array, not {}", kind(&field.value)));
            self.places.incomplete = true;
            return Vec::new();
        };
        if elements.len() > most {
            self.report("over_limit", path, format!("{key:?} has {} elements, more than {most}", elements.len()));
            self.places.incomplete = true;
            elements.truncate(most);
        }
        elements
    }

    fn required_text(&mut self, fields: &mut Fields, key: &'static str, most: usize) -> Option<String> {
        if fields.slot(key).is_none_or(|slot| slot.is_none()) {
            self.report("missing_key", fields.at.path(), format!("{key:?} is missing"));
            return None;
        }
        let (text, field) = self.text_at(fields, key, most)?;
        if text.trim().is_empty() {
            self.report("invalid_value", field.path(fields.at), format!("{key:?} is empty"));
            return None;
        }
        Some(text)
    }

    fn text(&mut self, fields: &mut Fields, key: &str, most: usize) -> Option<String> {
        self.text_at(fields, key, most).map(|(text, _)| text)
    }

    /// A text, and the field that it was taken from.
    fn text_at(&mut self, fields: &mut Fields, key: &str, most: usize) -> Option<(String, Field)> {
        let mut field = fields.take(key)?;
        let text = match field.value.take() {
            Value::String(text) => text,
            other => {
                let message = format!("{key:?} is a text, not {}", kind(&other));
                self.report("invalid_value", field.path(fields.at), message);
                return None;
            }
        };
        if text.len() > most {
            let length = text.chars().count();
            if length > most {
                let message = format!("{key:?} has {length} characters, more than {most}");
                self.report("over_limit", field.path(fields.at), message);
            }
        }
        Some((text, field))
    }

    fn boolean(&mut self, fields: &mut Fields, key: &str) -> Option<bool> {
        let field = fields.take(key)?;
        let boolean = field.value.as_bool();
        if boolean.is_none() {
            let message = format!("{key:?} is true or false, not {}", brief(&field.value));
            self.report("invalid_value", field.path(fields.at), message);
        }
        boolean
    }

    fn object(&mut self, fields: &mut Fields, key: &str) -> Option<Value> {
        let field = fields.take(key)?;
        if !field.value.is_object() {
            let message = format!("{key:?} is an object, not {}", kind(&field.value));
            self.report("invalid_value", field.path(fields.at), message);
            return None;
        }
        Some(field.value)
    }
}

fn snake_case(key: &str) -> Cow<'_, str> {
    if !key.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The value itself if it is short, else what kind of value it is.
fn brief(value: &Value) -> String {
    match value {
        Value::Number(number) if number.as_str().len() < 40 => number.to_string(),
        Value::String(text) if text.len() < 40 => format!("{text:?}"),
        _ => kind(value).to_owned(),
    }
}
