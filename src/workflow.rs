//! Workflows of the host application as journeys, and journeys as workflows.

use crate::context::{CUSTOMER_ID, WORKSPACE_ID};
use crate::error::{error, internal};
use crate::json::{Jsonb, JsonbMade};
use crate::owner::as_owner_of;
use crate::statement::kept;
use parlant_core::workflow::{self, Fault};
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::{
    ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_NO_DATA_FOUND, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, TEXTOID};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, quote_qualified_identifier};

/// Tables of the host that hold workflows.
const TABLES: [&str; 5] =
    ["workflow", "workflow_blocks", "workflow_edges", "workflow_subflows", "workflow_deployment_version"];

/// The journey that a workflow makes: `definition`, a journey document; `mapping`, the state of each block; `warnings`,
/// what was not kept as it was.
///
/// # Errors
/// 22023 if the document is no workflow, or larger than allowed, with the path of what is wrong.
#[pg_extern(immutable, strict, parallel_safe)]
fn workflow_to_journey(
    workflow: Jsonb,
    parameters: default!(Jsonb, "'{}'"),
    tools: default!(Jsonb, "'{}'"),
) -> Result<JsonbMade, ErrorReport> {
    Ok(JsonbMade::of(workflow::to_journey(&workflow, &parameters, &tools).map_err(unfit)?.document()))
}

fn unfit(fault: Fault) -> ErrorReport {
    error(
        ERRCODE_INVALID_PARAMETER_VALUE,
        "the document is no workflow that can become a journey".to_owned(),
        fault.to_string(),
        "docs/workflows.md lists the forms that are accepted, and the limits.",
    )
}

/// The workflow that a journey document makes.
#[pg_extern(immutable, strict, parallel_safe)]
fn journey_definition_to_workflow(definition: Jsonb) -> Result<JsonbMade, ErrorReport> {
    let workflow = workflow::to_workflow(&definition).map_err(|fault| {
        error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the document is no journey".to_owned(),
            fault.to_string(),
            "parlant.validate_journey_definition shows all that is wrong with it.",
        )
    })?;
    Ok(JsonbMade::of(&workflow))
}

/// A workflow of the linked host as one document: the active deployed version, or else the blocks in the editor, and
/// always those if `draft`.
///
/// Runs with the rights of the owner of parlant's tables, who reads the host's, so it decides itself who may: roles
/// that cannot bypass row-level security read workflows of the workspace that they have entered, as users.
#[pg_extern(strict)]
fn host_workflow(
    workspace_id: &str,
    workflow_id: &str,
    draft: default!(bool, "false"),
) -> Result<JsonbMade, ErrorReport> {
    let link = PgRelation::open_with_name_and_share_lock("parlant.parlant_host_link").map_err(internal)?;
    // SAFETY: both functions only read the catalog and the backend's identity.
    let is_exempt = unsafe { pg_sys::has_bypassrls_privilege(pg_sys::GetUserId()) };
    if !is_exempt {
        let entered = WORKSPACE_ID.get().is_some_and(|entered| entered == workspace_id);
        if !entered || CUSTOMER_ID.get().is_some() {
            return Err(not_found(workflow_id));
        }
    }
    let rows = as_owner_of(&link, || Spi::connect_mut(|client| rows(client, workspace_id, workflow_id, draft)))?;
    let rows = rows.ok_or_else(|| not_found(workflow_id))?;
    workflow::from_host_rows(&rows).map(|document| JsonbMade::of(&document)).map_err(unfit)
}

fn not_found(workflow_id: &str) -> ErrorReport {
    error(
        ERRCODE_NO_DATA_FOUND,
        format!("workflow \"{workflow_id}\" does not exist"),
        "The host has no such workflow in the workspace.".to_owned(),
        "Check the id. The workflow may be archived, or belong to a workspace that you cannot see.",
    )
}

fn rows(
    client: &mut SpiClient<'_>,
    workspace_id: &str,
    workflow_id: &str,
    draft: bool,
) -> Result<Option<String>, ErrorReport> {
    let plan = kept(client, "SELECT schema_name FROM parlant.parlant_host_link", &[])?;
    let found = client.select(plan, Some(1), &[]).map_err(internal)?;
    let schema = if found.is_empty() { None } else { found.first().get_one::<String>().map_err(internal)? };
    let Some(schema) = schema else {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "no host application is linked".to_owned(),
            "Workflows are read from the host's tables.".to_owned(),
            "Call parlant.link_host(), or hand the workflow over as a document to parlant.import_workflow.",
        ));
    };
    require_tables(client, &schema)?;
    let plan = kept(client, &query(&schema), &[TEXTOID, TEXTOID, BOOLOID])?;
    let arguments = [workflow_id.into(), workspace_id.into(), draft.into()];
    let found = client.select(plan, Some(1), &arguments).map_err(internal)?;
    if found.is_empty() {
        return Ok(None);
    }
    found.first().get_one::<String>().map_err(internal)
}

fn require_tables(client: &SpiClient<'_>, schema: &str) -> Result<(), ErrorReport> {
    let plan = kept(client, "SELECT pg_catalog.to_regclass($1) IS NULL", &[TEXTOID])?;
    for table in TABLES {
        let name = quote_qualified_identifier(schema, table);
        let missing = client.select(plan, Some(1), &[name.as_str().into()]).map_err(internal)?;
        if missing.first().get_one::<bool>().map_err(internal)? == Some(true) {
            return Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the host's tables in schema \"{schema}\" are not what parlant needs to read workflows"),
                format!("There is no table \"{table}\"."),
                "After an upgrade of the host update parlant, or hand the workflow over as a document.",
            ));
        }
    }
    Ok(())
}

/// All rows of one workflow as JSON text. Columns in which versions of the host differ are looked for in the rows.
///
/// The client's `search_path` holds here, so every operator, function and type is qualified.
fn query(schema: &str) -> String {
    let table = |name: &str| quote_qualified_identifier(schema, name);
    let column = |row: &str, name: &str| format!("(pg_catalog.to_jsonb({row}) OPERATOR(pg_catalog.->>) '{name}')");
    let equal = |column: &str, value: &str| format!("{column}::pg_catalog.text OPERATOR(pg_catalog.=) {value}");
    let belongs = |row: &str| equal(&format!("{row}.workflow_id"), "$1");
    let list = |name: &str| {
        format!(
            "(SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(part)) FROM {} AS part WHERE {})",
            table(name),
            belongs("part")
        )
    };
    format!(
        "SELECT pg_catalog.jsonb_build_object('workflow', pg_catalog.to_jsonb(workflow), 'blocks', {}, 'edges', {},
             'subflows', {}, 'state', CASE WHEN NOT $3 THEN (
                 SELECT pg_catalog.to_jsonb(deployed) OPERATOR(pg_catalog.->) 'state' FROM {} AS deployed
                 WHERE {} AND {} OPERATOR(pg_catalog.=) 'true'
                 ORDER BY {}::pg_catalog.int4 USING OPERATOR(pg_catalog.>) LIMIT 1) END)::pg_catalog.text
         FROM {} AS workflow
         WHERE {} AND {} AND {} IS NULL",
        list("workflow_blocks"),
        list("workflow_edges"),
        list("workflow_subflows"),
        table("workflow_deployment_version"),
        belongs("deployed"),
        column("deployed", "is_active"),
        column("deployed", "version"),
        table("workflow"),
        equal("workflow.id", "$1"),
        equal("workflow.workspace_id", "$2"),
        column("workflow", "archived_at"),
    )
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    fn json(sql: &str) -> serde_json::Value {
        Spi::get_one::<pgrx::JsonB>(sql).unwrap().unwrap().0
    }

    #[pg_test]
    fn workflow_to_journey_gives_definition_mapping_and_warnings() {
        let made = json(
            r#"SELECT parlant.workflow_to_journey('{"metadata": {"name": "Greet"}, "blocks": {
                "s": {"type": "start_trigger", "name": "Start"},
                "a": {"type": "agent", "name": "Hello", "subBlocks": {"userPrompt": {"value": "Hi <start.input>"}}}},
                "edges": [{"source": "s", "target": "a"}, {"id": "e", "source": "a", "target": "gone"}]}')"#,
        );
        assert_eq!(made["definition"]["title"], "Greet");
        assert_eq!(made["definition"]["states"][1]["prompt"], "Hi {{ start.input }}");
        assert_eq!(made["mapping"], serde_json::json!({"s": "Start", "a": "Hello"}));
        assert_eq!(made["warnings"][0]["code"], "dangling_edge");
        assert_eq!(made["warnings"][0]["edge"], "e");
    }

    #[pg_test]
    fn workflow_to_journey_is_null_for_null() {
        assert_eq!(Spi::get_one::<pgrx::JsonB>("SELECT parlant.workflow_to_journey(NULL)").unwrap().map(|j| j.0), None);
    }

    #[pg_test(error = "the document is no workflow that can become a journey")]
    fn workflow_to_journey_refuses_what_is_no_workflow() {
        Spi::run(r#"SELECT parlant.workflow_to_journey('{"blocks": 1}')"#).unwrap();
    }

    #[pg_test]
    fn a_journey_definition_comes_back_from_its_workflow() {
        let same = Spi::get_one::<bool>(
            r#"SELECT parlant.workflow_to_journey(parlant.journey_definition_to_workflow(definition)) -> 'definition'
                = definition
            FROM (VALUES ('{"title": "t", "states": [
                {"name": "a", "type": "chat", "is_initial": true, "prompt": "Hi {{ b.c }}"},
                {"name": "z", "type": "final"}],
                "transitions": [{"from": "a", "to": "z", "condition": "b.c > 1", "condition_kind": "expression"}]}'::jsonb))
                AS given (definition)"#,
        );
        assert_eq!(same, Ok(Some(true)));
    }

    #[pg_test(error = "no host application is linked")]
    fn host_workflow_needs_a_host() {
        Spi::run("SELECT parlant.host_workflow('w', 'f')").unwrap();
    }
}
