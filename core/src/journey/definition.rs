//! A journey as plain data.

use crate::jsonb::{Packed, Tree};

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
    pub tool_config: Option<Packed>,
    /// What a decision state decides, in natural language.
    pub condition: Option<String>,
    pub allow_skip: bool,
    /// An object that is not empty: free data of the client.
    pub metadata: Option<Packed>,
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
            metadata: None,
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
    pub fn document(&self) -> Tree<'_> {
        let mut members = vec![("title", Tree::Text(&self.title))];
        members.extend(self.description.as_deref().map(|text| ("description", Tree::Text(text))));
        let usual = Journey::default();
        for (key, flag, usual) in [
            ("enabled", self.enabled, usual.enabled),
            ("allow_skipping", self.allow_skipping, usual.allow_skipping),
            ("allow_revisiting", self.allow_revisiting, usual.allow_revisiting),
        ] {
            members.extend((flag != usual).then_some((key, Tree::Bool(flag))));
        }
        if !self.conditions.is_empty() {
            members.push(("conditions", Tree::array(&self.conditions, |text| Tree::Text(text))));
        }
        members.push(("states", Tree::array(&self.states, State::document)));
        if !self.transitions.is_empty() {
            members.push(("transitions", Tree::array(&self.transitions, Transition::document)));
        }
        if !self.replaced_states.is_empty() {
            let replaced = self.replaced_states.iter().map(|(old, new)| (old.as_str(), Tree::Text(new)));
            members.push(("replaced_states", Tree::Object(replaced.collect())));
        }
        Tree::Object(members)
    }
}

impl State {
    pub(crate) fn document(&self) -> Tree<'_> {
        let mut members = vec![("name", Tree::Text(&self.name)), ("type", Tree::Text(self.state_type.name()))];
        members.extend(self.is_initial.then_some(("is_initial", Tree::Bool(true))));
        members.extend(self.prompt.as_deref().map(|text| ("prompt", Tree::Text(text))));
        members.extend(self.tool_id.as_deref().map(|text| ("tool_id", Tree::Text(text))));
        members.extend(self.tool_config.as_ref().map(|config| ("tool_config", Tree::Node(config.root()))));
        members.extend(self.condition.as_deref().map(|text| ("condition", Tree::Text(text))));
        members.extend((!self.allow_skip).then_some(("allow_skip", Tree::Bool(false))));
        members.extend(self.metadata.as_ref().map(|metadata| ("metadata", Tree::Node(metadata.root()))));
        Tree::Object(members)
    }
}

impl Transition {
    pub(crate) fn document(&self) -> Tree<'_> {
        let mut members = vec![("from", Tree::Text(&self.from)), ("to", Tree::Text(&self.to))];
        members.extend(self.condition.as_deref().map(|text| ("condition", Tree::Text(text))));
        if self.condition_kind != ConditionKind::Natural {
            members.push(("condition_kind", Tree::Text(self.condition_kind.name())));
        }
        if self.priority != DEFAULT_PRIORITY {
            members.push(("priority", Tree::Integer(self.priority.into())));
        }
        Tree::Object(members)
    }
}
