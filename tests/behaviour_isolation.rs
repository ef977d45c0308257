//! Behaviour, tools and knowledge for an application's role: what users, readers and customers may do with them.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

/// A connection of an application's role, which has no rights in the host; `ann` is an admin, `wes` writes, `ron` reads.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection.run(include_str!("fixture/host.sql"));
    let database: String = connection.value("SELECT current_database()");
    connection.run(&with_ids(&format!(
        r#"INSERT INTO host."user" VALUES ('wes'), ('ron');
           INSERT INTO host.permissions VALUES ('w', 'wes', 'workspace', 'acme', 'write'), ('r', 'ron', 'workspace', 'acme', 'read');
           INSERT INTO host.embedding (id, knowledge_base_id, document_id, content) VALUES ('c1', 'k', 'd', 'Refunds are paid.');
           INSERT INTO host.custom_tools (id, title, schema, workspace_id) VALUES ('t1', 'find', '{{}}', 'acme'), ('t2', 'other', '{{}}', 'rival');
           SELECT FROM parlant.link_host('host');
           UPDATE parlant.parlant_canned_response SET template = 'Hello {{{{ v }}}}';
           CREATE ROLE "app of {database}";
           SELECT parlant.grant_app_role('app of {database}');
           SET ROLE "app of {database}";
           SET search_path = ''"#
    )));
    connection
}

fn enter(connection: &mut Connection, user: &str) {
    connection.run(&format!("BEGIN; SELECT parlant.enter_workspace('acme', '{user}')"));
}

/// The statement fails so, and the transaction goes on.
fn assert_refused(connection: &mut Connection, sql: &str, sqlstate: &str) {
    connection.run("SAVEPOINT before");
    connection.assert_refused(&with_ids(sql), sqlstate);
    connection.run("ROLLBACK TO before");
}

const READING: &[&str] = &[
    "SELECT parlant.session_context(:session1)",
    "SELECT parlant.session_context_json(:session1)",
    "SELECT parlant.session_guidelines(:session1)",
    "SELECT parlant.session_variables(:session1)",
    "SELECT parlant.find_terms(:agent1, 'n')",
    "SELECT parlant.find_canned_responses(:session1, 'hello')",
    "SELECT parlant.render_canned_response(id, :session1) FROM parlant.parlant_canned_response",
    "SELECT parlant.agent_tools(:agent1, 'mcp')",
    "SELECT parlant.validate_tool_arguments(:tool1, '{}')",
    "SELECT parlant.search_knowledge(:agent1, 'refunds')",
    "SELECT parlant.check_template_parameters(:template1, '{}')",
];

const WRITING: &[&str] = &[
    "SELECT parlant.set_variable(:agent1, 'x', '1', 'session', :session1)",
    "SELECT parlant.set_variable(:agent1, 'x', '1', 'agent')",
    "SELECT parlant.record_guideline_match(:session1, :guideline1)",
    "SELECT parlant.call_tool(:session1, :tool1, '{}', 'c1')",
    "SELECT parlant.finish_tool_call(:session1, 'call', '{}')",
    "SELECT parlant.sync_host_tools('acme')",
    "SELECT parlant.report_tool_health(id, true) FROM parlant.parlant_tool_integration",
];

#[test]
fn who_may_write_can_call_all_without_rights_in_the_host() {
    let mut connection = world();
    connection.assert_refused("SELECT FROM host.embedding", "42501");
    enter(&mut connection, "wes");
    for sql in READING.iter().chain(WRITING) {
        connection.run(&with_ids(sql));
    }
    let found: String =
        connection.value(&with_ids("SELECT chunk_id FROM parlant.search_knowledge(:agent1, 'refunds')"));
    assert_eq!(found, "c1");
    assert_refused(&mut connection, "SELECT parlant.sync_host_tools('rival')", "42501");
}

#[test]
fn who_may_only_read_can_call_what_reads_and_nothing_that_writes() {
    let mut connection = world();
    enter(&mut connection, "ron");
    for sql in READING {
        connection.run(&with_ids(sql));
    }
    for sql in WRITING {
        connection.run("SAVEPOINT before");
        let refused = connection.try_to_run(&with_ids(sql)).is_err();
        connection.run("ROLLBACK TO before");
        assert!(refused || sql.contains("report_tool_health"), "{sql}");
    }
}

#[test]
fn other_workspaces_look_as_if_they_were_not_there() {
    let mut connection = world();
    enter(&mut connection, "ann");
    for sql in [
        "SELECT parlant.session_context(:rival_session)",
        "SELECT parlant.session_context_json(:rival_session)",
        "SELECT parlant.session_guidelines(:rival_session)",
        "SELECT parlant.session_variables(:rival_session)",
        "SELECT parlant.find_terms(:rival_agent, 'n')",
        "SELECT parlant.find_canned_responses(:rival_session, 'hello')",
        "SELECT parlant.agent_tools(:rival_agent)",
        "SELECT parlant.validate_tool_arguments(:rival_tool, '{}')",
        "SELECT parlant.search_knowledge(:rival_agent, 'refunds')",
        "SELECT parlant.check_template_parameters(:rival_template, '{}')",
        "SELECT parlant.set_variable(:rival_agent, 'x', '1', 'agent')",
        "SELECT parlant.set_variable(:rival_agent, 'x', '1', 'session', :rival_session)",
        "SELECT parlant.record_guideline_match(:rival_session, :rival_guideline)",
        "SELECT parlant.call_tool(:rival_session, :rival_tool, '{}', 'c')",
        "SELECT parlant.call_tool(:session1, :rival_tool, '{}', 'c')",
        "SELECT parlant.finish_tool_call(:rival_session, 'c', '{}')",
    ] {
        assert_refused(&mut connection, sql, "P0002");
    }
}

#[test]
fn customers_see_no_rows_of_variables_no_tools_and_no_knowledge() {
    let mut connection = world();
    connection.run("BEGIN; SELECT parlant.enter_workspace_as_customer('acme', 'ada')");
    let variables: String = connection.value(&with_ids("SELECT parlant.session_variables(:session1)::text"));
    assert_eq!(variables, "{}");
    for sql in [
        "SELECT parlant.session_context(:session1)",
        "SELECT parlant.session_context_json(:session1)",
        "SELECT parlant.agent_tools(:agent1)",
        "SELECT parlant.find_terms(:agent1, 'n')",
        "SELECT parlant.search_knowledge(:agent1, 'refunds')",
        "SELECT parlant.call_tool(:session1, :tool1, '{}', 'c')",
        "SELECT parlant.session_variables(:session2)",
    ] {
        assert_refused(&mut connection, sql, "P0002");
    }
}
