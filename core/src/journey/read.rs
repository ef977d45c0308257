//! Reading a journey document: all that is wrong with it at once, each with its place.

use super::definition::{ConditionKind, Journey, MAX_STATES, MAX_TRANSITIONS, State, StateType, Transition};
use super::finding::{Finding, child};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

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
pub fn read(text: &str) -> Reading {
    if text.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, more than the {MAX_BYTES} allowed", text.len());
        return Reading { findings: vec![Finding::error("over_limit", "", message)], ..Reading::default() };
    }
    let mut reader = Reader::default();
    let journey = match serde_json::from_str::<Value>(text) {
        Ok(document) => reader.journey(&document),
        Err(error) => {
            reader.report("malformed", "", format!("the document is no JSON that can be read: {error}"));
            None
        }
    };
    Reading { journey, findings: reader.findings, places: reader.places }
}

#[derive(Default)]
struct Reader {
    findings: Vec<Finding>,
    places: Places,
}

/// The members of an object by the canonical spelling of their keys, each with its place; nulls are left out.
type Fields<'v> = HashMap<&'static str, (&'v Value, String)>;

impl Reader {
    fn report(&mut self, code: &'static str, path: &str, message: String) {
        self.findings.push(Finding::error(code, path, message));
    }

    fn journey(&mut self, document: &Value) -> Option<Journey> {
        let Value::Object(members) = document else {
            self.report("malformed", "", format!("the document is {}, not an object", kind(document)));
            return None;
        };
        let fields = self.fields(members, "", JOURNEY);
        let defaults = Journey::default();
        let mut journey = Journey {
            title: self.required_text(&fields, "title", "", 500).unwrap_or_default(),
            description: self.text(&fields, "description", 2000),
            conditions: self.conditions(&fields),
            enabled: self.boolean(&fields, "enabled").unwrap_or(defaults.enabled),
            allow_skipping: self.boolean(&fields, "allow_skipping").unwrap_or(defaults.allow_skipping),
            allow_revisiting: self.boolean(&fields, "allow_revisiting").unwrap_or(defaults.allow_revisiting),
            ..defaults
        };
        for (n, (element, path)) in self.elements(&fields, "states", MAX_STATES).into_iter().enumerate() {
            match self.state(element, &path) {
                Some(state) => {
                    journey.states.push(state);
                    self.places.states.push(n);
                }
                None => {
                    self.places.incomplete = true;
                    self.places.unread_states.extend(element["name"].as_str().map(str::to_owned));
                }
            }
        }
        for (n, (element, path)) in self.elements(&fields, "transitions", MAX_TRANSITIONS).into_iter().enumerate() {
            match self.transition(element, &path) {
                Some(transition) => {
                    journey.transitions.push(transition);
                    self.places.transitions.push(n);
                }
                None => self.places.incomplete = true,
            }
        }
        journey.replaced_states = self.replaced_states(&fields);
        Some(journey)
    }

    fn state(&mut self, element: &Value, path: &str) -> Option<State> {
        let Value::Object(members) = element else {
            self.report("invalid_value", path, format!("a state is an object, not {}", kind(element)));
            return None;
        };
        let mut fields = self.fields(members, path, STATE);
        if let Some((config, config_path)) = fields.get("config").cloned() {
            match config {
                Value::Object(members) => {
                    for (key, (value, value_path)) in self.fields(members, &config_path, STATE_CONFIG) {
                        if fields.insert(key, (value, value_path.clone())).is_some() {
                            self.report(
                                "duplicate_key",
                                &value_path,
                                format!("{key:?} is here and in the state itself"),
                            );
                        }
                    }
                }
                _ => {
                    self.report("invalid_value", &config_path, format!("\"config\" is an object, not {}", kind(config)))
                }
            }
        }
        let name = self.required_text(&fields, "name", path, 255);
        let state_type = self.state_type(&fields, path);
        let mut state = State::new(name.unwrap_or_default(), state_type.unwrap_or(StateType::Chat));
        state.is_initial = self.boolean(&fields, "is_initial").unwrap_or(false);
        state.prompt = self.text(&fields, "prompt", 10_000);
        state.tool_id = self.text(&fields, "tool_id", 255);
        state.tool_config = self.object(&fields, "tool_config");
        state.condition = self.text(&fields, "condition", 2000);
        state.allow_skip = self.boolean(&fields, "allow_skip").unwrap_or(true);
        if let Some(metadata) = self.object(&fields, "metadata") {
            state.metadata = metadata;
        }
        // A state without a name or a type has been reported; what else it lacks is not worth telling.
        (!state.name.is_empty() && state_type.is_some()).then_some(state)
    }

    /// `type` and `is_final` say the same; either alone will do for a final state.
    fn state_type(&mut self, fields: &Fields<'_>, path: &str) -> Option<StateType> {
        let is_final = self.boolean(fields, "is_final");
        let named = match self.text(fields, "type", 255) {
            Some(name) => StateType::from_name(&name).or_else(|| {
                let at = &fields["type"].1;
                self.report("invalid_value", at, format!("{name:?} is no state type: chat, tool, decision or final"));
                None
            }),
            None if is_final == Some(true) => Some(StateType::Final),
            None => {
                if !fields.contains_key("type") {
                    self.report(
                        "missing_key",
                        path,
                        "a state needs \"type\": chat, tool, decision or final".to_owned(),
                    );
                }
                None
            }
        };
        match (named, is_final) {
            (Some(_), Some(true)) => Some(StateType::Final),
            (Some(StateType::Final), Some(false)) => {
                let at = &fields["is_final"].1;
                self.report("invalid_value", at, "a state of type final is final".to_owned());
                None
            }
            _ => named,
        }
    }

    fn transition(&mut self, element: &Value, path: &str) -> Option<Transition> {
        let Value::Object(members) = element else {
            self.report("invalid_value", path, format!("a transition is an object, not {}", kind(element)));
            return None;
        };
        let fields = self.fields(members, path, TRANSITION);
        let from = self.required_text(&fields, "from", path, 255);
        let to = self.required_text(&fields, "to", path, 255);
        let condition = self.text(&fields, "condition", 2000);
        if condition.as_deref().is_some_and(|text| text.trim().is_empty()) {
            let at = &fields["condition"].1;
            self.report("invalid_value", at, "a condition is not empty; leave it out for always".to_owned());
        }
        let kind = self.text(&fields, "condition_kind", 255).map(|name| {
            let kind = ConditionKind::from_name(&name);
            if kind.is_none() {
                let at = &fields["condition_kind"].1;
                self.report("invalid_value", at, format!("{name:?} is no condition kind: natural or expression"));
            }
            kind
        });
        let priority = self.priority(&fields);
        let mut transition = Transition::new(from?, to?);
        transition.condition = condition;
        if let Some(kind) = kind {
            transition.condition_kind = kind?;
        }
        if let Some(priority) = priority {
            transition.priority = priority;
        }
        Some(transition)
    }

    fn priority(&mut self, fields: &Fields<'_>) -> Option<i32> {
        let (value, path) = fields.get("priority")?;
        let priority = value.as_i64().filter(|n| (1..=1000).contains(n)).and_then(|n| i32::try_from(n).ok());
        if priority.is_none() {
            self.report(
                "invalid_value",
                path,
                format!("a priority is an integer from 1 to 1000, not {}", brief(value)),
            );
        }
        priority
    }

    fn conditions(&mut self, fields: &Fields<'_>) -> Vec<String> {
        let mut conditions = Vec::new();
        for (element, path) in self.elements(fields, "conditions", MAX_CONDITIONS) {
            match element {
                Value::String(text) if text.chars().count() > 2000 => {
                    self.report("over_limit", &path, "a condition has at most 2000 characters".to_owned());
                }
                Value::String(text) if !text.trim().is_empty() => conditions.push(text.clone()),
                _ => self.report("invalid_value", &path, "a condition is a text that is not empty".to_owned()),
            }
        }
        conditions
    }

    fn replaced_states(&mut self, fields: &Fields<'_>) -> Vec<(String, String)> {
        let Some((value, path)) = fields.get("replaced_states") else { return Vec::new() };
        let Value::Object(members) = value else {
            self.report("invalid_value", path, format!("\"replaced_states\" is an object, not {}", kind(value)));
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (old, new) in members {
            match new {
                Value::String(new) => pairs.push((old.clone(), new.clone())),
                _ => self.report("invalid_value", &child(path, old), "the name of a state is a text".to_owned()),
            }
        }
        pairs
    }

    fn fields<'v>(&mut self, members: &'v Map<String, Value>, path: &str, known: &[Key]) -> Fields<'v> {
        let mut fields = Fields::new();
        for (spelling, value) in members {
            let key = snake_case(spelling);
            let canonical = known.iter().find(|(name, others)| *name == key || others.contains(&key.as_str()));
            let Some((canonical, _)) = canonical else {
                self.report("unknown_key", &child(path, spelling), format!("{spelling:?} is no key of this object"));
                continue;
            };
            if value.is_null() {
                continue;
            }
            if fields.insert(canonical, (value, child(path, spelling))).is_some() {
                let message = format!("{spelling:?} is another spelling of a key that is there already");
                self.report("duplicate_key", &child(path, spelling), message);
            }
        }
        fields
    }

    /// The elements of an array with their places; none if it is missing, or none that can be told.
    fn elements<'v>(&mut self, fields: &Fields<'v>, key: &str, most: usize) -> Vec<(&'v Value, String)> {
        let Some((value, path)) = fields.get(key) else { return Vec::new() };
        let Value::Array(elements) = value else {
            self.report("invalid_value", path, format!("{key:?} is an array, not {}", kind(value)));
            self.places.incomplete = true;
            return Vec::new();
        };
        if elements.len() > most {
            self.report("over_limit", path, format!("{key:?} has {} elements, more than {most}", elements.len()));
            self.places.incomplete = true;
        }
        elements.iter().take(most).enumerate().map(|(n, element)| (element, format!("{path}/{n}"))).collect()
    }

    fn required_text(&mut self, fields: &Fields<'_>, key: &'static str, path: &str, most: usize) -> Option<String> {
        let Some((_, at)) = fields.get(key) else {
            self.report("missing_key", path, format!("{key:?} is missing"));
            return None;
        };
        let text = self.text(fields, key, most)?;
        if text.trim().is_empty() {
            self.report("invalid_value", at, format!("{key:?} is empty"));
            return None;
        }
        Some(text)
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str, most: usize) -> Option<String> {
        let (value, path) = fields.get(key)?;
        let Value::String(text) = value else {
            self.report("invalid_value", path, format!("{key:?} is a text, not {}", kind(value)));
            return None;
        };
        let length = text.chars().count();
        if length > most {
            self.report("over_limit", path, format!("{key:?} has {length} characters, more than {most}"));
        }
        Some(text.clone())
    }

    fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let (value, path) = fields.get(key)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            self.report("invalid_value", path, format!("{key:?} is true or false, not {}", brief(value)));
        }
        boolean
    }

    fn object(&mut self, fields: &Fields<'_>, key: &str) -> Option<Value> {
        let (value, path) = fields.get(key)?;
        if !value.is_object() {
            self.report("invalid_value", path, format!("{key:?} is an object, not {}", kind(value)));
            return None;
        }
        Some((*value).clone())
    }
}

fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
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
