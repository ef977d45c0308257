//! Every check does what its name says: the name gives the column and the rule, and the row that breaks it is refused
//! under that name. What names cannot say in a pattern stands in a list.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

/// SQL expressions for the column of a check that break it, and that obey it.
struct Values {
    column: String,
    bad: Vec<String>,
    good: Vec<String>,
}

/// `None` where the name has none of the patterns.
fn values(constraint: &str) -> Option<Values> {
    let strings = |n: usize| format!("repeat('x', {n})");
    let found = |column: &str, bad: &[String], good: &[String]| {
        Some(Values { column: column.to_owned(), bad: bad.to_vec(), good: good.to_vec() })
    };
    let text = |s: &str| s.to_owned();
    for (suffix, bad, good) in [
        ("_is_not_negative", "-1", "0"),
        ("_is_positive", "0", "1"),
        ("_is_an_object", "'true'", "'{}'"),
        ("_is_an_array", "'{}'", "'[]'"),
        ("_is_known", "'unheard of'", ""),
    ] {
        if let Some(column) = constraint.strip_suffix(suffix) {
            let good: Vec<_> = Some(text(good)).filter(|g| !g.is_empty()).into_iter().collect();
            return found(column, &[text(bad)], &good);
        }
    }
    if let Some((column, n)) = constraint.strip_suffix("_characters").and_then(|s| s.split_once("_has_at_most_")) {
        let n = n.parse().ok()?;
        return found(column, &[strings(n + 1)], &[strings(n), text("''")]);
    }
    if let Some((column, n)) = constraint.strip_suffix("_characters").and_then(|s| s.split_once("_has_1_to_")) {
        let n = n.parse().ok()?;
        return found(column, &[strings(n + 1), text("''")], &[strings(n), text("'x'")]);
    }
    let (column, range) = constraint.split_once("_is_")?;
    let (low, high) = range.split_once("_to_")?;
    let (low, high): (i64, i64) = (low.parse().ok()?, high.parse().ok()?);
    found(column, &[(low - 1).to_string(), (high + 1).to_string()], &[low.to_string(), high.to_string()])
}

/// Checks whose names have no pattern: table, name, statement that breaks it.
const OTHERS: &[(&str, &str, &str)] = &[
    ("parlant_tool", "name_is_an_identifier", "UPDATE parlant.parlant_tool SET name = '1 x'"),
    ("parlant_tool", "parameters_is_a_json_schema", r#"UPDATE parlant.parlant_tool SET parameters = '{"type": "x"}'"#),
    (
        "parlant_tool",
        "return_schema_is_a_json_schema",
        r#"UPDATE parlant.parlant_tool SET return_schema = '{"type": 1}'"#,
    ),
    (
        "parlant_journey_state",
        "chat_state_has_a_prompt",
        "UPDATE parlant.parlant_journey_state SET chat_prompt = ' ' WHERE id = :ask1",
    ),
    (
        "parlant_journey_state",
        "tool_state_has_a_tool",
        "UPDATE parlant.parlant_journey_state SET state_type = 'tool' WHERE id = :ask1",
    ),
    (
        "parlant_journey_state",
        "decision_state_has_a_condition",
        "UPDATE parlant.parlant_journey_state SET state_type = 'decision' WHERE id = :ask1",
    ),
    (
        "parlant_journey_transition",
        "expression_has_a_condition",
        "UPDATE parlant.parlant_journey_transition SET condition_kind = 'expression'",
    ),
    (
        "parlant_journey_state",
        "is_final_agrees_with_state_type",
        "UPDATE parlant.parlant_journey_state SET is_final = false WHERE id = :done1",
    ),
    (
        "parlant_session",
        "current_state_needs_a_journey",
        "INSERT INTO parlant.parlant_session (workspace_id, agent_id, current_state_id) VALUES ('acme', :agent1, :ask1)",
    ),
    ("parlant_session", "locale_is_a_language_tag", "UPDATE parlant.parlant_session SET locale = 'English'"),
    (
        "parlant_session",
        "activity_is_not_before_the_start",
        "UPDATE parlant.parlant_session SET last_activity_at = started_at - interval '1 second'",
    ),
    (
        "parlant_session",
        "end_is_not_before_the_start",
        "UPDATE parlant.parlant_session SET status = 'completed', ended_at = started_at - interval '1 second'",
    ),
    (
        "parlant_session",
        "ended_at_is_set_when_the_session_has_ended",
        "UPDATE parlant.parlant_session SET ended_at = started_at",
    ),
    (
        "parlant_event",
        "tool_call_and_result_have_a_tool_call_id",
        "UPDATE parlant.parlant_event SET tool_call_id = NULL WHERE event_type = 'tool_call'",
    ),
    ("parlant_variable", "key_is_an_identifier", "UPDATE parlant.parlant_variable SET key = '1x'"),
    ("parlant_variable", "owner_fits_the_scope", "UPDATE parlant.parlant_variable SET scope = 'agent'"),
    ("parlant_variable", "owner_fits_the_scope", "UPDATE parlant.parlant_variable SET customer_id = 'ada'"),
    ("parlant_variable", "value_type_agrees_with_value", "UPDATE parlant.parlant_variable SET value_type = 'string'"),
    (
        "parlant_session_workflow",
        "completion_is_not_before_the_start",
        "UPDATE parlant.parlant_session_workflow SET completed_at = started_at - interval '1 second'",
    ),
    (
        "parlant_template_parameter",
        "default_value_agrees_with_type",
        "UPDATE parlant.parlant_template_parameter SET default_value = '1'",
    ),
    (
        "parlant_conversion_history",
        "completion_is_not_before_the_start",
        "UPDATE parlant.parlant_conversion_history SET started_at = '2020-01-02', completed_at = '2020-01-01'",
    ),
    ("parlant_host_link", "there_is_one_link_at_most", "UPDATE parlant.parlant_host_link SET id = gen_random_uuid()"),
];

/// Columns that other rules bind as well, so that not every value their own check allows is allowed.
const BOUND: &[(&str, &str)] = &[("parlant_variable", "customer_id"), ("parlant_journey_state", "chat_prompt")];

#[test]
fn every_check_refuses_what_breaks_it_under_its_name() {
    let mut connection = world();
    // Not in the fixture, where permissions would then be asked of a host.
    connection.run("INSERT INTO parlant.parlant_host_link VALUES (DEFAULT, 'host', false, false)");
    let checks = connection.rows(
        "SELECT relname::text, conname::text FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
         WHERE connamespace = 'parlant'::regnamespace AND contype = 'c' ORDER BY 1, 2",
    );
    assert!(checks.len() > 150, "{} checks", checks.len());
    for check in checks {
        let (table, name): (String, String) = (check.get(0), check.get(1));
        let has_row: bool = connection.value(&format!("SELECT EXISTS (SELECT FROM parlant.{table})"));
        assert!(has_row, "tests/fixture/two_workspaces.sql has no row of {table} to break its checks with");
        // The check alone shall refuse, where no trigger of ours comes before it.
        connection.run(&format!("BEGIN; ALTER TABLE parlant.{table} DISABLE TRIGGER USER; SAVEPOINT start"));
        let mut refused = |sql: &str| {
            connection.assert_refused(sql, "23514").constraint(&name).table(&table);
            connection.run("ROLLBACK TO start");
        };
        let listed: Vec<_> = OTHERS.iter().filter(|(t, n, _)| (*t, *n) == (table.as_str(), name.as_str())).collect();
        for (_, _, sql) in &listed {
            refused(&with_ids(sql));
        }
        match values(&name) {
            None => assert!(!listed.is_empty(), "nothing breaks {name} of {table}"),
            Some(Values { column, bad, good }) => {
                let update = |value: &str| {
                    format!(
                        "UPDATE parlant.{table} SET \"{column}\" = {value}
                         WHERE ctid = (SELECT min(ctid) FROM parlant.{table})"
                    )
                };
                bad.iter().for_each(|value| refused(&update(value)));
                let is_free = column != "workspace_id" && !BOUND.contains(&(&table, &column));
                for value in good.iter().filter(|_| is_free) {
                    connection.run(&format!("{}; ROLLBACK TO start", update(value)));
                }
            }
        }
        connection.run("ROLLBACK");
    }
}

#[test]
fn every_domain_refuses_a_label_it_does_not_know() {
    let mut connection = world();
    let domains: Vec<String> = connection
        .column("SELECT typname::text FROM pg_type WHERE typnamespace = 'parlant'::regnamespace AND typtype = 'd'");
    assert!(domains.len() >= 6);
    for domain in domains {
        connection
            .assert_refused(&format!("SELECT 'unheard of'::parlant.{domain}"), "23514")
            .constraint(&format!("{domain}_is_known"));
    }
    connection.run("SET search_path = parlant; SELECT 'active'::agent_status, 'final'::journey_state_type");
}

/// For each unique rule a statement that breaks it.
const DUPLICATES: &[(&str, &str)] = &[
    (
        "parlant_workspace_member_key",
        "INSERT INTO parlant_workspace_member (workspace_id, user_id, permission) VALUES ('acme', 'ann', 'read')",
    ),
    ("parlant_agent_name_key", "INSERT INTO parlant_agent (workspace_id, name) VALUES ('acme', 'ONE')"),
    ("parlant_term_name_key", "INSERT INTO parlant_term (agent_id, name, description) VALUES (:agent1, 'n', 'd')"),
    (
        "parlant_tool_name_key",
        "INSERT INTO parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
             VALUES ('acme', 'tool', 'T', 'd', 'custom', '{}')",
    ),
    (
        "parlant_tool_integration_target_key",
        "INSERT INTO parlant_tool_integration (parlant_tool_id, integration_type, target_id) VALUES (:tool1, 'custom_tool', 't')",
    ),
    ("parlant_tool_call_key", "INSERT INTO parlant_tool_call (tool_id, number) VALUES (:tool1, 1)"),
    ("parlant_agent_tool_key", "INSERT INTO parlant_agent_tool (agent_id, tool_id) VALUES (:agent1, :tool1)"),
    (
        "parlant_journey_title_key",
        "INSERT INTO parlant_journey (agent_id, title, conditions) VALUES (:agent1, 'j', '[]')",
    ),
    (
        "parlant_journey_state_journey_name_key",
        "INSERT INTO parlant_journey_state (journey_id, name, state_type) VALUES (:journey1, 'ask', 'final')",
    ),
    (
        "parlant_journey_state_initial_key",
        "INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt, is_initial)
             VALUES (:journey1, 'other', 'chat', 'p', true)",
    ),
    (
        "parlant_journey_transition_key",
        "INSERT INTO parlant_journey_transition (journey_id, from_state_id, to_state_id, priority)
             VALUES (:journey1, :ask1, :done1, 7)",
    ),
    (
        "parlant_journey_guideline_key",
        "INSERT INTO parlant_journey_guideline (journey_id, guideline_id) VALUES (:journey1, :guideline1)",
    ),
    (
        "parlant_event_offset_key",
        // Without the trigger that knows better before the index does.
        r#"BEGIN; ALTER TABLE parlant_event DISABLE TRIGGER number_event; INSERT INTO parlant_event
               (workspace_id, session_id, "offset", event_type, content) VALUES ('acme', :session1, 0, 'agent_message', '{}')"#,
    ),
    (
        "parlant_event_tool_call_key",
        r#"INSERT INTO parlant_event (session_id, "offset", event_type, content, tool_call_id)
               VALUES (:session1, 2, 'tool_call', '{"tool": "t", "args": {}}', 'call')"#,
    ),
    (
        "parlant_event_idempotency_key",
        "INSERT INTO parlant_event (session_id, event_type, content, idempotency_key)
             SELECT :session1, 'status_update', '{}', 'once' FROM generate_series(1, 2)",
    ),
    (
        "parlant_variable_key",
        "INSERT INTO parlant_variable (agent_id, session_id, key, value) VALUES (:agent1, :session1, 'v', '2')",
    ),
    (
        "parlant_variable_key",
        "INSERT INTO parlant_variable (workspace_id, scope, key, value) VALUES ('acme', 'global', 'g', '1'), ('acme', 'global', 'g', '2')",
    ),
    (
        "parlant_agent_knowledge_base_key",
        "INSERT INTO parlant_agent_knowledge_base (agent_id, knowledge_base_id) VALUES (:agent1, 'k')",
    ),
    (
        "parlant_agent_workflow_key",
        "INSERT INTO parlant_agent_workflow (agent_id, workflow_id, integration_type) VALUES (:agent1, 'w', 'both')",
    ),
    (
        "parlant_agent_api_key_key",
        "INSERT INTO parlant_agent_api_key (agent_id, api_key_id, purpose) VALUES (:agent1, 'k', 'llm')",
    ),
    (
        "parlant_workflow_template_name_key",
        "INSERT INTO parlant_workflow_template (workspace_id, name, workflow_id) VALUES ('acme', 't', 'w')",
    ),
    (
        "parlant_template_parameter_name_key",
        "INSERT INTO parlant_template_parameter (template_id, name, type, description) VALUES (:template1, 'p', 'json', 'd')",
    ),
    (
        "parlant_conversion_history_key",
        "INSERT INTO parlant_conversion_history (workspace_id, conversion_id, workflow_id, status) VALUES ('acme', 'c', 'w', 'failed')",
    ),
];

#[test]
fn every_unique_rule_refuses_the_second_row_under_its_name() {
    let mut connection = world();
    connection.run("SET search_path = parlant");
    for (constraint, sql) in DUPLICATES {
        connection.assert_refused(&with_ids(sql), "23505").constraint(constraint);
        connection.run("ROLLBACK");
    }
}

#[test]
fn every_unique_rule_has_a_case() {
    let rules: Vec<String> = world().column(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relnamespace = 'parlant'::regnamespace AND indisunique AND NOT indisprimary
           -- What contains the primary key is there for foreign keys and cannot be broken.
           AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = indexrelid AND attname = 'id')",
    );
    assert!(rules.len() >= 19, "{} rules", rules.len());
    for rule in rules {
        let name = rule.trim_start_matches("parlant.");
        assert!(DUPLICATES.iter().any(|(constraint, _)| *constraint == name), "DUPLICATES has no case for {name}");
    }
}

#[test]
fn what_resembles_a_duplicate_but_is_none_is_accepted() {
    let mut connection = world();
    connection.run(&with_ids(
        r#"SET search_path = parlant;
        UPDATE parlant_agent SET deleted_at = timezone('utc', now()) WHERE id = :agent1;
        INSERT INTO parlant_agent (workspace_id, name) VALUES ('acme', 'one');
        INSERT INTO parlant_event (session_id, "offset", event_type, content, tool_call_id) VALUES
            (:session1, 2, 'tool_result', '{"result": 1}', 'call'),
            (:session2, 0, 'tool_call', '{"tool": "t", "args": {}}', 'call');
        INSERT INTO parlant_journey_transition (journey_id, from_state_id, to_state_id, condition) VALUES
            (:journey1, :ask1, :done1, 'else'), (:journey1, :ask1, :ask1, 'again');
        INSERT INTO parlant_variable (agent_id, scope, customer_id, key, value) VALUES
            (:agent1, 'agent', NULL, 'v', '1'), (:agent1, 'customer', 'ada', 'v', '1'), (:agent1, 'global', NULL, 'v', '1')"#,
    ));
}

#[test]
fn a_final_state_says_so_twice_whatever_a_client_sends() {
    let mut connection = world();
    connection.run("SET search_path = parlant");
    for (set, expected) in [
        ("state_type = 'final'", "final true"),
        ("is_final = true", "final true"),
        ("state_type = 'final', is_final = false", "final true"),
        ("state_type = 'chat', is_final = false", "chat false"),
    ] {
        connection.run("BEGIN; DELETE FROM parlant_journey_transition");
        connection
            .run(&with_ids(&format!("UPDATE parlant_journey_state SET is_initial = false, {set} WHERE id = :ask1")));
        let found: String = connection
            .value(&with_ids("SELECT state_type || ' ' || is_final FROM parlant_journey_state WHERE id = :ask1"));
        assert_eq!(found, expected, "{set}");
        connection.run("ROLLBACK");
    }
    for sent in ["'final', NULL, false", "'chat', 'p', true"] {
        let found: String = connection.value(&with_ids(&format!(
            "WITH made AS (INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt, is_final)
                           VALUES (:journey2, 'end' || clock_timestamp(), {sent}) RETURNING *)
             SELECT state_type || ' ' || is_final FROM made"
        )));
        assert_eq!(found, "final true", "{sent}");
    }
    let found: String = connection.value(&with_ids(
        "WITH made AS (UPDATE parlant_journey_state SET state_type = 'chat', chat_prompt = 'p' WHERE id = :done1 RETURNING *)
         SELECT state_type || ' ' || is_final FROM made",
    ));
    assert_eq!(found, "chat false");
}

#[test]
fn a_state_that_is_initial_and_final_is_alone() {
    let mut connection = world();
    let refused = "UPDATE parlant.parlant_journey_state SET is_final = true WHERE id = :ask2";
    connection.run(&with_ids(refused)); // alone in its journey
    connection
        .assert_refused(
            &with_ids("INSERT INTO parlant.parlant_journey_state (journey_id, name, state_type) VALUES (:journey2, 'end', 'final')"),
            "23514",
        )
        .constraint("initial_and_final_state_is_alone")
        .table("parlant_journey_state")
        .message("state \"ask\" of journey \"j\" is initial and final, but not the only one");
}

#[test]
fn the_type_of_a_variable_follows_its_value() {
    let mut connection = world();
    let mut type_after = |set: &str| -> String {
        connection.value(&format!(
            "WITH changed AS (UPDATE parlant.parlant_variable SET {set} RETURNING *) SELECT value_type FROM changed"
        ))
    };
    assert_eq!(type_after("value = '\"x\"'"), "string");
    assert_eq!(type_after("value = '[1]', value_type = NULL"), "array");
    assert_eq!(type_after("value = 'null', value_type = 'null'"), "null");
}

#[test]
fn times_are_utc_and_updated_at_is_the_databases() {
    let mut connection = world();
    assert_eq!(connection.value::<String>("SHOW timezone"), "Asia/Kathmandu");
    connection.run("UPDATE parlant.parlant_session SET updated_at = '2000-01-01', title = 't'");
    let wrong: i64 = connection.value(
        "SELECT count(*) FROM parlant.parlant_session, (SELECT timezone('utc', clock_timestamp()) AS utc) AS now
         WHERE greatest(abs(extract(epoch FROM utc - started_at)), abs(extract(epoch FROM utc - last_activity_at)),
                        abs(extract(epoch FROM utc - created_at)), abs(extract(epoch FROM utc - updated_at))) > 600",
    );
    assert_eq!(wrong, 0);
}

#[test]
fn ending_a_session_by_its_status_sets_its_end() {
    let mut connection = world();
    connection.run("UPDATE parlant.parlant_session SET status = 'completed'");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_session WHERE ended_at IS NULL"), 0);
}

#[test]
fn no_document_makes_the_schema_check_fail() {
    let mut connection = world();
    for document in [
        r#"repeat('{"not":', 5000) || 'true' || repeat('}', 5000)"#,
        r#"repeat('[', 5000) || repeat(']', 5000)"#,
        "'{\"maximum\": 1' || repeat('0', 400) || '}'",
        "'{\"title\": \"' || repeat('x', 300000) || '\"}'",
        "'{\"minLength\": -1e400}'",
        "'null'",
    ] {
        connection.run(&format!("SELECT parlant.json_schema_error(({document})::jsonb)"));
    }
}

#[test]
fn a_role_without_grants_can_do_nothing() {
    let database = Cluster::shared().database();
    let role = database.create_role("nobody");
    let mut owner = database.connect();
    let tables: Vec<String> = owner.column("SELECT tablename::text FROM pg_tables WHERE schemaname = 'parlant'");
    let functions: Vec<String> =
        owner.column("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'parlant'::regnamespace");
    assert!(tables.len() >= 21 && functions.len() > 10);
    owner.run(&format!("GRANT USAGE ON SCHEMA parlant TO {role}"));
    let mut nobody = database.connect_as(&role);
    for table in tables {
        for sql in ["SELECT FROM", "DELETE FROM", "TRUNCATE"] {
            nobody.assert_refused(&format!("{sql} parlant.{table}"), "42501");
        }
    }
    for function in functions {
        let may: bool = owner.value(&format!("SELECT has_function_privilege('{role}', '{function}', 'EXECUTE')"));
        assert!(!may, "{function}");
    }
    nobody.assert_refused("SELECT * FROM parlant.install_tables()", "42501");
}
