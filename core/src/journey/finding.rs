//! What can be wrong with a journey.

/// How bad a finding is. Errors keep a journey from being created, and sessions from entering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Info,
}

impl Severity {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable: programs may rely on it.
    pub code: &'static str,
    /// Place in the document, as a JSON Pointer; empty for the whole of it.
    pub path: String,
    /// Name of the state that it is about.
    pub state: Option<String>,
    /// The transition that it is about, as `from -> to`.
    pub transition: Option<String>,
    pub message: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, code: &'static str, path: impl Into<String>, message: String) -> Self {
        Finding { severity, code, path: path.into(), state: None, transition: None, message }
    }

    pub(super) fn error(code: &'static str, path: impl Into<String>, message: String) -> Self {
        Finding::new(Severity::Error, code, path, message)
    }

    pub(super) fn of_state(mut self, name: &str) -> Self {
        self.state = Some(name.to_owned());
        self
    }

    pub(super) fn of_transition(mut self, transition: String) -> Self {
        self.transition = Some(transition);
        self
    }

    /// The way out.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.code {
            "malformed" => "Send one JSON object with title, states and transitions.",
            "unknown_key" => "Check the spelling; docs/journeys.md lists the keys.",
            "duplicate_key" => "A key may be spelt in snake_case or in camelCase, once.",
            "missing_key" => "Add the key.",
            "invalid_value" => "Send a value of the type that is named.",
            "over_limit" => "Shorten it, or split the journey.",
            "no_states" => "Add a state that is initial and one that is final.",
            "no_initial_state" => "Mark the state that sessions enter with \"is_initial\": true.",
            "multiple_initial_states" => "Leave \"is_initial\": true at one state only.",
            "duplicate_state_name" => "Give each state a name of its own.",
            "unknown_state" => "Name a state of this journey, exactly as it is written there.",
            "final_state_has_outgoing" => "Remove the transition, or make the state one that is not final.",
            "initial_state_is_final" => "Make another state the initial or the final one, or remove the other states.",
            "unreachable_state" => "Add a transition that leads to it, or remove it.",
            "dead_end_state" => "Add a transition that leaves it, or make it final.",
            "no_path_to_final" => "Add a transition towards a final state.",
            "missing_prompt" => "Add what the agent says or asks in this state.",
            "missing_tool" => "Name the tool, by its name in the workspace or its id.",
            "missing_condition" => "Add the condition.",
            "unknown_tool" => "Create the tool in the workspace of the agent, or correct its name.",
            "disabled_tool" => "Enable the tool, or name another.",
            "tool_not_assigned" => "Assign the tool to the agent of the journey, and enable the assignment.",
            "duplicate_transition" => "Remove one, or give it another condition.",
            "ambiguous_transitions" => "Give them different priorities, or conditions.",
            "shadowed_transition" => "Give it a higher priority than the unconditional one, or remove it.",
            "decision_without_default" => "Add a transition without condition, with the lowest priority.",
            "decision_loop" => "Break the cycle with a state that waits: a chat or tool state.",
            "invalid_condition" => "Correct the CEL expression, or make its condition_kind natural.",
            "self_transition" => "Nothing to do, if the state is meant to repeat.",
            "unused_variable" => "Use the variable in the expression, or drop the macro that binds it.",
            _ => "",
        }
    }
}

/// A JSON Pointer one step further (RFC 6901).
pub(super) fn child(path: &str, step: &str) -> String {
    format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"))
}
