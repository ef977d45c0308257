//! Templates, terms, variables, guidelines and canned responses, as clients see them.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    connection.run("SET search_path = ''");
    load_two_workspaces(&mut connection);
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn text(connection: &mut Connection, sql: &str) -> String {
    connection.value(&with_ids(sql))
}

const UNKNOWN: &str = "'00000000-0000-4000-8000-0000000000ff'";

#[test]
fn a_template_that_lacks_variables_is_refused_with_all_of_them() {
    let mut connection = world();
    connection
        .assert_refused("SELECT parlant.render_template('{{ a }} {{ b.c }} {{ d }}', '{\"d\": 1}')", "22023")
        .message("lacks 2 variables")
        .detail("Missing: a, b.c.")
        .hint("default");
}

#[test]
fn bad_templates_and_variables_are_refused_each_with_its_sqlstate() {
    let mut connection = world();
    let mut refused = |template: &str, variables: &str, sqlstate: &str| {
        connection.assert_refused(&format!("SELECT parlant.render_template({template}, {variables})"), sqlstate)
    };
    refused("E'x\\n{{ y'", "'{}'", "22023").message("broken at line 2, column 4").detail("unexpected end of input");
    refused("'{{ x|shout }}'", "'{}'", "22023").detail("no filter \"shout\"").hint("docs/behaviour.md");
    refused("'{{ x }}'", "'[]'", "22023").detail("not a JSON object");
    refused("repeat('x', 40001)", "'{}'", "54000").detail("40001 bytes");
    refused("'{{ x }}'", "jsonb_build_object('x', repeat('x', 1048576))", "54000").detail("the variables have");
    refused("'{% for i in range(10000) %}{{ x }}{% endfor %}'", "jsonb_build_object('x', repeat('x', 9999))", "54000")
        .detail("more than 4194304 bytes");
    refused("'{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}'", "'{}'", "54000")
        .detail("steps");
    refused("'{{ x }}'", "'{\"x\": \"\\u0000\"}'", "22P05");
    refused("E'\\xff'", "'{}'", "22021");
    refused("'{{ a.b }}'", "('{\"a\":' || repeat('[', 200) || repeat(']', 200) || '}')::jsonb", "22023")
        .detail("recursion");
    refused("'{{ x * 2 }}'", "'{\"x\": \"a\"}'", "22023").message("fails at line 1, column 4");
}

#[test]
fn a_canned_response_with_a_broken_template_is_refused_where_it_is_broken() {
    let mut connection = world();
    let insert = with_ids(
        "INSERT INTO parlant.parlant_canned_response (agent_id, template) VALUES (:agent1, E'Dear\\n{% x %}')",
    );
    connection.assert_refused(&insert, "22023").message("line 2, column 4").detail("unknown statement x");
    let update = with_ids("UPDATE parlant.parlant_canned_response SET template = '{{ x' WHERE agent_id = :agent1");
    connection.assert_refused(&update, "22023").message("line 1");
}

#[test]
fn terms_are_found_by_name_and_synonym_whole_whatever_case_and_accents() {
    let mut connection = world();
    run(
        &mut connection,
        r#"INSERT INTO parlant.parlant_term (agent_id, name, description, synonyms, importance) VALUES
             (:agent1, 'Café', 'a place', '["coffee  house", 7]', 100),
             (:agent1, 'house', 'a building', NULL, 900), (:agent1, 'place', 'where', '["cafe"]', 50),
             (:agent2, 'street', 'of the other agent', '[]', 100)"#,
    );
    let found = text(
        &mut connection,
        r#"SELECT string_agg(name || '=' || matched || '@' || "position" || '/' || importance, ' ')
             FROM parlant.find_terms(:agent1, 'The CAFE, a coffee house; cafes, a house on the street, N')"#,
    );
    assert_eq!(found, "Café=CAFE@5/100 Café=coffee house@13/100 house=house@36/900 n=N@57/100");
}

#[test]
fn terms_that_change_are_found_as_they_are_now() {
    let mut connection = world();
    run(&mut connection, "INSERT INTO parlant.parlant_term (agent_id, name, description) VALUES (:agent1, 'tea', 'd')");
    let count = with_ids("SELECT count(*) FROM parlant.find_terms(:agent1, 'tea and coffee')");
    assert_eq!(connection.value::<i64>(&count), 1);
    run(&mut connection, "UPDATE parlant.parlant_term SET name = 'coffee' WHERE name = 'tea'");
    assert_eq!(connection.value::<i64>(&count), 1);
    connection.run("BEGIN");
    for names in ["'tea'", "'coffee'", "'milk'"] {
        run(
            &mut connection,
            &format!("UPDATE parlant.parlant_term SET name = {names} WHERE name IN ('tea', 'coffee')"),
        );
        assert_eq!(connection.value::<i64>(&count), i64::from(names != "'milk'"), "{names}");
    }
    connection.run("ROLLBACK");
    assert_eq!(connection.value::<i64>(&count), 1);
    run(&mut connection, "DELETE FROM parlant.parlant_term WHERE agent_id = :agent1");
    assert_eq!(connection.value::<i64>(&count), 0);
}

#[test]
fn terms_of_no_agent_and_texts_that_are_too_large_are_refused() {
    let mut connection = world();
    connection.assert_refused(&format!("SELECT parlant.find_terms({UNKNOWN}, 'x')"), "P0002").hint("cannot see");
    connection
        .assert_refused(&with_ids("SELECT parlant.find_terms(:agent1, repeat('x', 1048577))"), "54000")
        .detail("1048577 bytes");
    run(&mut connection, "UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1");
    connection.assert_refused(&with_ids("SELECT parlant.find_terms(:agent1, 'x')"), "P0002");
}

/// Session 1 is of agent 1 and customer ada.
const VARIABLES: &str = r#"
    UPDATE parlant.parlant_session SET variables = '{"b": "column", "a": "column"}' WHERE id = :session1;
    INSERT INTO parlant.parlant_variable (agent_id, session_id, customer_id, scope, key, value, is_private) VALUES
        (:agent1, :session1, NULL, 'session', 'a', '"session"', false),
        (:agent1, NULL, 'ada', 'customer', 'b', '"customer"', false),
        (:agent1, NULL, 'ada', 'customer', 'c', '"customer"', true),
        (:agent1, NULL, 'eve', 'customer', 'e', '"of another"', false),
        (:agent1, NULL, NULL, 'agent', 'c', '"agent"', false), (:agent1, NULL, NULL, 'agent', 'd', '"agent"', false),
        (:agent1, NULL, NULL, 'global', 'd', '"global"', false), (:agent1, NULL, NULL, 'global', 'f', '"global"', false),
        (:agent2, NULL, NULL, 'agent', 'g', '"of another"', false),
        (:rival_agent, NULL, NULL, 'global', 'h', '"of another"', false)"#;

#[test]
fn the_nearest_scope_of_a_variable_wins() {
    let mut connection = world();
    run(&mut connection, VARIABLES);
    let variables = text(&mut connection, "SELECT parlant.session_variables(:session1)::text");
    assert_eq!(variables, r#"{"a": "session", "b": "column", "c": "customer", "d": "agent", "f": "global", "v": 1}"#);
    assert_eq!(
        text(&mut connection, "SELECT parlant.session_variables(:session2)::text"),
        r#"{"d": "global", "f": "global", "g": "of another"}"#
    );
    connection.assert_refused(&format!("SELECT parlant.session_variables({UNKNOWN})"), "P0002").message("session");
}

#[test]
fn private_variables_are_left_out_where_asked_and_hide_what_lies_behind_them() {
    let mut connection = world();
    run(&mut connection, VARIABLES);
    let variables = text(&mut connection, "SELECT parlant.session_variables(:session1, false)::text");
    assert_eq!(variables, r#"{"a": "session", "b": "column", "d": "agent", "f": "global", "v": 1}"#);
}

#[test]
fn a_canned_response_is_rendered_with_the_variables_of_its_session() {
    let mut connection = world();
    run(&mut connection, VARIABLES);
    run(
        &mut connection,
        "UPDATE parlant.parlant_canned_response SET template = 'Dear {{ b }}, {{ d }} {{ x }}.' WHERE agent_id = :agent1",
    );
    let render = |session: &str, variables: &str| {
        with_ids(&format!(
            "SELECT parlant.render_canned_response(id, {session}, {variables}) FROM parlant.parlant_canned_response"
        ))
    };
    let rendered: String = connection.value(&render(":session1", r#"'{"x": 1, "b": "Ada"}'"#));
    assert_eq!(rendered, "Dear Ada, agent 1.");
    connection.assert_refused(&render(":session1", "'{}'"), "22023").detail("Missing: x.");
    connection.assert_refused(&render(":session2", "'{}'"), "P0002").message("canned response");
    connection.assert_refused(&render(":session1", "'[]'"), "22023").message("JSON object");
    run(&mut connection, "UPDATE parlant.parlant_canned_response SET template = '{{ c }}' WHERE agent_id = :agent1");
    connection.assert_refused(&render(":session1", "'{}'"), "22023").detail("Missing: c.");
    run(&mut connection, "UPDATE parlant.parlant_canned_response SET enabled = false");
    connection.assert_refused(&render(":session1", "'{}'"), "55000").hint("find_canned_responses");
}

fn events(connection: &mut Connection, session: &str) -> String {
    text(
        connection,
        &format!(
            "SELECT coalesce(string_agg(event_type || ' ' || content, E'\\n' ORDER BY \"offset\"), '')
             FROM parlant.parlant_event WHERE session_id = {session} AND \"offset\" > 1"
        ),
    )
}

#[test]
fn a_change_of_a_variable_in_a_session_is_logged_with_old_and_new_value() {
    let mut connection = world();
    for sql in [
        "set_variable(:agent1, 'step', '1', session_id => :session1)",
        "set_variable(:agent1, 'step', '{\"n\": 2}', 'session', :session1)",
        "set_variable(:agent1, 'step', '{\"n\": 2}', 'session', :session1)",
        "set_variable(:agent1, 'language', '\"de\"', 'customer', :session1)",
        "set_variable(:agent1, 'pin', '1234', 'session', :session1, is_private => true)",
        "set_variable(:agent1, 'pin', '4321', 'session', :session1)",
        "set_variable(:agent1, 'tone', '\"kind\"', 'agent')",
        "set_variable(:agent1, 'season', '\"winter\"', 'global', description => 'of the year')",
    ] {
        run(&mut connection, &format!("SELECT parlant.{sql}"));
    }
    assert_eq!(
        events(&mut connection, ":session1"),
        r#"variable_update {"key": "step", "scope": "session", "new_value": 1, "old_value": null}
variable_update {"key": "step", "scope": "session", "new_value": {"n": 2}, "old_value": 1}
variable_update {"key": "language", "scope": "customer", "new_value": "de", "old_value": null}
variable_update {"key": "pin", "scope": "session", "is_private": true}
variable_update {"key": "pin", "scope": "session", "is_private": true}"#
    );
    let stored = text(
        &mut connection,
        "SELECT string_agg(concat_ws(' ', key, scope, value, is_private, agent_id IS NULL, session_id IS NULL, customer_id), ', ' ORDER BY key)
         FROM parlant.parlant_variable WHERE key <> 'v'",
    );
    assert_eq!(
        stored,
        "language customer \"de\" f f t ada, pin session 4321 t f f, season global \"winter\" f t t, \
         step session {\"n\": 2} f f f, tone agent \"kind\" f f t"
    );
}

#[test]
fn variables_of_no_scope_owner_key_or_value_are_refused() {
    let mut connection = world();
    let mut refused = |arguments: &str, sqlstate: &str| {
        connection.assert_refused(&with_ids(&format!("SELECT parlant.set_variable({arguments})")), sqlstate)
    };
    refused(":agent1, 'k', '1', 'planet'", "22023").message("'planet'").detail("global");
    refused(":agent1, 'k', '1', NULL", "22023").message("NULL");
    refused(":agent1, NULL, '1', 'agent'", "22023").detail("key is NULL");
    refused(":agent1, 'k', NULL, 'agent'", "22023").hint("'null'::jsonb");
    refused(":agent1, 'k', '1'", "22023").detail("session_id is NULL");
    refused(":agent1, 'k', '1', 'customer'", "22023").detail("customer_id is NULL");
    refused(":agent2, 'k', '1', 'customer', :session2", "22023").detail("customer_id is NULL");
    refused(":agent2, 'k', '1', 'session', :session1", "P0002").message("session");
    refused(":session1, 'k', '1', 'agent'", "P0002").message("agent");
    refused("NULL, 'k', '1', 'global'", "P0002").message("agent");
    refused(":agent1, 'not a key', '1', 'agent'", "23514").constraint("key_is_an_identifier");
}

#[test]
fn clients_that_set_one_variable_at_once_both_succeed_and_log_in_order() {
    let mut first = world();
    let second = first.another();
    first.run("BEGIN");
    run(&mut first, "SELECT parlant.set_variable(:agent1, 'n', '1', 'session', :session1)");
    let mut waiting = second.start(&with_ids("SELECT parlant.set_variable(:agent1, 'n', '2', 'session', :session1)"));
    assert!(waiting.blocks());
    first.run("COMMIT");
    waiting.succeed();
    assert_eq!(
        events(&mut first, ":session1"),
        r#"variable_update {"key": "n", "scope": "session", "new_value": 1, "old_value": null}
variable_update {"key": "n", "scope": "session", "new_value": 2, "old_value": 1}"#
    );

    let second = first.another();
    first.run("BEGIN");
    run(&mut first, "SELECT parlant.set_variable(:agent1, 'm', '1', 'agent')");
    let mut waiting = second.start(&with_ids("SELECT parlant.set_variable(:agent1, 'm', '2', 'agent')"));
    assert!(waiting.blocks());
    first.run("COMMIT");
    waiting.succeed();
    assert_eq!(text(&mut first, "SELECT value::text FROM parlant.parlant_variable WHERE key = 'm'"), "2");
}

#[test]
fn guidelines_apply_in_the_order_that_the_journey_gives_them() {
    let mut connection = world();
    run(
        &mut connection,
        r#"UPDATE parlant.parlant_session SET current_journey_id = NULL WHERE id = :session1;
           DELETE FROM parlant.parlant_journey_guideline;
           UPDATE parlant.parlant_guideline SET condition = 'a', priority = 100 WHERE id = :guideline1;
           INSERT INTO parlant.parlant_guideline (id, agent_id, condition, action, priority, enabled, tool_ids, created_at) VALUES
             (:tool1, :agent1, 'b', 'x', 900, true, '["weather"]', '2020-01-01'),
             (:ask1, :agent1, 'c', 'x', 100, true, NULL, '2020-01-01'),
             (:ask2, :agent1, 'd', 'x', 500, false, '[]', '2020-01-01');
           INSERT INTO parlant.parlant_journey_guideline (journey_id, guideline_id, priority_override, enabled, journey_specific_condition)
           VALUES (:journey1, :tool1, NULL, false, NULL), (:journey1, :guideline1, 950, true, 'inside')"#,
    );
    let listed = with_ids(
        "SELECT string_agg(concat_ws(' ', condition, effective_priority, journey_condition, tool_ids), ', ')
         FROM parlant.session_guidelines(:session1)",
    );
    assert_eq!(connection.value::<String>(&listed), r#"b 900 ["weather"], c 100 [], a 100 []"#);
    run(&mut connection, "UPDATE parlant.parlant_session SET current_journey_id = :journey1 WHERE id = :session1");
    assert_eq!(connection.value::<String>(&listed), "a 950 inside [], c 100 []");
    connection.assert_refused(&format!("SELECT parlant.session_guidelines({UNKNOWN})"), "P0002");
}

#[test]
fn a_match_of_a_guideline_is_logged_and_no_session_waits_for_another() {
    let mut first = world();
    run(&mut first, "INSERT INTO parlant.parlant_session (id, agent_id) SELECT :ask2, :agent1");
    let mut second = first.another();
    second.run("SET lock_timeout = '2s'");
    first.run("BEGIN");
    run(&mut first, "SELECT parlant.record_guideline_match(:session1, :guideline1)");
    run(&mut second, "SELECT parlant.record_guideline_match(:ask2, :guideline1)");
    first.run("COMMIT");
    let logged = events(&mut first, ":session1");
    assert!(logged.starts_with(r#"status_update {"status": "guideline_matched", "#), "{logged}");
    for guideline in [":guideline2", ":rival_guideline", ":session1"] {
        first
            .assert_refused(
                &with_ids(&format!("SELECT parlant.record_guideline_match(:session1, {guideline})")),
                "P0002",
            )
            .message("guideline");
    }
}

fn canned_responses(connection: &mut Connection) {
    run(
        connection,
        r#"DELETE FROM parlant.parlant_canned_response;
           UPDATE parlant.parlant_session SET variables = '{"name": "Ada", "vip": true}' WHERE id = :session1;
           INSERT INTO parlant.parlant_canned_response (agent_id, template, category, tags, conditions, priority, requires_exact_match, enabled) VALUES
             (:agent1, 'We refund within {{ days }} days.', 'Billing', '["refund", "money back"]', '[]', 100, false, true),
             (:agent1, 'Refunds need a receipt, {{ name }}.', 'billing', '[]', '[]', 100, false, true),
             (:agent1, 'Goodbye!', NULL, '["bye"]', '[]', 1000, true, true),
             (:agent1, 'For you, {{ name }}, shipping is free.', 'shipping', '[]', '["vip == true", "the customer asks for costs"]', 100, false, true),
             (:agent1, 'Shipping is 5 euros.', 'shipping', '[]', '["vip == false"]', 900, false, true),
             (:agent1, 'Shipping is off.', 'shipping', '[]', '[]', 900, false, false),
             (:agent2, 'Shipping of another agent', 'shipping', '[]', '[]', 900, false, true)"#,
    );
}

#[test]
fn canned_responses_are_found_by_words_tags_conditions_and_exact_match() {
    let mut connection = world();
    canned_responses(&mut connection);
    let mut found = |arguments: &str| -> Vec<String> {
        connection.column(&with_ids(&format!(
            "SELECT left(template, 12) || ' ' || renderable || ' ' || missing
             FROM parlant.find_canned_responses(:session1{arguments})"
        )))
    };
    assert_eq!(
        found(", 'I want my money back: a refund'"),
        [r#"We refund wi false ["days"]"#, "For you, {{  true []", "Refunds need true []"],
        "a tag and a word, a condition that holds, a word"
    );
    assert_eq!(found(", ' BYE '"), ["Goodbye! true []", "For you, {{  true []"]);
    assert_eq!(found(", 'bye now'"), ["For you, {{  true []"], "an exact match is required");
    assert_eq!(found(", 'shipping?', 'Shipping'"), ["For you, {{  true []"], "a condition fails, and one is disabled");
    assert_eq!(found(", NULL, 'BILLING'").len(), 2);
    assert_eq!(found("").len(), 4, "without a query all that apply");
    assert_eq!(found(", max_results => 1"), ["For you, {{  true []"]);
    assert_eq!(found(", '%_\\ '' & | ! ( <->'"), ["For you, {{  true []"]);
    for arguments in ["max_results => 0", "max_results => 1001", "max_results => NULL"] {
        connection.assert_refused(
            &with_ids(&format!("SELECT parlant.find_canned_responses(:session1, {arguments})")),
            "22023",
        );
    }
    connection
        .assert_refused(&with_ids("SELECT parlant.find_canned_responses(:session1, repeat('x', 10001))"), "54000");
}

#[test]
fn a_strict_agent_says_a_canned_response_as_it_is_rendered() {
    let mut connection = world();
    canned_responses(&mut connection);
    let send = |text: &str, variables: &str| {
        with_ids(&format!(
            "SELECT parlant.append_event(:session1, 'agent_message', jsonb_build_object('message', '{text}',
                 'canned_response_id', id) || '{variables}') FROM parlant.parlant_canned_response WHERE template LIKE 'We refund%'"
        ))
    };
    let (right, wrong) = ("We refund within 5 days.", "We refund at once.");
    let days = r#"{"variables": {"days": 5}}"#;
    connection.run(&send(wrong, days));
    run(&mut connection, "UPDATE parlant.parlant_agent SET composition_mode = 'strict' WHERE id = :agent1");
    connection.run(&send(right, days));
    connection
        .assert_refused(&send(wrong, days), "23514")
        .constraint("keep_to_canned_response")
        .detail(" says: We refund within 5 days.")
        .hint("render_canned_response");
    connection.assert_refused(&send(right, "{}"), "22023").detail("Missing: days.");
    connection.assert_refused(&send(right, r#"{"canned_response_id": "no uuid"}"#), "22P02");
    connection
        .assert_refused(&send(right, r#"{"canned_response_id": "00000000-0000-4000-8000-0000000000ff"}"#), "P0002");
    run(&mut connection, "SELECT parlant.append_event(:session1, 'agent_message', '{\"message\": \"free words\"}')");
}
