//! What a block says and does: its prompt, its configuration, its links to things of the host.

use super::branch::{listed, twin};
use super::read::Block;
use super::reference::{References, plain_text};
use super::secret::{is_only_a_reference, redact};
use serde_json::{Map, Value, json};

/// Values without secrets, with references as template variables.
pub(super) struct Cleaner<'r> {
    references: &'r References,
    /// Names of the fields that held a secret.
    pub(super) removed: Vec<String>,
}

impl<'r> Cleaner<'r> {
    pub(super) fn new(references: &'r References) -> Self {
        Cleaner { references, removed: Vec::new() }
    }

    /// A text without secrets, its references as they are.
    pub(super) fn plain(&mut self, key: &str, text: &str) -> String {
        match redact(text) {
            Some(kept) => {
                self.removed.push(key.to_owned());
                kept
            }
            None => text.to_owned(),
        }
    }

    /// Recursion is safe: reading has bounded the depth.
    pub(super) fn value(&mut self, key: &str, value: &Value) -> Option<Value> {
        if self.references.is_secret_key(key) && !self.names_a_secret(value) {
            if !is_empty(value) {
                self.removed.push(key.to_owned());
            }
            return None;
        }
        match value {
            Value::Null => None,
            Value::String(text) => {
                let text = self.plain(key, text);
                Some(Value::String(self.references.template(&text)))
            }
            Value::Array(elements) => Some(elements.iter().filter_map(|element| self.value("", element)).collect()),
            Value::Object(members) => Some(Value::Object(self.object(members))),
            Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        }
    }

    pub(super) fn object(&mut self, members: &Map<String, Value>) -> Map<String, Value> {
        let named = ["Key", "key", "name"].into_iter().find_map(|key| members.get(key)?.as_str());
        let mut kept = Map::new();
        for (key, value) in members {
            // A row of a table names its value in a cell beside it.
            let is_cell = key.eq_ignore_ascii_case("value");
            let meaning = named.filter(|_| is_cell).unwrap_or(key);
            if let Some(value) = self.value(meaning, value) {
                kept.insert(key.clone(), value);
            }
        }
        kept
    }

    fn names_a_secret(&self, value: &Value) -> bool {
        value.as_str().is_some_and(is_only_a_reference)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// What a talking block says, with references as they are; empty if it says nothing.
pub(super) fn prompt(kind: &str, fields: &Map<String, Value>) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(Ok(messages)) = fields.get("messages").map(listed) {
        parts.extend(messages.iter().filter_map(|message| message.get("content")).map(plain_text));
    }
    let texts = ["systemPrompt", "context", "userPrompt", "prompt", "message", "description", "content"];
    if parts.iter().all(|part| part.trim().is_empty()) {
        parts = texts.iter().filter_map(|key| fields.get(*key)).map(plain_text).collect();
    }
    if kind == "human_in_the_loop" {
        parts.extend(labelled_rows(fields, "builderData"));
        parts.extend(labelled_rows(fields, "inputFormat"));
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// What a response gives back.
pub(super) fn response(fields: &Map<String, Value>) -> String {
    match fields.get("data").filter(|data| !is_empty(data)) {
        Some(data) => plain_text(data).trim().to_owned(),
        None => labelled_rows(fields, "builderData").unwrap_or_default(),
    }
}

/// Rows `{name, value}` as lines.
fn labelled_rows(fields: &Map<String, Value>, key: &str) -> Option<String> {
    let rows = listed(fields.get(key)?).ok()?;
    let line = |row: &Value| {
        let name = row.get("name")?.as_str()?.trim().to_owned();
        let value = row.get("value").filter(|value| !is_empty(value)).map(plain_text);
        Some(match value {
            Some(value) => format!("{name}: {value}"),
            None => name,
        })
    };
    let lines: Vec<_> = rows.iter().filter_map(line).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The inputs that a trigger declares.
pub(super) fn inputs(block: &Block) -> Option<Value> {
    let format = block.fields.get("inputFormat")?;
    let rows = listed(&format).ok()?;
    let declared: Vec<Value> = rows
        .iter()
        .filter_map(|row| {
            let name = row.get("name")?.as_str().filter(|name| !name.trim().is_empty())?;
            let mut input = Map::from_iter([("name".to_owned(), json!(name))]);
            for key in ["type", "description"] {
                if let Some(text) = row.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
                    input.insert(key.to_owned(), json!(text));
                }
            }
            Some(Value::Object(input))
        })
        .collect();
    (!declared.is_empty()).then_some(Value::Array(declared))
}

/// The tool that a tool state calls, and its links to the host.
pub(super) fn tool(
    block: &Block,
    fields: &Map<String, Value>,
    tools: &Map<String, Value>,
) -> (String, Map<String, Value>) {
    let links = links(&block.kind, fields, &block.data);
    (named_tool(&links, tools).unwrap_or_else(|| tool_id(&block.kind, &links)), links)
}

/// The name of the tool that was made of the custom tool or MCP server that is linked.
fn named_tool(links: &Map<String, Value>, tools: &Map<String, Value>) -> Option<String> {
    let id = links.get("mcp_server_id").or_else(|| links.get("custom_tool_id"))?.as_str()?;
    tools.get(id)?.as_str().map(str::to_owned)
}

fn tool_id(kind: &str, links: &Map<String, Value>) -> String {
    let link = |key: &str| links.get(key).and_then(Value::as_str);
    match (kind, link("mcp_server_id"), link("mcp_tool"), link("custom_tool_id")) {
        ("mcp", Some(server), Some(tool), _) => format!("mcp-{server}-{tool}"),
        ("custom-tool", _, _, Some(id)) => id.to_owned(),
        ("", ..) => "unknown".to_owned(),
        _ => kind.to_owned(),
    }
}

fn links(kind: &str, fields: &Map<String, Value>, data: &Map<String, Value>) -> Map<String, Value> {
    let named: &[(&str, &[&str])] = match kind {
        "mcp" => &[("mcp_server_id", &["server", "serverId"]), ("mcp_tool", &["tool", "toolName"])],
        "custom-tool" => &[("custom_tool_id", &["customToolId"])],
        "knowledge" | "guardrails" => {
            &[("knowledge_base_id", &["knowledgeBaseId", "knowledgeBaseSelector", "manualKnowledgeBaseId"])]
        }
        "workflow" | "workflow_input" => &[("workflow_id", &["workflowId", "workflow", "manualWorkflowId"])],
        _ => &[],
    };
    let mut links = Map::new();
    for (link, keys) in named {
        if let Some(id) = twin(fields, data, keys) {
            links.insert((*link).to_owned(), json!(id));
        }
    }
    links
}

/// The tools that an agent may use.
pub(super) fn agent_tools(
    fields: &Map<String, Value>,
    cleaner: &mut Cleaner<'_>,
    tools_by_id: &Map<String, Value>,
) -> Result<Vec<Value>, String> {
    let Some(value) = fields.get("tools") else { return Ok(Vec::new()) };
    let none = Map::new();
    let mut tools = Vec::new();
    for tool in listed(value)?.iter() {
        let Some(tool) = tool.as_object() else { continue };
        if tool.get("usageControl").and_then(Value::as_str) == Some("none") {
            continue;
        }
        let text = |key: &str| tool.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let kind = text("type").unwrap_or_default();
        let params = tool.get("params").and_then(Value::as_object).unwrap_or(&none);
        let mut fields = params.clone();
        fields.extend(text("customToolId").map(|id| ("customToolId".to_owned(), json!(id))));
        let links = links(kind, &fields, &none);
        let mut kept = Map::new();
        let named = named_tool(&links, tools_by_id).or_else(|| text("toolId").map(str::to_owned));
        let named = named.unwrap_or_else(|| tool_id(kind, &links));
        kept.insert("tool_id".to_owned(), json!(named));
        kept.insert("type".to_owned(), json!(kind));
        for key in ["title", "operation", "usageControl"] {
            kept.extend(
                text(key).map(|text| (if key == "usageControl" { "usage" } else { key }.to_owned(), json!(text))),
            );
        }
        if !links.is_empty() {
            kept.insert("links".to_owned(), Value::Object(links));
        }
        let arguments = cleaner.object(params);
        if !arguments.is_empty() {
            kept.insert("arguments".to_owned(), Value::Object(arguments));
        }
        for key in ["schema", "code"] {
            if let Some(value) = tool.get(key).and_then(|value| cleaner.value(key, value)) {
                kept.insert(key.to_owned(), value);
            }
        }
        tools.push(Value::Object(kept));
    }
    Ok(tools)
}
