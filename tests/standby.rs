//! A hot standby: whatever reads works there, for an application's role that has entered a workspace, and whatever
//! writes is refused as PostgreSQL refuses writing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use parlant_tests::{Cluster, Connection, Tree, load_two_workspaces, with_ids};

/// Calls of the functions that read, with something to show.
const READING: &[&str] = &[
    "agent_tools(:agent1, 'openai')",
    "check_template_parameters(:template1, '{\"unknown\": 1}')",
    "condition_variables(:session1)",
    "current_customer_id()",
    "current_permission()",
    "current_user_id()",
    "current_workspace_id()",
    "evaluate_condition('1 == 1', '{}')",
    "export_session(:session1)",
    "find_canned_responses(:session1, 'a refund')",
    "find_terms(:agent1, 'n and n')",
    "journey_definition(:journey1)",
    "journey_definition_to_workflow(parlant.journey_definition(:journey1))",
    "journey_diagram(:journey1)",
    "journey_to_workflow(:journey1)",
    "host_workflow('acme', 'w', true)",
    "is_time_zone('UTC')",
    "journey_tools(:journey1)",
    "json_schema_violations('{\"required\": [\"a\"]}', '{}')",
    "missing_variables('{{ a }}', '{}')",
    "next_states(:session1)",
    "read_events(:session1, -1)",
    "render_canned_response(:guideline1, :session1)",
    "render_template('{{ a }}', '{\"a\": 1}')",
    "search_knowledge(:agent1, 'refunds')",
    "session_context(:session1)",
    "session_context_json(:session1)",
    "session_guidelines(:session1)",
    "session_transcript(:session1)",
    "session_variables(:session1)",
    "session_workspace(:session1)",
    "template_parameter_schema(:template1)",
    "template_parameters(:template1, '{\"p\": \"v\"}')",
    "template_variables('{{ a }}')",
    "uuidv7()",
    "validate_journey(:journey2)",
    "validate_journey_definition('{}')",
    "validate_tool_arguments(:tool1, '[]')",
    "workflow_to_journey('{\"blocks\": {\"b\": {\"id\": \"b\", \"type\": \"starter\", \"name\": \"Start\"}}, \"edges\": []}')",
    "workspace_permission('ann', 'acme')",
];

const WRITING: &[&str] = &[
    "advance_journey(:session1)",
    "append_event(:session1, 'customer_message', '{\"message\": \"m\"}')",
    "append_events(:session1, '[{\"event_type\": \"customer_message\", \"content\": {\"message\": \"m\"}}]')",
    "call_tool(:session1, :tool1, '{}', 'c1')",
    "create_journey(:agent1, parlant.journey_definition(:journey1) || '{\"title\": \"Another\"}')",
    "end_session(:session1)",
    "enter_journey(:session1, :journey1)",
    "erase_customer('acme', 'ada')",
    "exit_journey(:session1)",
    "finish_tool_call(:session1, 'call', '{}')",
    "import_host_workflow(:agent1, 'w')",
    "import_workflow(:agent1, '{\"blocks\": {\"b\": {\"id\": \"b\", \"type\": \"starter\", \"name\": \"Start\"}}, \"edges\": []}')",
    "instantiate_workflow_template(:template1, :agent1, '{\"p\": \"v\"}')",
    "lock_session(:session1)",
    "record_guideline_match(:session1, :guideline1)",
    "replace_journey(:journey1, parlant.journey_definition(:journey1))",
    "report_tool_health(id, true) FROM parlant.parlant_tool_integration",
    "revisit_state(:session1, :ask1)",
    "set_variable(:agent1, 'x', '1', 'agent')",
    "set_variable(:agent1, 'x', '1', 'session', :session1)",
    "skip_state(:session1)",
    "start_session(:agent1)",
    "store_journey_graph('acme', :journey1, parlant.journey_definition(:journey1))",
    "sync_host_tools('acme')",
];

/// Calls for the owner of the database, who reads past row-level security.
const READING_AS_OWNER: &[&str] = &["app_privileges()", "host_status()"];

/// A database with a role of an application; its name.
fn load(primary: &Cluster) -> String {
    let database = primary.database();
    let mut owner = database.connect();
    load_two_workspaces(&mut owner);
    owner.run(include_str!("fixture/host.sql"));
    owner.run(&with_ids(
        r#"INSERT INTO host.embedding (id, knowledge_base_id, document_id, content) VALUES ('c1', 'k', 'd', 'Refunds are paid.');
           INSERT INTO host.custom_tools (id, title, schema, workspace_id) VALUES ('t1', 'find', '{}', 'acme');
           ALTER TABLE host.workflow ADD name text, ADD description text, ADD workspace_id text, ADD variables json;
           CREATE TABLE host.workflow_blocks (id text, workflow_id text, type text, name text, position_x numeric, position_y numeric,
               enabled boolean, sub_blocks jsonb, data jsonb, trigger_mode boolean);
           CREATE TABLE host.workflow_edges (id text, workflow_id text, source_block_id text, target_block_id text,
               source_handle text, target_handle text);
           CREATE TABLE host.workflow_subflows (id text, workflow_id text, type text, config jsonb);
           CREATE TABLE host.workflow_deployment_version (id text, workflow_id text, version integer, state json, is_active boolean);
           UPDATE host.workflow SET name = 'Flow', workspace_id = 'acme' WHERE id = 'w';
           INSERT INTO host.workflow_blocks VALUES ('s', 'w', 'starter', 'Start', 0, 0, true, '{}', '{}', false);
           SELECT FROM parlant.link_host('host');
           INSERT INTO parlant.parlant_canned_response (id, agent_id, template) VALUES (:guideline1, :agent1, 'A refund of {{ v }}');
           UPDATE parlant.parlant_workflow_template
             SET workflow_data = '{"blocks": {"b": {"id": "b", "type": "starter", "name": "Start"}}, "edges": []}';
           UPDATE parlant.parlant_journey SET allow_skipping = true, allow_revisiting = true;
           UPDATE parlant.parlant_journey_state SET allow_skip = true;
           CREATE ROLE app LOGIN;
           SELECT parlant.grant_app_role('app')"#,
    ));
    database.name.clone()
}

fn names(calls: &[&str]) -> BTreeSet<String> {
    calls.iter().map(|call| call.split('(').next().unwrap_or_default().to_owned()).collect()
}

/// The error of a call in a transaction that has entered a workspace.
fn outcome(connection: &mut Connection, call: &str) -> Result<u64, postgres::Error> {
    connection.run("BEGIN; SELECT parlant.enter_workspace('acme', 'ann')");
    let outcome = connection.outcome(&with_ids(&format!("SELECT parlant.{call}")));
    connection.run("ROLLBACK");
    outcome.map(|(rows, _)| rows)
}

#[test]
fn a_standby_answers_whatever_reads_and_refuses_whatever_writes() {
    let primary = Cluster::start(Tree::under_test());
    let database = load(&primary);
    let standby = primary.standby();
    primary.wait_for(&standby);
    let mut app = standby.connect(&database, "app");
    app.run("SET search_path = ''");
    let mut wrong = String::new();
    for call in READING {
        match outcome(&mut app, call) {
            Ok(0) => writeln!(wrong, "{call} shows nothing").unwrap(),
            Ok(_) => (),
            Err(error) => writeln!(wrong, "{call}: {error:?}").unwrap(),
        }
    }
    for call in WRITING {
        match outcome(&mut app, call) {
            Err(error) if error.code().is_some_and(|code| code.code() == "25006") => (),
            other => writeln!(wrong, "{call} gives {other:?} where 25006 is expected").unwrap(),
        }
    }
    let mut owner = standby.connect(&database, "postgres");
    for call in READING_AS_OWNER {
        if let Err(error) = owner.outcome(&with_ids(&format!("SELECT parlant.{call}"))) {
            writeln!(wrong, "{call}: {error:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");

    // Those that are immutable read no table.
    let public: Vec<String> = owner.column(
        "SELECT DISTINCT proname::text FROM parlant.app_privileges() AS app
         JOIN pg_catalog.pg_proc AS proc ON proc.proname = app.name AND proc.pronamespace = 'parlant'::regnamespace
         WHERE app.privileges IS NOT NULL AND proc.provolatile <> 'i' AND obj_description(proc.oid, 'pg_proc') !~ '^(Internal|Policies|For a customer)'
           AND proname !~ '^(enter_workspace|leave_|grant_workspace|revoke_workspace)'",
    );
    let called = &names(READING) | &names(WRITING);
    let uncalled: Vec<_> = public.iter().filter(|name| !called.contains(*name)).collect();
    assert!(uncalled.is_empty(), "nobody has tried {uncalled:?} on a standby");
}

#[test]
fn a_standby_is_entered_by_whom_the_primary_admits_now() {
    let primary = Cluster::start(Tree::under_test());
    let database = load(&primary);
    let standby = primary.standby();
    primary.wait_for(&standby);
    let mut app = standby.connect(&database, "app");
    app.assert_refused("SELECT parlant.enter_workspace('acme', 'nobody')", "42501");
    app.run("BEGIN; SELECT parlant.enter_workspace_as_customer('acme', 'ada')");
    assert_eq!(app.value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 1);
    app.run("SELECT parlant.leave_workspace(); COMMIT");
    primary.connect(&database, "postgres").run("DELETE FROM host.permissions WHERE user_id = 'ann'");
    primary.wait_for(&standby);
    app.assert_refused("SELECT parlant.enter_workspace('acme', 'ann')", "42501");

    primary.connect(&database, "postgres").run("SELECT parlant.unlink_host()");
    primary.wait_for(&standby);
    app.run("BEGIN; SELECT parlant.enter_workspace('acme', 'ann')");
    app.assert_refused("SELECT parlant.grant_workspace('acme', 'bob', 'read')", "25006");
    app.run("ROLLBACK; BEGIN; SELECT parlant.enter_workspace('acme', 'ann')");
    app.assert_refused("SELECT parlant.revoke_workspace('acme', 'bob')", "25006");
    app.run("ROLLBACK");

    primary.connect(&database, "postgres").run("DELETE FROM parlant.parlant_workspace_member WHERE user_id = 'ann'");
    primary.wait_for(&standby);
    app.assert_refused("SELECT parlant.enter_workspace('acme', 'ann')", "42501");
}
