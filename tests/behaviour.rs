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
