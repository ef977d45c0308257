//! A workflow as the host's tables hold it, made into the document that [`super::to_journey`] reads.

use super::fault::{Fault, element, member};
use serde_json::{Map, Value, json};

/// `rows` is `{workflow, blocks, edges, subflows, state}`: rows as objects of their columns, in either version of the
/// host, and the state of the deployed version, if there is one to use instead.
pub fn from_host_rows(rows: &str) -> Result<Value, Fault> {
    let rows: Value = serde_json::from_str(rows).map_err(|error| Fault::new("$", error.to_string()))?;
    let workflow = &rows["workflow"];
    let about = json!({
        "id": workflow["id"], "name": workflow["name"], "description": workflow["description"]
    });
    if let Some(state) = rows.get("state").filter(|state| state.is_object()) {
        return Ok(json!({"workflow": about, "state": state}));
    }
    let mut blocks = Map::new();
    for (index, row) in listed(&rows, "blocks").enumerate() {
        let path = element(&member("$", "workflow_blocks"), index);
        let id = row["id"].as_str().ok_or_else(|| Fault::new(&member(&path, "id"), "missing"))?;
        blocks.insert(id.to_owned(), block(row));
    }
    let mut edges: Vec<Value> = listed(&rows, "edges")
        .map(|row| {
            json!({"id": row["id"], "source": row["source_block_id"], "target": row["target_block_id"],
                "sourceHandle": row["source_handle"], "targetHandle": row["target_handle"]})
        })
        .collect();
    // Rows have no order of their own.
    edges.sort_by_cached_key(|edge| edge["id"].as_str().unwrap_or_default().to_owned());
    let subflows: Map<String, Value> = listed(&rows, "subflows")
        .filter_map(|row| Some((row["id"].as_str()?.to_owned(), row["config"].clone())))
        .collect();
    Ok(json!({"workflow": about, "state": {"blocks": blocks, "edges": edges, "subflows": subflows}}))
}

fn listed<'r>(rows: &'r Value, key: &str) -> impl Iterator<Item = &'r Value> {
    rows.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn block(row: &Value) -> Value {
    let mut data = row["data"].as_object().cloned().unwrap_or_default();
    // A column of older versions, which wins there.
    if let Some(parent) = row["parent_id"].as_str() {
        data.insert("parentId".to_owned(), json!(parent));
    }
    json!({
        "id": row["id"], "type": row["type"], "name": row["name"], "enabled": row["enabled"],
        "position": {"x": row["position_x"], "y": row["position_y"]}, "triggerMode": row["trigger_mode"],
        "retry": row["retry"], "subBlocks": row["sub_blocks"], "data": data,
    })
}
