//! Workflows that are imported: what is stored, what changes when one is imported again, and who may read the host's.

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};
use serde_json::{Value, json};

/// A schema name that must be quoted everywhere.
const SCHEMA: &str = r#""Sim's ""host""""#;

struct World {
    database: Database<'static>,
    connection: Connection,
}

fn world() -> World {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    connection.run("DELETE FROM parlant.parlant_conversion_history");
    World { database, connection }
}

/// Links a host that keeps the container of a block in a column, or in the block's data.
fn link_host(connection: &mut Connection, has_column: bool) {
    connection.run(&include_str!("fixture/host_workflows.sql").replace("HOST", SCHEMA));
    connection.run(&if has_column {
        format!(
            "ALTER TABLE {SCHEMA}.workflow_blocks ADD parent_id text;
                 UPDATE {SCHEMA}.workflow_blocks SET parent_id = 'l' WHERE id = 'a'"
        )
    } else {
        format!(
            "ALTER TABLE {SCHEMA}.workflow ADD archived_at timestamp;
                 UPDATE {SCHEMA}.workflow_blocks SET data = '{{\"parentId\": \"l\"}}' WHERE id = 'a'"
        )
    });
    connection.run(
        r#"INSERT INTO parlant.parlant_host_link (schema_name, archives_workspaces, has_organizations)
           VALUES ('Sim''s "host"', false, false)"#,
    );
}

fn survey(prompt: &str) -> Value {
    json!({
        "workflow": {"id": "flow-1"}, "metadata": {"name": "Survey"},
        "blocks": {
            "s": {"type": "start_trigger", "name": "Start", "position": {"x": 0, "y": 0}},
            "a": {"type": "agent", "name": "Ask", "position": {"x": 100, "y": 0},
                  "subBlocks": {"userPrompt": {"value": prompt}}}
        },
        "edges": [{"source": "s", "target": "a"}]
    })
}

fn import(workflow: &Value) -> String {
    let workflow = workflow.to_string().replace('\'', "''");
    with_ids(&format!(
        "SELECT journey_id::text FROM parlant.import_workflow(:agent1, '{workflow}', '{{\"TONE\": \"kind\"}}')"
    ))
}

fn import_from_host(draft: bool) -> String {
    with_ids(&format!("SELECT journey_id::text FROM parlant.import_host_workflow(:agent1, 'flow', draft => {draft})"))
}

fn prompts(connection: &mut Connection, journey: &str) -> Vec<String> {
    connection.column(&format!(
        "SELECT chat_prompt FROM parlant.parlant_journey_state WHERE journey_id = '{journey}' AND chat_prompt IS NOT NULL"
    ))
}

fn history(connection: &mut Connection) -> i64 {
    connection.value("SELECT count(*) FROM parlant.parlant_conversion_history")
}

#[test]
fn an_import_makes_a_journey_and_records_it() {
    let mut connection = world().connection;
    let journey: String = connection.value(&import(&survey("Hi {{TONE}} <start.input>")));
    assert_eq!(prompts(&mut connection, &journey), ["Hi kind {{ start.input }}"]);
    let recorded: Vec<String> = connection.column(
        "SELECT concat_ws(' | ', workspace_id, workflow_id, status, parameters, result ->> 'journey_id', blocks_converted,
                          edges_converted, warnings_count, completed_at >= started_at)
         FROM parlant.parlant_conversion_history",
    );
    assert_eq!(recorded, [format!("acme | flow-1 | completed | {{\"TONE\": \"kind\"}} | {journey} | 2 | 2 | 0 | t")]);
    let errors: i64 = connection
        .value(&format!("SELECT count(*) FROM parlant.validate_journey('{journey}') WHERE severity = 'error'"));
    assert_eq!(errors, 0);
}

#[test]
fn importing_what_has_not_changed_changes_nothing() {
    let mut connection = world().connection;
    let journey: String = connection.value(&import(&survey("Hi")));
    connection.run(&format!(
        "UPDATE parlant.parlant_journey_state SET chat_prompt = 'edited' WHERE journey_id = '{journey}' AND name = 'Ask'"
    ));
    let mut moved = survey("Hi");
    moved["blocks"]["a"]["position"]["y"] = json!(50);
    for workflow in [survey("Hi"), moved] {
        let again: String = connection.value(&import(&workflow));
        assert_eq!(again, journey);
    }
    assert_eq!(prompts(&mut connection, &journey), ["edited"]);
    assert_eq!(history(&mut connection), 1);
}

#[test]
fn importing_what_has_changed_replaces_the_journey_and_keeps_its_states() {
    let mut connection = world().connection;
    let journey: String = connection.value(&import(&survey("Hi")));
    let states = "SELECT id::text FROM parlant.parlant_journey_state WHERE journey_id = ";
    let before: Vec<String> = connection.column(&format!("{states}'{journey}' ORDER BY id"));
    let again: String = connection.value(&import(&survey("Hello")));
    assert_eq!(again, journey);
    assert_eq!(prompts(&mut connection, &journey), ["Hello"]);
    assert_eq!(connection.column::<String>(&format!("{states}'{journey}' ORDER BY id")), before);
    assert_eq!(history(&mut connection), 2);
}

#[test]
fn a_deleted_journey_is_made_again() {
    let mut connection = world().connection;
    let journey: String = connection.value(&import(&survey("Hi")));
    connection.run(&format!("DELETE FROM parlant.parlant_journey WHERE id = '{journey}'"));
    let again: String = connection.value(&import(&survey("Hi")));
    assert_ne!(again, journey);
}

#[test]
fn two_imports_at_once_make_one_journey() {
    let World { database, mut connection } = world();
    connection.run("BEGIN");
    let journey: String = connection.value(&import(&survey("Hi")));
    let mut other = database.connect().start(&import(&survey("Hi")));
    assert!(other.blocks());
    connection.run("COMMIT");
    other.succeed();
    let journeys: Vec<String> =
        connection.column("SELECT id::text FROM parlant.parlant_journey WHERE title = 'Survey'");
    assert_eq!(journeys, [journey]);
}

#[test]
fn a_journey_of_somebody_elses_making_is_not_replaced() {
    let mut connection = world().connection;
    connection.run(&with_ids(
        "INSERT INTO parlant.parlant_journey (agent_id, title, conditions) VALUES (:agent1, 'Survey', '[]')",
    ));
    connection
        .assert_refused(&import(&survey("Hi")), "23505")
        .constraint("parlant_journey_title_key")
        .message("\"Survey\"")
        .hint("Rename");
    assert_eq!(history(&mut connection), 0);
}

#[test]
fn what_cannot_be_imported_is_refused() {
    let mut connection = world().connection;
    let call = |arguments: &str| with_ids(&format!("SELECT parlant.import_workflow({arguments})"));
    connection.assert_refused(&call("gen_random_uuid(), '{\"blocks\": {\"a\": {}}}'"), "P0002").hint("Check the id");
    connection.assert_refused(&call(":agent1, '{\"blocks\": 1}'"), "22023").detail("$.blocks: ");
    connection.assert_refused(&call(":agent1, NULL"), "22023").message("null");
    connection.assert_refused(&call(":agent1, '{\"blocks\": {\"a\": {}}}', '[]'"), "22023").detail("parameters: ");
    connection
        .run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = timezone('utc', now()) WHERE id = :agent1"));
    connection.assert_refused(&import(&survey("Hi")), "P0002");
}

#[test]
fn a_stored_journey_comes_back_from_its_workflow() {
    let mut connection = world().connection;
    let journey: String = connection.value(&import(&survey("Hi <start.input> {% raw")));
    let same: bool = connection.value(&format!(
        "SELECT parlant.workflow_to_journey(parlant.journey_to_workflow('{journey}')) -> 'definition'
                = parlant.journey_definition('{journey}')"
    ));
    assert!(same);
    connection.assert_refused("SELECT parlant.journey_to_workflow(gen_random_uuid())", "P0002");
}

#[test]
fn both_versions_of_the_host_give_the_same_journey() {
    let mut definitions = Vec::new();
    for has_column in [true, false] {
        let mut connection = world().connection;
        link_host(&mut connection, has_column);
        let journey: String = connection.value(&import_from_host(false));
        assert_eq!(prompts(&mut connection, &journey), ["Question {{ loop_.index }}"]);
        let definition: String = connection.value(&format!("SELECT parlant.journey_definition('{journey}')::text"));
        assert!(definition.contains("fewer than 3 rounds"), "{definition}");
        definitions.push(definition);
        let source: String = connection.value("SELECT workflow_id FROM parlant.parlant_conversion_history");
        assert_eq!(source, "flow");
    }
    assert_eq!(definitions[0], definitions[1]);
}

#[test]
fn the_deployed_version_is_read_unless_the_draft_is_wanted() {
    let mut connection = world().connection;
    link_host(&mut connection, false);
    let deployed = survey("Deployed").to_string();
    connection.run(&format!(
        "INSERT INTO {SCHEMA}.workflow_deployment_version VALUES
            ('d1', 'flow', 1, '{{}}', false), ('d2', 'flow', 2, '{deployed}', true)"
    ));
    let journey: String = connection.value(&import_from_host(false));
    assert_eq!(prompts(&mut connection, &journey), ["Deployed"]);
    let same: String = connection.value(&import_from_host(true));
    assert_eq!(same, journey);
    assert_eq!(prompts(&mut connection, &journey), ["Question {{ loop_.index }}"]);
}

#[test]
fn workflows_that_are_archived_or_of_another_workspace_do_not_exist() {
    let mut connection = world().connection;
    let call = |workflow: &str| with_ids(&format!("SELECT parlant.import_host_workflow(:agent1, '{workflow}')"));
    connection.assert_refused(&call("flow"), "55000").hint("link_host");
    link_host(&mut connection, false);
    connection.assert_refused(&call("theirs"), "P0002").message("\"theirs\"");
    connection.assert_refused(&call("nothing"), "P0002");
    connection.run(&format!("UPDATE {SCHEMA}.workflow SET archived_at = now()"));
    connection.assert_refused(&call("flow"), "P0002");
    connection.run(&format!("DROP TABLE {SCHEMA}.workflow_subflows"));
    connection.assert_refused(&call("flow"), "55000").detail("workflow_subflows");
}

#[test]
fn a_role_reads_workflows_of_the_workspace_that_it_has_entered_and_no_others() {
    let World { database, mut connection } = world();
    link_host(&mut connection, false);
    let role = database.create_role("app");
    connection.run(&format!(
        "GRANT USAGE ON SCHEMA parlant TO {role};
        GRANT EXECUTE ON FUNCTION parlant.host_workflow(text, text, boolean) TO {role}"
    ));
    let read = |workspace: &str, workflow: &str| format!("SELECT parlant.host_workflow('{workspace}', '{workflow}')");
    connection.run(&format!("SET ROLE {role}"));
    connection.assert_refused(&read("acme", "flow"), "P0002");
    connection.run(&format!("RESET ROLE; SET parlant.workspace_id = 'acme'; SET ROLE {role}"));
    connection.run(&read("acme", "flow"));
    connection.assert_refused(&read("rival", "theirs"), "P0002");
    connection.assert_refused(&read("acme", "theirs"), "P0002");
    connection.assert_refused(&format!("SELECT * FROM {SCHEMA}.workflow"), "42501");
    connection.run(&format!("RESET ROLE; SET parlant.customer_id = 'cat'; SET ROLE {role}"));
    connection.assert_refused(&read("acme", "flow"), "P0002");
}

#[test]
fn a_clients_search_path_decides_nothing() {
    let World { database, mut connection } = world();
    link_host(&mut connection, false);
    let role = database.create_role("attacker");
    connection.run(&format!(
        "CREATE SCHEMA trap AUTHORIZATION {role};
         GRANT USAGE ON SCHEMA parlant TO {role};
         GRANT EXECUTE ON FUNCTION parlant.host_workflow(text, text, boolean) TO {role};
         SET parlant.workspace_id = 'acme';
         SET ROLE {role};
         CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR trap.= (FUNCTION = trap.equal, LEFTARG = text, RIGHTARG = text);
         CREATE FUNCTION trap.arrow(jsonb, text) RETURNS text LANGUAGE sql AS 'SELECT NULL';
         CREATE OPERATOR trap.->> (FUNCTION = trap.arrow, LEFTARG = jsonb, RIGHTARG = text);
         CREATE FUNCTION trap.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$;
         SET search_path = trap, pg_catalog"
    ));
    connection.run("SELECT parlant.host_workflow('acme', 'flow')");
    connection.assert_refused("SELECT parlant.host_workflow('acme', 'theirs')", "P0002");
}

/// A connection of a role that has what `grant_app_role` gives and nothing more, with a host linked; `wes` writes in
/// acme, `ron` reads.
fn application() -> Connection {
    let World { database, mut connection } = world();
    link_host(&mut connection, false);
    let role = database.create_role("app");
    connection.run(&format!(
        "ALTER TABLE {SCHEMA}.workspace ADD owner_id text;
         CREATE TABLE {SCHEMA}.permissions (
             user_id text, entity_type text, entity_id text, permission_type text);
         INSERT INTO {SCHEMA}.permissions VALUES ('wes', 'workspace', 'acme', 'write'), ('ron', 'workspace', 'acme', 'read');
         SELECT parlant.grant_app_role('{role}');
         SET ROLE {role};
         SET search_path = ''"
    ));
    connection
}

fn enter(connection: &mut Connection, user: &str) {
    connection.run(&format!("BEGIN; SELECT parlant.enter_workspace('acme', '{user}')"));
}

#[test]
fn an_application_imports_workflows_with_nothing_but_its_own_rights() {
    let mut connection = application();
    enter(&mut connection, "wes");
    let definition = "parlant.workflow_to_journey('{\"blocks\": {\"a\": {\"type\": \"agent\"}}}') -> 'definition'";
    connection.run(&format!("SELECT {definition}"));
    let mut own = survey("Hi");
    own["metadata"]["name"] = json!("Own");
    let journey: String = connection.value(&import(&own));
    let hosted: String = connection.value(&import_from_host(false));
    assert_ne!(journey, hosted);
    assert_eq!(prompts(&mut connection, &hosted), ["Question {{ loop_.index }}"]);
    let same: bool = connection.value(&format!(
        "SELECT parlant.workflow_to_journey(parlant.journey_to_workflow('{journey}')) -> 'definition'
                OPERATOR(pg_catalog.=) parlant.journey_definition('{journey}')"
    ));
    assert!(same);
    assert_eq!(history(&mut connection), 2);
    let theirs = with_ids("SELECT parlant.import_host_workflow(:agent1, 'theirs')");
    connection.assert_refused(&theirs, "P0002").message("\"theirs\"");
}

#[test]
fn an_application_imports_nothing_for_those_who_only_read_or_have_not_entered() {
    let mut connection = application();
    let imports = [import(&survey("Hi")), with_ids("SELECT parlant.import_host_workflow(:agent1, 'flow')")];
    for statement in &imports {
        connection.assert_refused(statement, "P0002").message("agent");
        enter(&mut connection, "ron");
        connection.run("SELECT parlant.workflow_to_journey('{\"blocks\": {\"a\": {}}}')");
        connection.assert_refused(statement, "42501").message("parlant_journey");
        connection.run("ROLLBACK");
    }
    enter(&mut connection, "ron");
    let workflow: bool =
        connection.value(&with_ids("SELECT parlant.journey_to_workflow(:journey1) OPERATOR(pg_catalog.?) 'blocks'"));
    assert!(workflow);
    connection.assert_refused(&with_ids("SELECT parlant.journey_to_workflow(:rival_journey)"), "P0002");
}

#[test]
fn states_of_an_imported_workflow_name_the_tools_that_were_made_of_the_hosts() {
    let World { database: _database, mut connection } = world();
    connection.run(include_str!("fixture/host.sql"));
    connection.run(
        "INSERT INTO host.custom_tools (id, title, schema, workspace_id) VALUES
            ('t1', 'Find order', '{\"function\": {\"name\": \"find_order\", \"parameters\": {\"type\": \"object\"}}}', 'acme');
         INSERT INTO host.mcp_servers (id, workspace_id, name) VALUES ('s1', 'acme', 'Git Hub');
         SELECT FROM parlant.link_host('host')",
    );
    let workflow = json!({
        "workflow": {"id": "calls"}, "metadata": {"name": "Calls"},
        "blocks": {
            "s": {"type": "start_trigger", "name": "Start"},
            "m": {"type": "mcp", "name": "Search",
                  "subBlocks": {"server": {"value": "s1"}, "tool": {"value": "find"}, "arguments": {"value": {"q": "x"}}}},
            "a": {"type": "agent", "name": "Answer", "subBlocks": {"userPrompt": {"value": "Hi"}, "tools": {"value": [
                {"type": "custom-tool", "customToolId": "t1"}]}}}
        },
        "edges": [{"source": "s", "target": "m"}, {"source": "m", "target": "a"}]
    });
    let problems = |connection: &mut Connection, journey: &str| -> Vec<String> {
        connection
            .column(&format!("SELECT code || ' ' || message FROM parlant.validate_journey('{journey}') ORDER BY 1"))
    };
    let journey: String = connection.value(&import(&workflow));
    assert_eq!(
        problems(&mut connection, &journey),
        ["unknown_tool tool \"mcp-s1-find\" of state \"Search\" does not exist in the workspace"]
    );

    connection.run("SELECT FROM parlant.sync_host_tools('acme')");
    assert_eq!(connection.value::<String>(&import(&workflow)), journey);
    assert_eq!(
        problems(&mut connection, &journey),
        ["tool_not_assigned tool \"mcp_Git_Hub\" of state \"Search\" is not assigned to the agent"]
    );
    let named: Vec<String> = connection.column(&format!(
        "SELECT coalesce(tool_id, metadata -> 'tools' -> 0 ->> 'tool_id') FROM parlant.parlant_journey_state
         WHERE journey_id = '{journey}' AND state_type IN ('chat', 'tool') ORDER BY name"
    ));
    assert_eq!(named, ["find_order", "mcp_Git_Hub"]);
    let refused: i64 = connection.value(&format!(
        "SELECT count(*) FROM parlant.parlant_journey_state AS state
         JOIN parlant.parlant_tool AS tool ON tool.name = state.tool_id,
         parlant.validate_tool_arguments(tool.id, state.tool_config -> 'arguments')
         WHERE state.journey_id = '{journey}'"
    ));
    assert_eq!(refused, 0);
}
