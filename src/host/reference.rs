//! The foreign keys of our tables to the host's.

/// A foreign key to a table of the host, if it has that table.
pub(super) struct Reference {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) host_table: &'static str,
    pub(super) constraint: &'static str,
    pub(super) on_delete: &'static str,
}

const fn cascade(
    table: &'static str,
    column: &'static str,
    host_table: &'static str,
    constraint: &'static str,
) -> Reference {
    Reference { table, column, host_table, constraint, on_delete: "CASCADE" }
}

const fn set_null(
    table: &'static str,
    column: &'static str,
    host_table: &'static str,
    constraint: &'static str,
) -> Reference {
    Reference { table, column, host_table, constraint, on_delete: "SET NULL" }
}

/// Every foreign key to the host, in the order in which their tables are locked.
///
/// Of a workspace's rows only the roots refer to it: what hangs below an agent, a tool or a template is deleted with
/// that, and a message must not lock the row of its workspace. Never anything but `CASCADE` and `SET NULL`, or the
/// host could not delete its own rows.
pub(super) const REFERENCES: &[Reference] = &[
    cascade("parlant_agent_api_key", "api_key_id", "api_key", "api_key_is_in_the_host"),
    cascade("parlant_agent_knowledge_base", "knowledge_base_id", "knowledge_base", "knowledge_base_is_in_the_host"),
    set_null("parlant_agent", "created_by", "user", "creator_is_a_user_of_the_host"),
    set_null("parlant_conversion_history", "user_id", "user", "user_is_in_the_host"),
    set_null("parlant_session", "user_id", "user", "user_is_in_the_host"),
    set_null("parlant_workflow_template", "created_by", "user", "creator_is_a_user_of_the_host"),
    cascade("parlant_workspace_member", "user_id", "user", "user_is_in_the_host"),
    cascade("parlant_agent_workflow", "workflow_id", "workflow", "workflow_is_in_the_host"),
    cascade("parlant_session_workflow", "workflow_id", "workflow", "workflow_is_in_the_host"),
    cascade("parlant_agent", "workspace_id", "workspace", "workspace_is_in_the_host"),
    cascade("parlant_conversion_history", "workspace_id", "workspace", "workspace_is_in_the_host"),
    cascade("parlant_tool", "workspace_id", "workspace", "workspace_is_in_the_host"),
    cascade("parlant_variable", "workspace_id", "workspace", "workspace_is_in_the_host"),
    cascade("parlant_workflow_template", "workspace_id", "workspace", "workspace_is_in_the_host"),
    cascade("parlant_workspace_member", "workspace_id", "workspace", "workspace_is_in_the_host"),
];

/// Tables of the host that our columns name rows of, without a foreign key, and why.
pub(super) const UNREFERENCED: &[(&str, &str)] = &[
    ("custom_tools", "parlant_tool_integration.target_id names rows of several tables, which no foreign key can."),
    ("mcp_servers", "parlant_tool_integration.target_id names rows of several tables, which no foreign key can."),
];

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "parlant.{} ({}), ON DELETE {}", self.table, self.column, self.on_delete)
    }
}
