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
           UPDATE parlant.parlant_journey_guideline SET journey_specific_condition = 'only now';
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

/// The context of session 1, which is the same in either form and by queries alone.
#[track_caller]
fn context(connection: &mut Connection) -> String {
    let found = text(connection, CONTEXT);
    for same in ["session_context_json(:session1)", "session_context_by_query(:session1, 20)"] {
        assert_eq!(text(connection, &format!("SELECT parlant.{same}::text")), found, "{same}");
    }
    found
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

/// What makes contexts that are hard to write.
const PECULIARITIES: &[&str] = &[
    r#"UPDATE parlant.parlant_session SET variables = '{"b": 1.50, "a": -0.00001, "cc": [1e30, {"k": "\"\\/\b\f\n\r\t\u0001\u007fé"}], "": null}'
       WHERE id = :session1"#,
    "UPDATE parlant.parlant_agent SET custom_config = NULL, name = repeat('ä\"', 50) WHERE id = :agent1",
    "INSERT INTO parlant.parlant_variable (workspace_id, agent_id, customer_id, key, value, scope, is_private) VALUES
         ('acme', :agent1, 'ada', 'x', '7', 'customer', true), ('acme', NULL, NULL, 'x', '8', 'global', false),
         ('acme', NULL, NULL, 'name', '\"Ada\"', 'global', false)",
    "UPDATE parlant.parlant_variable SET is_private = true",
    "UPDATE parlant.parlant_session SET customer_id = NULL, locale = 'de-DE', title = E'\\ \n\x01', tags = NULL WHERE id = :session1",
    r#"UPDATE parlant.parlant_canned_response SET conditions = '["v > 0", "she is angry"]', tags = '["tea", 1, null]'"#,
    "UPDATE parlant.parlant_canned_response SET enabled = false WHERE template LIKE 'Tea%'",
    "UPDATE parlant.parlant_canned_response SET requires_exact_match = true, template = template || '{{ v / 0 }}'",
    "UPDATE parlant.parlant_journey_transition SET condition_kind = 'expression',
         condition = 'session.mode == \"auto\" && journey.title != message && absent.member == v'",
    "UPDATE parlant.parlant_journey_transition SET condition = 'v + \"\" > (', condition_kind = 'expression'",
    "UPDATE parlant.parlant_journey_state SET tool_config = '{\"n\": [0.10]}' WHERE id = :ask1",
    r#"SELECT parlant.append_event(:session1, 'customer_message', '{"message": "black\ttea", "n": [1e3, 0.0]}')"#,
    r#"SELECT parlant.append_event(:session1, 'customer_message', '{"content": "Coffee"}', metadata => '{"m": true}')"#,
    "UPDATE parlant.parlant_session SET variables = jsonb_build_object('deep', (repeat('[', 300) || repeat(']', 300))::jsonb,
         'large', '1e400'::jsonb) WHERE id = :session1",
    "UPDATE parlant.parlant_session SET current_state_id = NULL WHERE id = :session1",
    "DELETE FROM parlant.parlant_journey",
    "DELETE FROM parlant.parlant_guideline; DELETE FROM parlant.parlant_term; DELETE FROM parlant.parlant_canned_response",
];

#[test]
fn the_context_is_the_same_in_either_form_and_by_queries() {
    let mut connection = world();
    let mut before = context(&mut connection);
    for change in PECULIARITIES {
        run(&mut connection, change);
        let after = context(&mut connection);
        assert!(after != before, "{change}");
        before = after;
    }
    for setting in
        ["timezone = 'Asia/Kolkata'", "extra_float_digits = 0", "datestyle = 'German'", "bytea_output = escape"]
    {
        connection.run(&format!("SET {setting}"));
        context(&mut connection);
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

const CONTEXT: &str = "SELECT parlant.session_context(:session1)::text";

/// Changes that the context of session 1 shows.
const CHANGES: &[&str] = &[
    "INSERT INTO parlant.parlant_guideline (agent_id, condition, action) VALUES (:agent1, 'new', 'a')",
    "UPDATE parlant.parlant_guideline SET action = 'changed' WHERE condition = 'c2'",
    "UPDATE parlant.parlant_guideline SET enabled = false WHERE condition = 'c3'",
    "DELETE FROM parlant.parlant_guideline WHERE condition = 'c4'",
    "UPDATE parlant.parlant_journey_guideline SET priority_override = 999 WHERE journey_id = :journey1",
    "DELETE FROM parlant.parlant_journey_guideline WHERE journey_id = :journey1",
    "UPDATE parlant.parlant_tool SET description = 'changed' WHERE name = 'second'",
    "UPDATE parlant.parlant_agent_tool SET priority = 7 WHERE tool_id = :tool1",
    "UPDATE parlant.parlant_tool SET is_public = false WHERE name = 'second'",
    "INSERT INTO parlant.parlant_agent_tool (agent_id, tool_id, priority) SELECT :agent1, id, 55 FROM parlant.parlant_tool WHERE name = 'second'",
    "DELETE FROM parlant.parlant_agent_tool WHERE tool_id = :tool1",
    "UPDATE parlant.parlant_agent SET system_prompt = 'changed' WHERE id = :agent1",
    "UPDATE parlant.parlant_term SET description = 'changed' WHERE name = 'tea'",
    "INSERT INTO parlant.parlant_term (agent_id, name, description, importance) VALUES (:agent1, 'green tea', 'd', 1)",
    "DELETE FROM parlant.parlant_term WHERE name = 'black tea'",
    "UPDATE parlant.parlant_canned_response SET template = 'Tea again' WHERE template LIKE 'Tea for%'",
    "INSERT INTO parlant.parlant_canned_response (agent_id, template) VALUES (:agent1, 'More tea')",
    "DELETE FROM parlant.parlant_canned_response WHERE template LIKE 'Black tea%'",
    "UPDATE parlant.parlant_journey SET title = 'changed' WHERE id = :journey1",
    "UPDATE parlant.parlant_journey_state SET chat_prompt = 'changed' WHERE id = :ask1",
    "UPDATE parlant.parlant_journey_transition SET condition = 'v > 0', condition_kind = 'expression' WHERE journey_id = :journey1",
    "INSERT INTO parlant.parlant_variable (agent_id, key, value, scope) VALUES (:agent1, 'w', '2', 'agent')",
    "UPDATE parlant.parlant_variable SET value = '0' WHERE key = 'v'",
    "SELECT parlant.append_event(:session1, 'customer_message', '{\"message\": \"green tea\"}')",
    "TRUNCATE parlant.parlant_canned_response",
    "ALTER TABLE parlant.parlant_guideline DROP COLUMN tool_ids; ALTER TABLE parlant.parlant_guideline ADD COLUMN tool_ids jsonb DEFAULT '[1]'",
];

#[test]
fn a_connection_that_has_read_the_context_before_reads_what_another_one_reads() {
    let mut used = world();
    let mut writer = used.another();
    let mut before = context(&mut used);
    for change in CHANGES {
        run(&mut writer, change);
        let after = context(&mut used);
        assert_eq!(after, context(&mut used.another()), "{change}");
        assert_ne!(after, before, "{change}");
        for _ in 0..2 {
            writer.run("SELECT pg_current_xact_id()");
            assert_eq!(context(&mut used), after, "{change}");
        }
        before = after;
    }
    for rewriting in
        ["VACUUM FULL parlant.parlant_guideline", "CLUSTER parlant.parlant_term USING parlant_term_name_key"]
    {
        run(&mut writer, rewriting);
        assert_eq!(context(&mut used), before, "{rewriting}");
    }
    run(&mut writer, "UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1");
    used.assert_refused(&with_ids(CONTEXT), "P0002");
}

#[test]
fn a_transaction_reads_its_own_changes_until_they_are_rolled_back() {
    let mut connection = world();
    let before = context(&mut connection);
    for change in CHANGES {
        connection.run("BEGIN; SELECT pg_current_xact_id()");
        assert_eq!(context(&mut connection), before);
        connection.run("SAVEPOINT one");
        run(&mut connection, change);
        let changed = context(&mut connection);
        assert_ne!(changed, before, "{change}");
        connection.run("ROLLBACK TO one");
        assert_eq!(context(&mut connection), before, "{change}");
        run(&mut connection, change);
        assert_ne!(context(&mut connection), before, "{change}");
        connection.run("ROLLBACK");
        assert_eq!(context(&mut connection), before, "{change}");
    }
}

#[test]
fn a_snapshot_goes_on_showing_the_context_that_it_has_shown() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let mut connection = world();
        let mut writer = connection.another();
        connection.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        let before = context(&mut connection);
        for change in CHANGES.iter().filter(|change| change.contains("parlant.parlant_") && !change.contains("TABLE")) {
            if change.starts_with("TRUNCATE") {
                continue;
            }
            run(&mut writer, change);
            assert_eq!(context(&mut connection), before, "{level}: {change}");
        }
        connection.run("COMMIT");
        assert_eq!(context(&mut connection), context(&mut writer));
    }
}

#[test]
fn what_is_kept_for_one_is_not_shown_to_another_who_sees_less() {
    let mut connection = world();
    let database: String = connection.value("SELECT current_database()");
    connection.run(&format!(
        r#"CREATE ROLE "app of {database}"; SELECT parlant.grant_app_role('app of {database}');
           CREATE ROLE "bare of {database}"; GRANT USAGE ON SCHEMA parlant TO "bare of {database}";
           GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA parlant TO "bare of {database}""#
    ));
    let as_owner = context(&mut connection);
    let enter = |connection: &mut Connection, role: &str, call: &str| {
        connection.run(&format!(r#"BEGIN; SET LOCAL ROLE "{role} of {database}"; SELECT {call}"#));
    };
    let user = "parlant.enter_workspace('acme', 'ann')";

    enter(&mut connection, "app", user);
    assert_eq!(context(&mut connection), as_owner);
    connection.run("ROLLBACK");
    enter(&mut connection, "app", "parlant.enter_workspace_as_customer('acme', 'ada')");
    connection.assert_refused(&with_ids(CONTEXT), "P0002");
    connection.run("ROLLBACK");
    enter(&mut connection, "app", "1");
    connection.assert_refused(&with_ids(CONTEXT), "P0002");
    connection.run("ROLLBACK");
    enter(&mut connection, "bare", user);
    connection.assert_refused(&with_ids(CONTEXT), "42501");
    connection.run("ROLLBACK");
    let terms = "SELECT count(*) FROM parlant.mentioned_terms('acme', :agent1, 'tea')";
    for (role, call, seen) in
        [("app", user, 1), ("app", "parlant.enter_workspace_as_customer('acme', 'ada')", 0), ("app", "1", 0)]
    {
        enter(&mut connection, role, call);
        assert_eq!(connection.value::<i64>(&with_ids(terms)), seen, "{call}");
        connection.run("ROLLBACK");
    }

    // Policies of a user's own: one that looks at other columns, and one that takes rows away.
    for (table, policy) in [
        ("parlant_guideline", "FOR SELECT USING (workspace_id = 'acme' AND priority > 20)"),
        ("parlant_tool", "AS RESTRICTIVE FOR SELECT USING (name <> 'second')"),
        ("parlant_term", "AS RESTRICTIVE FOR SELECT USING (name <> 'tea')"),
    ] {
        connection.run(&format!("CREATE POLICY own ON parlant.{table} {policy}"));
        enter(&mut connection, "app", user);
        let kept = context(&mut connection);
        connection.run("ROLLBACK");
        let mut fresh = connection.another();
        enter(&mut fresh, "app", user);
        assert_eq!(kept, context(&mut fresh), "{table}");
        fresh.run("ROLLBACK");
        assert_eq!(kept == as_owner, table == "parlant_guideline", "{table}");
        connection.run(&format!("DROP POLICY own ON parlant.{table}"));
    }
    assert_eq!(context(&mut connection), as_owner);
}
