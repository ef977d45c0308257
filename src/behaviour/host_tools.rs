//! The host's custom tools and MCP servers, as tools of ours could be made of them.

use super::host::read;
use crate::context::{PERMISSION, WORKSPACE_ID};
use crate::error::{error, internal};
use crate::json::JsonbOut;
use crate::privilege::is_restricted;
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use serde_json::{Value, json};

struct HostTool {
    kind: &'static str,
    id: String,
    name: String,
    title: String,
    description: String,
    /// JSON Schema of the arguments, or what is wrong with it.
    parameters: Result<Value, String>,
    enabled: bool,
}

/// What the host has in a workspace that can be a tool.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "this is how pgrx declares a table")]
fn host_tools(
    workspace_id: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, &'static str),
            name!(id, String),
            name!(name, String),
            name!(title, String),
            name!(description, String),
            name!(parameters, Option<JsonbOut>),
            name!(problem, Option<String>),
            name!(enabled, bool),
        ),
    >,
    ErrorReport,
> {
    check_permission(workspace_id)?;
    let tools = read(|client, host| {
        let mut tools = custom_tools(client, host, workspace_id)?;
        tools.extend(mcp_servers(client, host, workspace_id)?);
        Ok(tools)
    })?;
    Ok(TableIterator::new(tools.into_iter().map(|tool| {
        let (parameters, problem) = match tool.parameters {
            Ok(parameters) => (Some(JsonbOut(parameters.to_string())), None),
            Err(problem) => (None, Some(problem)),
        };
        (tool.kind, tool.id, tool.name, tool.title, tool.description, parameters, problem, tool.enabled)
    })))
}

/// The host's tables are read past the client's own rights, so the client must be allowed to write in the workspace.
fn check_permission(workspace_id: &str) -> Result<(), ErrorReport> {
    let tools = PgRelation::open_with_name_and_share_lock("parlant.parlant_tool").map_err(internal)?;
    let may_write = matches!(PERMISSION.get().as_deref(), Some("write" | "admin"));
    if is_restricted(&tools) && !(may_write && WORKSPACE_ID.get().as_deref() == Some(workspace_id)) {
        return Err(error(
            ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("you may not write tools of workspace \"{workspace_id}\""),
            "The transaction has not entered it with permission write or admin.".to_owned(),
            "Enter the workspace with parlant.enter_workspace first.",
        ));
    }
    Ok(())
}

fn custom_tools(
    client: &SpiClient<'_>,
    host: &super::host::Host,
    workspace: &str,
) -> Result<Vec<HostTool>, ErrorReport> {
    let table = host.table(client, "custom_tools", &["id", "title", "schema"])?;
    // Before they had a workspace, they were their user's, in all workspaces of the user.
    let is_ours = if table.has("workspace_id") {
        "workspace_id = $1".to_owned()
    } else {
        let permissions = host.table(client, "permissions", &["user_id", "entity_type", "entity_id"])?;
        format!(
            "user_id IN (SELECT user_id FROM {} WHERE entity_type = 'workspace' AND entity_id = $1)",
            permissions.name
        )
    };
    let statement =
        format!("SELECT id, title, schema::text FROM {} WHERE {is_ours} ORDER BY created_at, id", table.name);
    let mut tools = Vec::new();
    for row in client.select(statement.as_str(), None, &[workspace.into()]).map_err(internal)? {
        let text = |column| row.get::<String>(column).map(Option::unwrap_or_default).map_err(internal);
        let (id, title, schema) = (text(1)?, text(2)?, text(3)?);
        tools.push(custom_tool(id, title, &schema));
    }
    Ok(tools)
}

/// The host keeps the schema as OpenAI's APIs take it: `{"type": "function", "function": {…}}`.
fn custom_tool(id: String, title: String, schema: &str) -> HostTool {
    let parsed: Result<Value, String> =
        serde_json::from_str(schema).map_err(|e| format!("its schema is not JSON: {e}"));
    let function = parsed.as_ref().ok().and_then(|schema| schema.get("function").or(Some(schema)));
    let text =
        |key: &str| function.and_then(|f| f.get(key)).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let name = text("name").unwrap_or(&title).to_owned();
    let description = text("description").unwrap_or(&title).to_owned();
    let parameters = match function.and_then(|function| function.get("parameters")) {
        // jsonb, unlike the host's json, cannot hold it.
        Some(parameters) if parameters.to_string().contains("\\u0000") => Err("its schema contains \\u0000".to_owned()),
        Some(parameters @ Value::Object(_)) => Ok(parameters.clone()),
        Some(_) => Err("its parameters are no object".to_owned()),
        None => Ok(json!({"type": "object", "properties": {}})),
    };
    let parameters = parsed.map(|_| ()).and(parameters);
    HostTool { kind: "custom_tool", id, name, title, description, parameters, enabled: true }
}

fn mcp_servers(
    client: &SpiClient<'_>,
    host: &super::host::Host,
    workspace: &str,
) -> Result<Vec<HostTool>, ErrorReport> {
    let table = host.table(client, "mcp_servers", &["id", "workspace_id", "name", "description", "enabled"])?;
    let live = table.conditions(&[("deleted_at", "deleted_at IS NULL")]);
    let statement = format!(
        "SELECT id, name, description, enabled FROM {} WHERE workspace_id = $1{live} ORDER BY created_at, id",
        table.name
    );
    let mut tools = Vec::new();
    for row in client.select(statement.as_str(), None, &[workspace.into()]).map_err(internal)? {
        let text = |column| row.get::<String>(column).map_err(internal);
        let title = text(2)?.unwrap_or_default();
        let description = text(3)?.filter(|description| !description.trim().is_empty());
        tools.push(HostTool {
            kind: "mcp_server",
            id: text(1)?.unwrap_or_default(),
            name: format!("mcp_{title}"),
            description: description.unwrap_or_else(|| format!("Calls a tool of the MCP server {title}.")),
            title,
            // The host does not keep which tools a server has.
            parameters: Ok(json!({
                "type": "object", "required": ["tool"], "additionalProperties": false,
                "properties": {
                    "tool": {"type": "string", "description": "Name of the server's tool"},
                    "arguments": {"type": "object", "description": "Arguments of the server's tool"}
                }
            })),
            enabled: row.get::<bool>(4).map_err(internal)?.unwrap_or(true),
        });
    }
    Ok(tools)
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test(error = "no host application is linked")]
    fn host_tools_needs_a_host() {
        Spi::run("SELECT FROM parlant.host_tools('acme')").unwrap();
    }
}
