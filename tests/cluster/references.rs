//! Every reference between the tables, with a row that obeys it and changes that break it.

use crate::with_ids;

/// For each table that refers to another a row that could be added to workspace acme, but for `workspace_id`.
pub const ROWS: &[(&str, &str)] = &[
    ("parlant_agent_api_key", "agent_id = :agent1, api_key_id = 'other', purpose = 'llm'"),
    ("parlant_agent_knowledge_base", "agent_id = :agent1, knowledge_base_id = 'other'"),
    ("parlant_agent_tool", "agent_id = :agent2, tool_id = :tool1"),
    ("parlant_agent_workflow", "agent_id = :agent1, workflow_id = 'other', integration_type = 'both'"),
    ("parlant_canned_response", "agent_id = :agent1, template = 't'"),
    (
        "parlant_conversion_history",
        "conversion_id = 'other', workflow_id = 'w', status = 'queued', agent_id = :agent1, template_id = :template1",
    ),
    ("parlant_event", r#"session_id = :session2, "offset" = 0, event_type = 'status_update', content = '{}'"#),
    ("parlant_guideline", "agent_id = :agent1, condition = 'c', action = 'a'"),
    ("parlant_journey", "agent_id = :agent1, title = 'other', conditions = '[]'"),
    ("parlant_journey_guideline", "agent_id = :agent2, journey_id = :journey2, guideline_id = :guideline2"),
    ("parlant_journey_state", "journey_id = :journey1, name = 'other', state_type = 'final', is_final = true"),
    ("parlant_journey_transition", "journey_id = :journey1, from_state_id = :ask1, to_state_id = :ask1"),
    ("parlant_session", "agent_id = :agent1, current_journey_id = :journey1, current_state_id = :ask1"),
    ("parlant_session_workflow", "session_id = :session1, workflow_id = 'w', trigger_reason = 'r'"),
    ("parlant_template_parameter", "template_id = :template1, name = 'other', type = 'json', description = 'd'"),
    ("parlant_term", "agent_id = :agent1, name = 'other', description = 'd'"),
    ("parlant_tool_call", "tool_id = :tool1, number = 2"),
    ("parlant_tool_integration", "parlant_tool_id = :tool1, integration_type = 'mcp_server', target_id = 't'"),
    (
        "parlant_variable",
        "agent_id = :agent1, session_id = :session1, key = 'other', value = '1', value_type = 'number'",
    ),
];

pub struct Reference {
    pub table: &'static str,
    pub constraint: &'static str,
    pub column: &'static str,
    pub on_delete: OnDelete,
    /// Changes to the row of `ROWS` that make it refer to a row it must not refer to: of another workspace, then, where
    /// the rows have more in common than that, of another parent.
    pub strangers: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
pub enum OnDelete {
    Cascade,
    SetNull,
}

use OnDelete::{Cascade, SetNull};

const fn reference(
    table: &'static str,
    constraint: &'static str,
    column: &'static str,
    on_delete: OnDelete,
    strangers: &'static [&'static str],
) -> Reference {
    Reference { table, constraint, column, on_delete, strangers }
}

const RIVAL_AGENT: &[&str] = &["agent_id = :rival_agent"];
const RIVAL_SESSION: &[&str] = &["session_id = :rival_session"];

#[rustfmt::skip]
pub const REFERENCES: &[Reference] = &[
    reference("parlant_agent_api_key", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_knowledge_base", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_tool", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_tool", "tool_is_in_the_workspace", "tool_id", Cascade, &["tool_id = :rival_tool"]),
    reference("parlant_agent_workflow", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_canned_response", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_conversion_history", "agent_is_in_the_workspace", "agent_id", SetNull, RIVAL_AGENT),
    reference("parlant_conversion_history", "template_is_in_the_workspace", "template_id", SetNull,
        &["template_id = :rival_template"]),
    reference("parlant_event", "session_is_in_the_workspace", "session_id", Cascade, RIVAL_SESSION),
    reference("parlant_guideline", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_journey", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_journey_guideline", "journey_belongs_to_the_agent", "journey_id", Cascade,
        &["journey_id = :rival_journey", "journey_id = :journey1"]),
    reference("parlant_journey_guideline", "guideline_belongs_to_the_agent", "guideline_id", Cascade,
        &["guideline_id = :rival_guideline", "guideline_id = :guideline1"]),
    reference("parlant_journey_state", "journey_is_in_the_workspace", "journey_id", Cascade,
        &["journey_id = :rival_journey"]),
    reference("parlant_journey_transition", "journey_is_in_the_workspace", "journey_id", Cascade,
        &["journey_id = :rival_journey"]),
    reference("parlant_journey_transition", "from_state_is_in_the_journey_and_not_final", "from_state_id", Cascade,
        &["from_state_id = :rival_ask", "from_state_id = :ask2", "from_state_id = :done1"]),
    reference("parlant_journey_transition", "to_state_is_in_the_journey", "to_state_id", Cascade,
        &["to_state_id = :rival_ask", "to_state_id = :ask2"]),
    reference("parlant_session", "agent_is_in_the_workspace", "agent_id", Cascade,
        &["agent_id = :rival_agent, current_journey_id = NULL, current_state_id = NULL"]),
    reference("parlant_session", "journey_belongs_to_the_agent", "current_journey_id", SetNull,
        &["current_journey_id = :rival_journey, current_state_id = NULL",
          "current_journey_id = :journey2, current_state_id = NULL"]),
    reference("parlant_session", "state_belongs_to_the_journey", "current_state_id", SetNull,
        &["current_state_id = :rival_ask", "current_state_id = :ask2"]),
    reference("parlant_session_workflow", "session_is_in_the_workspace", "session_id", Cascade, RIVAL_SESSION),
    reference("parlant_template_parameter", "template_is_in_the_workspace", "template_id", Cascade,
        &["template_id = :rival_template"]),
    reference("parlant_term", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_tool_call", "tool_is_in_the_workspace", "tool_id", Cascade, &["tool_id = :rival_tool"]),
    reference("parlant_tool_integration", "tool_is_in_the_workspace", "parlant_tool_id", Cascade,
        &["parlant_tool_id = :rival_tool"]),
    reference("parlant_variable", "agent_is_in_the_workspace", "agent_id", Cascade,
        &["agent_id = :rival_agent, session_id = NULL, scope = 'agent'"]),
    reference("parlant_variable", "session_belongs_to_the_agent", "session_id", Cascade,
        &["session_id = :rival_session", "session_id = :session2"]),
];

/// The id of the row that a test adds.
pub const NEW: &str = "'eeeeeeee-0000-4000-8000-000000000000'";

/// Columns with their values.
#[derive(Clone)]
pub struct Values(Vec<(String, String)>);

impl Values {
    /// The row of `ROWS`, under the id `NEW`.
    pub fn of(table: &str) -> Values {
        let row = ROWS.iter().find(|(name, _)| *name == table).unwrap_or_else(|| panic!("ROWS has none for {table}"));
        Values(Vec::new()).with(row.1).with(&format!("id = {NEW}"))
    }

    /// With what the assignments add or change.
    pub fn with(&self, assignments: &str) -> Values {
        let mut values = self.clone();
        for assignment in assignments.split(", ") {
            let (column, value) = assignment.split_once(" = ").expect("column = value");
            values = values.without(column);
            values.0.push((column.to_owned(), value.to_owned()));
        }
        values
    }

    pub fn without(mut self, column: &str) -> Values {
        self.0.retain(|(name, _)| name != column);
        self
    }

    pub fn get(&self, column: &str) -> &str {
        &self.0.iter().find(|(name, _)| name == column).expect("a column of the row").1
    }

    pub fn insert(&self, table: &str) -> String {
        let columns: Vec<_> = self.0.iter().map(|(column, _)| column.as_str()).collect();
        let values: Vec<_> = self.0.iter().map(|(_, value)| value.as_str()).collect();
        with_ids(&format!("INSERT INTO parlant.{table} ({}) VALUES ({})", columns.join(", "), values.join(", ")))
    }
}
