//! The context of a session in one call is what the single queries give.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

/// Session 1 is in state `ask` of journey 1 and has one of everything, and more of what comes in an order.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    connection.run("SET search_path = ''");
    load_two_workspaces(&mut connection);
    run(
        &mut connection,
        r#"UPDATE parlant.parlant_agent SET system_prompt = 'Be kind', integration_metadata = '{"token": "top secret"}' WHERE id = :agent1;
           UPDATE parlant.parlant_tool SET auth_config = '{"token": "top secret"}' WHERE id = :tool1;
           UPDATE parlant.parlant_agent_tool SET configuration = '{"token": "top secret"}';
           INSERT INTO parlant.parlant_guideline (agent_id, condition, action, priority)
             SELECT :agent1, 'c' || n, 'a', 10 * n FROM generate_series(1, 5) AS n;
           INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, tool_type, parameters, is_public)
             VALUES ('acme', 'second', 'S', 'd', 'custom', '{}', true);
           INSERT INTO parlant.parlant_term (agent_id, name, description, importance) VALUES
             (:agent1, 'tea', 'leaves', 100), (:agent1, 'black tea', 'oxidised', 100), (:agent1, 'tea Europe', 'a trap', 900);
           INSERT INTO parlant.parlant_canned_response (agent_id, template) VALUES
             (:agent1, 'Tea for {{ name }}'), (:agent1, 'Black tea is {{ v }} euro'), (:agent1, 'Coffee');
           SELECT FROM parlant.append_events(:session1, '[
             {"event_type": "customer_message", "content": {"message": "Europe"}},
             {"event_type": "agent_message", "content": {"message": "Green tea?"}},
             {"event_type": "customer_message", "content": {"text": "No, black tea"}}]')"#,
    );
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn text(connection: &mut Connection, sql: &str) -> String {
    connection.value(&with_ids(sql))
}

/// The single query for a member of the context.
const SINGLE_QUERIES: &[(&str, &str)] = &[
    ("guidelines", "SELECT jsonb_agg(to_jsonb(g)) FROM parlant.session_guidelines(:session1) AS g"),
    ("tools", "SELECT parlant.agent_tools(:agent1)"),
    ("variables", "SELECT parlant.session_variables(:session1)"),
    (
        "canned_responses",
        "SELECT jsonb_agg(to_jsonb(c)) FROM parlant.find_canned_responses(:session1, 'No, black tea') AS c",
    ),
    (
        "events",
        "SELECT jsonb_agg(to_jsonb(e) || jsonb_build_object('created_at', e.created_at)) FROM parlant.read_events(:session1, 1) AS e",
    ),
    ("journey,next_states", "SELECT jsonb_agg(to_jsonb(n)) FROM parlant.next_states(:session1) AS n"),
    (
        "journey,state_name",
        "SELECT to_jsonb(s.name) FROM parlant.parlant_session AS x
         JOIN parlant.parlant_journey_state AS s ON s.id = x.current_state_id WHERE x.id = :session1",
    ),
    ("agent,system_prompt", "SELECT to_jsonb(system_prompt) FROM parlant.parlant_agent WHERE id = :agent1"),
    ("session,customer_id", "SELECT to_jsonb(customer_id) FROM parlant.parlant_session WHERE id = :session1"),
    ("session,event_count", "SELECT to_jsonb(event_count) FROM parlant.parlant_session WHERE id = :session1"),
];

#[test]
fn the_context_is_what_the_single_queries_give() {
    let mut connection = world();
    for (member, query) in SINGLE_QUERIES {
        let single: String = text(&mut connection, &format!("SELECT ({query})::text"));
        let member =
            text(&mut connection, &format!("SELECT (parlant.session_context(:session1, 4) #> '{{{member}}}')::text"));
        assert_eq!(member, single, "{query}");
        assert!(!["null", "[]", "{}"].contains(&member.as_str()), "{query} gives nothing to compare");
    }
}

#[test]
fn terms_are_those_of_the_recent_messages_each_once_and_none_across_two_messages() {
    let mut connection = world();
    let terms = |recent: u32| {
        format!(
            "SELECT (SELECT string_agg(t ->> 'name', ', ') FROM jsonb_array_elements(parlant.session_context(:session1, {recent}) -> 'terms') AS t)"
        )
    };
    assert_eq!(text(&mut connection, &terms(20)), "black tea, tea");
    assert_eq!(text(&mut connection, &terms(1)), "black tea");
}

#[test]
fn secrets_are_left_out() {
    let mut connection = world();
    let context = text(&mut connection, "SELECT parlant.session_context(:session1)::text");
    assert!(context.contains("Be kind") && !context.contains("top secret"), "{context}");
}

#[test]
fn a_session_with_nothing_has_an_empty_context() {
    let mut connection = world();
    run(&mut connection, "DELETE FROM parlant.parlant_guideline; DELETE FROM parlant.parlant_tool");
    let context = text(&mut connection, "SELECT (parlant.session_context(:session2, 0) - 'agent' - 'session')::text");
    assert_eq!(
        context,
        r#"{"terms": [], "tools": [], "events": [], "journey": null, "variables": {}, "guidelines": [], "canned_responses": []}"#
    );
}

#[test]
fn contexts_of_no_session_and_of_too_many_events_are_refused() {
    let mut connection = world();
    connection.assert_refused(&with_ids("SELECT parlant.session_context(:agent1)"), "P0002").message("session");
    for recent in ["-1", "1001", "NULL"] {
        connection
            .assert_refused(&with_ids(&format!("SELECT parlant.session_context(:session1, {recent})")), "22023")
            .message("recent_events");
    }
    run(&mut connection, "UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1");
    connection.assert_refused(&with_ids("SELECT parlant.session_context(:session1)"), "P0002").message("agent");
}

#[test]
fn a_long_conversation_does_not_make_the_context_fail() {
    let mut connection = world();
    run(
        &mut connection,
        "SELECT FROM parlant.append_events(:session1, (
           SELECT jsonb_agg(jsonb_build_object('event_type', 'customer_message', 'content',
                            jsonb_build_object('message', repeat('ä tea ', 20000)))) FROM generate_series(1, 10)))",
    );
    let terms = text(&mut connection, "SELECT (parlant.session_context(:session1, 10) -> 'terms')::text");
    assert!(terms.contains("leaves"), "{terms}");
}
