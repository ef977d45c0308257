//! A journey as plain data.

use serde_json::{Map, Value, json};

/// Most states of one journey: those of the largest workflow, which has two for a container, and some for the ends.
pub const MAX_STATES: usize = 25_000;
/// Most transitions of one journey.
pub const MAX_TRANSITIONS: usize = 100_000;

pub(super) const DEFAULT_PRIORITY: i32 = 100;

/// A journey with everything that a client can set: the parlant_journey row, its states, its transitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    pub title: String,
    pub description: Option<String>,
    /// Conditions of which one must hold for the journey to start, in natural language.
    pub conditions: Vec<String>,
    pub enabled: bool,
    pub allow_skipping: bool,
    pub allow_revisiting: bool,
    pub states: Vec<State>,
    pub transitions: Vec<Transition>,
    /// Only for a replacement: the state in which sessions go on that rest in one that is removed, as pairs of names.
    pub replaced_states: Vec<(String, String)>,
}

impl Default for Journey {
    fn default() -> Self {
        Journey {
            title: String::new(),
            description: None,
            conditions: Vec::new(),
            enabled: true,
            allow_skipping: true,
            allow_revisiting: true,
            states: Vec::new(),
            transitions: Vec::new(),
            replaced_states: Vec::new(),
        }
    }
}

/// A state of a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub name: String,
    pub state_type: StateType,
    pub is_initial: bool,
    /// What the agent says or asks: `chat_prompt` of the row.
    pub prompt: Option<String>,
    /// A tool's name in the workspace, or its id.
    pub tool_id: Option<String>,
    /// An object: parameters of the tool call.
    pub tool_config: Option<Value>,
    /// What a decision state decides, in natural language.
    pub condition: Option<String>,
    pub allow_skip: bool,
    /// An object: free data of the client.
    pub metadata: Value,
}

impl State {
    /// A state with a name and a type, and otherwise defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, state_type: StateType) -> Self {
        State {
            name: name.into(),
            state_type,
            is_initial: false,
            prompt: None,
            tool_id: None,
            tool_config: None,
            condition: None,
            allow_skip: true,
            metadata: json!({}),
        }
    }

    #[must_use]
    pub fn is_final(&self) -> bool {
        self.state_type == StateType::Final
    }
}

/// What happens in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateType {
    /// Waits for the customer.
    Chat,
    /// Waits for a tool.
    Tool,
    /// Only chooses the next state.
    Decision,
    /// Ends the journey.
    Final,
}

impl StateType {
    pub const ALL: [StateType; 4] = [StateType::Chat, StateType::Tool, StateType::Decision, StateType::Final];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StateType::Chat => "chat",
            StateType::Tool => "tool",
            StateType::Decision => "decision",
            StateType::Final => "final",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        StateType::ALL.into_iter().find(|state_type| state_type.name() == name)
    }
}

/// A way from one state to another, or to itself, both by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub from: String,
    pub to: String,
    /// None is always.
    pub condition: Option<String>,
    pub condition_kind: ConditionKind,
    /// 1 to 1000; the highest is tried first.
    pub priority: i32,
}

impl Transition {
    /// An unconditional transition of the default priority.
    #[must_use]
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Transition {
            from: from.into(),
            to: to.into(),
            condition: None,
            condition_kind: ConditionKind::Natural,
            priority: DEFAULT_PRIORITY,
        }
    }

    #[must_use]
    pub fn expression(&self) -> Option<&str> {
        self.condition.as_deref().filter(|_| self.condition_kind == ConditionKind::Expression)
    }

    pub(super) fn label(&self) -> String {
        format!("{} -> {}", self.from, self.to)
    }
}

/// Who judges a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionKind {
    /// The application's model: it is natural language.
    Natural,
    /// The database: it is a CEL expression.
    Expression,
}

impl ConditionKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConditionKind::Natural => "natural",
            ConditionKind::Expression => "expression",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [ConditionKind::Natural, ConditionKind::Expression].into_iter().find(|kind| kind.name() == name)
    }
}

impl Journey {
    /// The document in its normal form: canonical keys, and none that would only repeat a default. Reading it gives
    /// the same journey.
    #[must_use]
    pub fn into_json(self) -> Value {
        let usual = Journey::default();
        let mut document = Members::default();
        document.always("title", self.title);
        document.unless_none("description", self.description);
        document.unless("conditions", self.conditions, usual.conditions);
        document.unless("enabled", self.enabled, usual.enabled);
        document.unless("allow_skipping", self.allow_skipping, usual.allow_skipping);
        document.unless("allow_revisiting", self.allow_revisiting, usual.allow_revisiting);
        document.always("states", self.states.into_iter().map(State::into_json).collect::<Vec<_>>());
        document.unless("transitions", self.transitions.into_iter().map(Transition::into_json).collect(), Vec::new());
        let replaced = self.replaced_states.into_iter().map(|(old, new)| (old, new.into()));
        document.unless("replaced_states", replaced.collect(), Map::new());
        document.into_value()
    }
}

impl State {
    pub(crate) fn into_json(self) -> Value {
        let mut document = Members::default();
        document.always("name", self.name);
        document.always("type", self.state_type.name());
        document.unless("is_initial", self.is_initial, false);
        document.unless_none("prompt", self.prompt);
        document.unless_none("tool_id", self.tool_id);
        document.unless_none("tool_config", self.tool_config);
        document.unless_none("condition", self.condition);
        document.unless("allow_skip", self.allow_skip, true);
        document.unless("metadata", self.metadata, Value::Object(Map::new()));
        document.into_value()
    }
}

impl Transition {
    pub(crate) fn into_json(self) -> Value {
        let mut document = Members::default();
        document.always("from", self.from);
        document.always("to", self.to);
        document.unless_none("condition", self.condition);
        document.unless("condition_kind", self.condition_kind.name(), ConditionKind::Natural.name());
        document.unless("priority", self.priority, DEFAULT_PRIORITY);
        document.into_value()
    }
}

#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn always(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn unless<T: Into<Value> + PartialEq>(&mut self, key: &str, value: T, usual: T) {
        if value != usual {
            self.always(key, value);
        }
    }

    fn unless_none(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.always(key, value);
        }
    }

    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
