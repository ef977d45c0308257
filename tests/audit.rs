//! The audit log: what leaves an entry, what the entry says and hides, and that nobody changes it.

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};

/// The tables of configuration. Conversations and their data are their own record, a conversion is history by itself,
/// and the log is the log.
const AUDITED: &[&str] = &[
    "parlant_agent",
    "parlant_agent_api_key",
    "parlant_agent_knowledge_base",
    "parlant_agent_tool",
    "parlant_agent_workflow",
    "parlant_canned_response",
    "parlant_guideline",
    "parlant_host_link",
    "parlant_journey",
    "parlant_journey_guideline",
    "parlant_journey_state",
    "parlant_journey_transition",
    "parlant_template_parameter",
    "parlant_term",
    "parlant_tool",
    "parlant_tool_integration",
    "parlant_workflow_template",
    "parlant_workspace_member",
];

/// Two workspaces, with an empty log.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    empty_log(&mut connection);
    connection
}

fn empty_log(connection: &mut Connection) {
    connection
        .run("SET parlant.change_audit_log = on; TRUNCATE parlant.parlant_audit_log; RESET parlant.change_audit_log");
}

/// What the log says, in the order of writing.
fn entries(connection: &mut Connection) -> Vec<String> {
    connection.column(
        "SELECT concat_ws(' ', action, substr(table_name, 9), old_values, '->', new_values)
         FROM parlant.parlant_audit_log ORDER BY id",
    )
}

/// What the log says after a statement.
fn entries_of(connection: &mut Connection, sql: &str) -> Vec<String> {
    empty_log(connection);
    connection.run(&with_ids(sql));
    entries(connection)
}

fn tables(connection: &mut Connection) -> Vec<String> {
    connection.column("SELECT tablename::text FROM pg_tables WHERE schemaname = 'parlant' ORDER BY 1")
}

#[test]
fn every_table_of_configuration_is_audited_and_no_other() {
    let mut connection = world();
    connection.run("INSERT INTO parlant.parlant_host_link VALUES (DEFAULT, 'host', false, false);
         INSERT INTO parlant.parlant_workspace_member (workspace_id, user_id, permission) VALUES ('acme', 'nina', 'read')");
    for table in tables(&mut connection) {
        let triggers: Vec<String> = connection.column(&format!(
            "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'parlant.{table}'::regclass AND tgname LIKE 'audit%' ORDER BY 1"
        ));
        if !AUDITED.contains(&table.as_str()) {
            assert_eq!(triggers, [] as [String; 0], "{table}");
            continue;
        }
        assert_eq!(triggers, ["audit_row", "audit_statement"], "{table}");
        connection.run(&format!("BEGIN; DELETE FROM parlant.{table}"));
        let logged: i64 = connection.value(&format!(
            "SELECT count(*) FROM parlant.parlant_audit_log WHERE table_name = '{table}' AND action = 'delete'"
        ));
        connection.run("ROLLBACK");
        let rows: i64 = connection.value(&format!("SELECT count(*) FROM parlant.{table}"));
        assert!(rows > 0 && logged == rows, "{table}: {logged} entries of {rows} rows");
    }
}

#[test]
fn an_update_tells_the_columns_that_changed() {
    let mut connection = world();
    assert_eq!(
        entries_of(
            &mut connection,
            "UPDATE parlant.parlant_guideline SET priority = 7, action = 'smile', condition = 'c' WHERE id = :guideline1"
        ),
        [r#"update guideline {"action": "a", "priority": 100} -> {"action": "smile", "priority": 7}"#]
    );
    assert_eq!(
        entries_of(
            &mut connection,
            "UPDATE parlant.parlant_agent SET description = 'd', temperature = NULL WHERE id = :agent1"
        ),
        [r#"update agent {"description": null, "temperature": 70} -> {"description": "d", "temperature": null}"#]
    );
}

#[test]
fn inserts_and_deletes_tell_the_whole_row_but_what_the_entry_says_itself() {
    let mut connection = world();
    let term = r#"{"name": "RMA", "agent_id": "00000000-0000-4000-8000-000000000001", "category": null, "examples": [], "synonyms": ["rma"], "importance": 5, "description": "d"}"#;
    assert_eq!(
        entries_of(
            &mut connection,
            r#"INSERT INTO parlant.parlant_term (agent_id, name, description, importance, synonyms)
               VALUES (:agent1, 'RMA', 'd', 5, '["rma"]');
               DELETE FROM parlant.parlant_term WHERE name = 'RMA'"#
        ),
        [format!("insert term -> {term}"), format!("delete term {term} ->")]
    );
}

#[test]
fn totals_and_health_and_updates_that_change_nothing_leave_no_entry() {
    let mut connection = world();
    let none = entries_of(
        &mut connection,
        "UPDATE parlant.parlant_agent SET total_sessions = 9, total_messages = 9, total_tokens_used = 9, total_cost = 9,
                average_session_duration = 9, last_active_at = '2024-01-01', total_of_deleted_sessions = '{\"sessions\": 1}';
         UPDATE parlant.parlant_guideline SET match_count = 9, last_matched_at = '2024-01-01', priority = priority;
         UPDATE parlant.parlant_canned_response SET use_count = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_journey SET total_sessions = 9, completion_rate = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_journey_transition SET use_count = 9, use_count_of_deleted_sessions = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_tool SET use_count = 9, success_rate = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_tool_integration SET health_status = 'degraded', error_count = 9, last_error = 'x',
                last_health_check = '2024-01-01';
         UPDATE parlant.parlant_agent_tool SET use_count = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_agent_knowledge_base SET search_count = 9, last_searched_at = '2024-01-01';
         UPDATE parlant.parlant_agent_workflow SET trigger_count = 9, last_triggered_at = '2024-01-01';
         UPDATE parlant.parlant_agent_api_key SET use_count = 9, last_used_at = '2024-01-01';
         UPDATE parlant.parlant_workflow_template SET usage_count = 9;
         UPDATE parlant.parlant_term SET updated_at = '2024-01-01';
         UPDATE parlant.parlant_term SET name = 'x' WHERE false;
         DELETE FROM parlant.parlant_term WHERE false",
    );
    assert_eq!(none, [] as [String; 0]);
}

#[test]
fn an_entry_tells_who_when_and_in_which_transaction() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    empty_log(&mut connection);
    let role = database.create_role("dba");
    connection.run(&format!(
        "ALTER ROLE {role} BYPASSRLS; GRANT USAGE ON SCHEMA parlant TO {role};
         GRANT SELECT, UPDATE ON parlant.parlant_term TO {role}"
    ));
    connection.run(
        "BEGIN; SET LOCAL parlant.user_id = 'ann';
         UPDATE parlant.parlant_term SET importance = 1;
         SET LOCAL parlant.user_id = ''; SET LOCAL parlant.customer_id = 'cus';
         UPDATE parlant.parlant_term SET importance = 2;
         RESET parlant.customer_id",
    );
    connection.run(&format!("SET LOCAL ROLE {role}; UPDATE parlant.parlant_term SET importance = 3; RESET ROLE"));
    let transaction: i64 = connection.value("SELECT pg_current_xact_id()::text::bigint");
    connection.run("COMMIT");
    database.connect_as(&role).run("UPDATE parlant.parlant_term SET importance = 4");
    let told: Vec<String> = connection.column(&format!(
        "SELECT format('%s user=%s customer=%s role=%s same=%s', workspace_id, log.user_id, customer_id, database_role,
                       transaction_id = {transaction})
         FROM parlant.parlant_audit_log AS log ORDER BY log.id"
    ));
    assert_eq!(
        told,
        [
            "acme user=ann customer= role=postgres same=t".to_owned(),
            "acme user= customer=cus role=postgres same=t".to_owned(),
            "acme user= customer= role=postgres same=t".to_owned(),
            format!("acme user= customer= role={role} same=f"),
        ]
    );
    let same_time: bool = connection.value(
        "SELECT bool_and(row_id = term.id) AND max(occurred_at) = max(term.updated_at)
         FROM parlant.parlant_audit_log, parlant.parlant_term AS term",
    );
    assert!(same_time);
}

#[test]
fn secrets_are_masked_and_that_they_changed_is_told() {
    let mut connection = world();
    let told = entries_of(
        &mut connection,
        r#"UPDATE parlant.parlant_tool SET auth_config = '{"key": "needle"}' WHERE id = :tool1;
           UPDATE parlant.parlant_tool SET auth_config = '{"key": "needle two"}' WHERE id = :tool1;
           UPDATE parlant.parlant_tool_integration SET configuration = '{"header": "needle"}';
           UPDATE parlant.parlant_agent_tool SET configuration = '{"limit": "needle"}';
           UPDATE parlant.parlant_agent SET custom_config = '{"crm": {"apiKey": "needle", "max_tokens": 5, "url": "u"}}'
           WHERE id = :agent1;
           UPDATE parlant.parlant_workflow_template SET workflow_data = '{"blocks": [{"Authorization": {"value": "needle"}}]}'
           WHERE id = :template1;
           UPDATE parlant.parlant_tool SET parameters = '{"properties": {"password": {"type": "string"}}}' WHERE id = :tool1"#,
    );
    assert_eq!(
        told,
        [
            r#"update tool {"auth_config": "***"} -> {"auth_config": "***"}"#,
            r#"update tool {"auth_config": "***"} -> {"auth_config": "***"}"#,
            r#"update tool_integration {"configuration": "***"} -> {"configuration": "***"}"#,
            r#"update agent_tool {"configuration": "***"} -> {"configuration": "***"}"#,
            r#"update agent {"custom_config": {}} -> {"custom_config": {"crm": {"url": "u", "apiKey": "***", "max_tokens": 5}}}"#,
            r#"update workflow_template {"workflow_data": {}} -> {"workflow_data": {"blocks": [{"Authorization": {"value": "***"}}]}}"#,
            r#"update tool {"parameters": {}} -> {"parameters": {"properties": {"password": {"type": "string"}}}}"#,
        ]
    );
    let deleted = entries_of(&mut connection, "DELETE FROM parlant.parlant_tool; DELETE FROM parlant.parlant_agent");
    assert!(deleted.len() > 10 && !deleted.iter().any(|entry| entry.contains("needle")), "{deleted:#?}");
}

#[test]
fn every_row_of_a_large_statement_has_its_entry() {
    let mut connection = world();
    let count = |connection: &mut Connection, action: &str| -> i64 {
        connection.value(&format!(
            "SELECT count(DISTINCT row_id) FROM parlant.parlant_audit_log WHERE action = '{action}' AND table_name = 'parlant_guideline'"
        ))
    };
    connection.run(&with_ids("UPDATE parlant.parlant_guideline SET priority = 9 WHERE id = :guideline1")); // makes a plan for few rows
    connection.run(&with_ids(
        "INSERT INTO parlant.parlant_guideline (agent_id, condition, action) SELECT :agent1, 'c', 'a' FROM generate_series(1, 3000)",
    ));
    assert_eq!(count(&mut connection, "insert"), 3000);
    connection.run("UPDATE parlant.parlant_guideline SET priority = 8");
    assert_eq!(count(&mut connection, "update"), 3003);
    connection.run("DELETE FROM parlant.parlant_guideline");
    assert_eq!(count(&mut connection, "delete"), 3003);
}

#[test]
fn every_way_to_write_is_audited() {
    let mut connection = world();
    // Sorted: in which order one statement's triggers run is PostgreSQL's affair.
    let actions = |connection: &mut Connection, sql: &str| -> Vec<String> {
        let entries = entries_of(connection, sql);
        let mut actions: Vec<_> =
            entries.iter().map(|entry| entry.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        actions.sort();
        actions
    };
    assert_eq!(
        actions(
            &mut connection,
            "INSERT INTO parlant.parlant_term (workspace_id, agent_id, name, description)
             VALUES ('acme', :agent1, 'n', 'new'), ('acme', :agent1, 'other', 'd')
             ON CONFLICT (workspace_id, agent_id, name) DO UPDATE SET description = excluded.description"
        ),
        ["insert term", "update term"]
    );
    assert_eq!(
        actions(
            &mut connection,
            "MERGE INTO parlant.parlant_term AS term USING (VALUES ('n'), ('third')) AS new (name) ON new.name = term.name
             WHEN MATCHED THEN DELETE
             WHEN NOT MATCHED THEN INSERT (agent_id, name, description) VALUES (:agent1, new.name, 'd')"
        ),
        ["delete term", "insert term"]
    );
    assert_eq!(
        actions(
            &mut connection,
            "WITH gone AS (DELETE FROM parlant.parlant_term RETURNING *)
             INSERT INTO parlant.parlant_canned_response (agent_id, template) SELECT agent_id, name FROM gone"
        ),
        ["delete term", "delete term", "insert canned_response", "insert canned_response"]
    );
    assert_eq!(
        actions(
            &mut connection,
            "UPDATE parlant.parlant_canned_response SET id = gen_random_uuid() WHERE template = 't'"
        ),
        ["delete canned_response", "insert canned_response"]
    );
}

#[test]
fn copied_and_loaded_rows_are_audited_in_their_order() {
    let mut connection = world();
    connection.run(&with_ids(
        "COPY (SELECT :agent1, 'n' || n, 'd' FROM generate_series(1, 1200) AS n) TO PROGRAM 'cat > terms.copied';
         COPY parlant.parlant_term (agent_id, name, description) FROM PROGRAM 'cat terms.copied'",
    ));
    let is_in_order: bool = connection.value(
        "SELECT count(*) = 1200 AND bool_and(new_values ->> 'name' = 'n' || place)
         FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM parlant.parlant_audit_log) AS entry",
    );
    assert!(is_in_order);
    empty_log(&mut connection);
    connection.run("TRUNCATE parlant.parlant_term");
    assert_eq!(entries(&mut connection), [] as [String; 0], "as the page says, only rows leave entries");
}

#[test]
fn statements_of_one_command_each_have_their_entries() {
    let mut connection = world();
    let told = entries_of(
        &mut connection,
        "WITH one AS (UPDATE parlant.parlant_guideline SET priority = 1 WHERE id = :guideline1),
              two AS (UPDATE parlant.parlant_guideline SET priority = 2 WHERE id = :guideline2)
         INSERT INTO parlant.parlant_guideline (agent_id, condition, action) VALUES (:agent1, 'c', 'a')",
    );
    let told: Vec<&str> = told.iter().map(|entry| &entry[..16]).collect();
    assert_eq!(told.iter().filter(|entry| **entry == "update guideline").count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|entry| **entry == "insert guideline").count(), 1, "{told:?}");
    // The second statement does not see what the first did to the row.
    let twice = entries_of(
        &mut connection,
        "WITH one AS (UPDATE parlant.parlant_guideline SET priority = 11 WHERE id = :guideline1)
         UPDATE parlant.parlant_guideline SET priority = 12 WHERE id = :guideline1",
    );
    assert_eq!(twice.len(), 1, "{twice:?}");
}

/// A trigger of a user's for rows of guidelines: it changes others, also of the same table, and may fail at that.
const MEDDLE: &str = "
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.priority < 500 THEN
            UPDATE parlant.parlant_guideline SET priority = NEW.priority + 500 WHERE id <> NEW.id AND workspace_id = 'acme';
            BEGIN
                UPDATE parlant.parlant_guideline SET priority = NEW.priority + 700 WHERE id <> NEW.id AND workspace_id = 'acme';
                UPDATE parlant.parlant_guideline SET priority = -1 WHERE id <> NEW.id;
            EXCEPTION WHEN check_violation THEN NULL;
            END;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER meddle AFTER UPDATE ON parlant.parlant_guideline FOR EACH ROW EXECUTE FUNCTION meddle()";

#[test]
fn statements_within_others_have_their_own_entries_also_when_they_fail() {
    let mut connection = world();
    connection.run(MEDDLE);
    let told = entries_of(&mut connection, "UPDATE parlant.parlant_guideline SET priority = 7 WHERE id = :guideline1");
    let priorities = |told: &[String]| -> Vec<String> {
        told.iter().map(|entry| entry.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
    };
    // A statement within another ends first.
    assert_eq!(priorities(&told), ["507}", "7}"], "{told:?}");
    // The trigger's name decides whether rows are noted before or after it ran; the log is the same.
    connection.run("ALTER TRIGGER meddle ON parlant.parlant_guideline RENAME TO a_meddle");
    let told = entries_of(&mut connection, "UPDATE parlant.parlant_guideline SET priority = 8 WHERE id = :guideline1");
    assert_eq!(priorities(&told), ["508}", "8}"], "{told:?}");
}

#[test]
fn a_statement_that_fails_leaves_nothing_to_a_later_one() {
    let mut connection = world();
    connection.run(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'P0001'; END $$;
         CREATE TRIGGER fail AFTER UPDATE ON parlant.parlant_guideline FOR EACH ROW
         WHEN (NEW.priority = 13) EXECUTE FUNCTION fail()",
    );
    connection.assert_refused("UPDATE parlant.parlant_guideline SET priority = 13", "P0001");
    assert_eq!(entries_of(&mut connection, "UPDATE parlant.parlant_guideline SET priority = priority"), [""; 0]);
    connection.run("BEGIN; SAVEPOINT s");
    connection.assert_refused("UPDATE parlant.parlant_guideline SET priority = 13", "P0001");
    connection.run(&with_ids(
        "ROLLBACK TO s; UPDATE parlant.parlant_guideline SET priority = 14 WHERE id = :guideline1; COMMIT",
    ));
    assert_eq!(entries(&mut connection), [r#"update guideline {"priority": 100} -> {"priority": 14}"#]);
}

#[test]
fn deferred_constraints_and_replicas_are_as_before() {
    let mut connection = world();
    connection.run(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN UPDATE parlant.parlant_term SET importance = 77; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON parlant.parlant_guideline DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.priority = 7) EXECUTE FUNCTION late()",
    );
    assert_eq!(
        entries_of(&mut connection, "UPDATE parlant.parlant_guideline SET priority = 7 WHERE id = :guideline1"),
        [
            r#"update guideline {"priority": 100} -> {"priority": 7}"#,
            r#"update term {"importance": 100} -> {"importance": 77}"#
        ]
    );
    assert_eq!(
        entries_of(
            &mut connection,
            "SET session_replication_role = replica; DELETE FROM parlant.parlant_term; RESET session_replication_role"
        ),
        [""; 0]
    );
}

#[test]
fn what_was_noted_and_not_written_is_not_committed() {
    let mut connection = world();
    connection.run("ALTER TABLE parlant.parlant_term DISABLE TRIGGER audit_statement");
    connection
        .assert_refused("UPDATE parlant.parlant_term SET importance = 1", "55000")
        .message("changes were noted for the audit log, but not written to it");
    connection.run("ALTER TABLE parlant.parlant_term ENABLE TRIGGER audit_statement");
    connection.run("UPDATE parlant.parlant_term SET importance = 1");
    assert_eq!(entries(&mut connection), [r#"update term {"importance": 100} -> {"importance": 1}"#]);
}

#[test]
fn values_of_every_kind_are_told_as_to_jsonb_has_them() {
    let mut connection = world();
    connection.run(
        "SET timezone = 'UTC';
         ALTER TABLE parlant.parlant_term ADD COLUMN big bigint, ADD COLUMN yes boolean, ADD COLUMN ref uuid,
             ADD COLUMN doc jsonb, ADD COLUMN amount numeric, ADD COLUMN tags text[], ADD COLUMN far timestamptz",
    );
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    for document in [
        r#"{"a": [1.50, -0.001, 1e300, {"é": null}], "k": ["s", 12345678901234567890]}"#,
        r#""text""#,
        "7",
        "[]",
        &deep,
    ] {
        empty_log(&mut connection);
        connection.run(&format!(
            r#"UPDATE parlant.parlant_term SET big = -9223372036854775808, yes = true, amount = 1.10, tags = '{{a,b}}',
                      ref = '00000000-0000-4000-8000-00000000000a', far = '2026-01-01 00:00+00', doc = '{document}',
                      description = E'line\n"é"' WHERE workspace_id = 'acme'"#
        ));
        let wrong: Vec<String> = connection.column(
            "SELECT told.key || ': ' || told.value FROM parlant.parlant_audit_log AS entry
             JOIN parlant.parlant_term AS term ON term.id = entry.row_id, jsonb_each(entry.new_values) AS told
             WHERE told.value::text <> (to_jsonb(term) -> told.key)::text OR new_values <> new_values::text::jsonb",
        );
        assert_eq!(wrong, [""; 0], "{document}");
        assert_eq!(entries(&mut connection).len(), 1);
        connection.run("UPDATE parlant.parlant_term SET doc = NULL");
    }
    let masked = entries_of(
        &mut connection,
        r#"UPDATE parlant.parlant_term SET doc = '{"api-key": "needle", "n": 1e300}' WHERE workspace_id = 'acme'"#,
    );
    assert!(
        masked.len() == 1 && masked[0].contains(r#""api-key": "***"}"#) && !masked[0].contains("needle"),
        "{masked:?}"
    );
}

#[test]
fn what_a_deletion_takes_along_is_audited() {
    let mut connection = world();
    empty_log(&mut connection);
    connection.run(&with_ids("DELETE FROM parlant.parlant_agent WHERE workspace_id = 'acme'"));
    let gone: Vec<String> = connection.column(
        "SELECT format('%s %s', count(*), substr(table_name, 9)) FROM parlant.parlant_audit_log
         WHERE action = 'delete' GROUP BY table_name ORDER BY table_name",
    );
    assert_eq!(
        gone,
        [
            "2 agent",
            "1 agent_api_key",
            "1 agent_knowledge_base",
            "1 agent_tool",
            "1 agent_workflow",
            "1 canned_response",
            "2 guideline",
            "2 journey",
            "1 journey_guideline",
            "3 journey_state",
            "1 journey_transition",
            "1 term",
        ]
    );
}

#[test]
fn linking_a_host_is_audited_and_the_log_outlives_a_workspace() {
    let mut connection = world();
    connection.run(&include_str!("fixture/host_as_linked.sql").replace("HOST", "host"));
    let linked = entries_of(&mut connection, "SELECT parlant.link_host('host'); SELECT parlant.link_host('host')");
    assert_eq!(linked.len(), 1, "{linked:?}");
    assert!(
        linked[0].starts_with("insert host_link -> {") && linked[0].contains(r#""schema_name": "host""#),
        "{linked:?}"
    );
    let before: i64 = connection.value("SELECT count(*) FROM parlant.parlant_agent WHERE workspace_id = 'acme'");
    connection.run("DELETE FROM host.workspace WHERE id = 'acme'");
    let told: i64 = connection.value(
        "SELECT count(*) FROM parlant.parlant_audit_log WHERE workspace_id = 'acme' AND table_name = 'parlant_agent' AND action = 'delete'",
    );
    assert_eq!(told, before);
    let unlinked = entries_of(&mut connection, "SELECT parlant.unlink_host()");
    assert_eq!(unlinked.len(), 1, "{unlinked:?}");
    let workspace: String = connection.value("SELECT workspace_id FROM parlant.parlant_audit_log");
    assert_eq!(workspace, "");
}

#[test]
fn what_was_rolled_back_left_no_entry() {
    let mut connection = world();
    connection.run(
        "BEGIN; UPDATE parlant.parlant_term SET importance = 1; SAVEPOINT s; UPDATE parlant.parlant_term SET importance = 2;
         ROLLBACK TO s; COMMIT; BEGIN; DELETE FROM parlant.parlant_term; ROLLBACK",
    );
    assert_eq!(entries(&mut connection), [r#"update term {"importance": 100} -> {"importance": 1}"#]);
}

#[test]
fn the_log_is_only_appended_to() {
    let database: Database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    let before = entries(&mut connection);
    for sql in [
        "UPDATE parlant.parlant_audit_log SET user_id = 'another'",
        "DELETE FROM parlant.parlant_audit_log",
        "TRUNCATE parlant.parlant_audit_log",
        "DELETE FROM parlant.parlant_audit_log WHERE false",
        "MERGE INTO parlant.parlant_audit_log USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    ] {
        connection.assert_refused(sql, "55000").message("the audit log is only appended to").hint("purge_audit_log");
    }
    let role = database.create_role("granted");
    connection.run(&format!(
        "ALTER ROLE {role} BYPASSRLS; GRANT USAGE ON SCHEMA parlant TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA parlant TO {role}"
    ));
    let mut granted = database.connect_as(&role);
    granted.assert_refused("DELETE FROM parlant.parlant_audit_log", "55000");
    granted.assert_refused("SET parlant.change_audit_log = on; DELETE FROM parlant.parlant_audit_log", "42501");
    granted.assert_refused("SELECT set_config('parlant.change_audit_log', 'on', false)", "42501");
    granted.assert_refused("ALTER TABLE parlant.parlant_audit_log DISABLE TRIGGER refuse_change", "42501");
    assert_eq!(before, entries(&mut connection));
    // Before the library is loaded, its settings are unknown, and whatever was set does not count.
    let mut early = database.connect_as(&role);
    early.run("SET parlant.change_audit_log = on");
    early.assert_refused("DELETE FROM parlant.parlant_audit_log", "55000");
    assert_eq!(before, entries(&mut connection));
}

#[test]
fn its_owner_can_act_deliberately() {
    let mut connection = world();
    connection.run("UPDATE parlant.parlant_term SET importance = 1");
    connection.run(
        "BEGIN; ALTER TABLE parlant.parlant_audit_log DISABLE TRIGGER refuse_change; DELETE FROM parlant.parlant_audit_log;
         ALTER TABLE parlant.parlant_audit_log ENABLE TRIGGER refuse_change; COMMIT",
    );
    assert_eq!(entries(&mut connection), [] as [String; 0]);
    connection.assert_refused("DELETE FROM parlant.parlant_audit_log", "55000");
}

#[test]
fn old_entries_are_purged_by_the_owner_and_the_log_tells_so() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    let count = |connection: &mut Connection, workspace: &str| -> i64 {
        connection.value(&format!("SELECT count(*) FROM parlant.parlant_audit_log WHERE workspace_id = '{workspace}'"))
    };
    let (acme, rival) = (count(&mut connection, "acme"), count(&mut connection, "rival"));
    assert!(acme > 0 && rival > 0);
    let purge = |connection: &mut Connection, arguments: &str| -> i64 {
        connection.value(&format!("SELECT parlant.purge_audit_log({arguments})"))
    };
    assert_eq!(purge(&mut connection, "now() - interval '1 hour'"), 0);
    assert_eq!((count(&mut connection, "acme"), count(&mut connection, "")), (acme, 0));
    assert_eq!(purge(&mut connection, "now() + interval '1 hour', 'acme'"), acme);
    assert_eq!((count(&mut connection, "acme"), count(&mut connection, "rival")), (1, rival));
    let told: String = connection.value(
        "SELECT concat_ws(' ', table_name, action, old_values->>'entries') FROM parlant.parlant_audit_log WHERE workspace_id = 'acme'",
    );
    assert_eq!(told, format!("parlant_audit_log delete {acme}"));
    assert_eq!(purge(&mut connection, "now() + interval '1 hour'"), rival + 1);
    connection.assert_refused("DELETE FROM parlant.parlant_audit_log", "55000");

    let role = database.create_role("stranger");
    connection.run(&format!(
        "GRANT USAGE ON SCHEMA parlant TO {role}; GRANT ALL ON parlant.parlant_audit_log TO {role};
         GRANT EXECUTE ON FUNCTION parlant.purge_audit_log TO {role}"
    ));
    database
        .connect_as(&role)
        .assert_refused("SELECT parlant.purge_audit_log(now())", "42501")
        .message("must be owner of table parlant_audit_log");
}

#[test]
fn erasing_a_customer_takes_the_name_out_of_the_log() {
    let mut connection = world();
    connection.run(
        "BEGIN; SET LOCAL parlant.customer_id = 'ada'; UPDATE parlant.parlant_term SET importance = 1;
         SET LOCAL parlant.customer_id = 'bea'; UPDATE parlant.parlant_term SET importance = 2; COMMIT",
    );
    connection.run("SELECT parlant.erase_customer('acme', 'ada')");
    let names: Vec<String> = connection.column("SELECT customer_id FROM parlant.parlant_audit_log ORDER BY id");
    assert_eq!(names, ["(erased)", "bea"]);
    connection.assert_refused("DELETE FROM parlant.parlant_audit_log", "55000");
}

#[test]
fn a_client_needs_no_right_on_the_log_and_cannot_lead_it_astray() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    empty_log(&mut connection);
    let role = database.create_role("client");
    connection.run(&format!(
        "ALTER ROLE {role} BYPASSRLS; GRANT USAGE ON SCHEMA parlant TO {role}; CREATE SCHEMA evil AUTHORIZATION {role};
         GRANT SELECT, UPDATE ON parlant.parlant_term TO {role}"
    ));
    let mut client = database.connect_as(&role);
    client.run(
        "CREATE TABLE evil.taken (by text);
         CREATE FUNCTION evil.take(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO evil.taken VALUES (current_user); RETURN true; END $$;
         CREATE OPERATOR evil.= (FUNCTION = evil.take, LEFTARG = uuid, RIGHTARG = uuid);
         CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{}''::jsonb';
         CREATE TEMP TABLE new_row (id uuid); CREATE TEMP TABLE old_row (id uuid); CREATE TEMP TABLE parlant_audit_log (id uuid);
         SET search_path = evil, pg_temp, pg_catalog, parlant",
    );
    client.run("UPDATE parlant.parlant_term SET importance = 1");
    assert_eq!(entries(&mut connection), [r#"update term {"importance": 100} -> {"importance": 1}"#]);
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM evil.taken"), 0);
    client.assert_refused("SELECT FROM parlant.parlant_audit_log", "42501");
    client.assert_refused("INSERT INTO parlant.parlant_audit_log DEFAULT VALUES", "42501");
}

#[test]
fn admins_read_the_entries_of_their_workspace_and_nobody_else_any() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    let role = database.create_role("app");
    connection.run(&format!(
        "SELECT parlant.grant_app_role('{role}'); SELECT parlant.grant_workspace('acme', 'ann', 'admin'),
                parlant.grant_workspace('acme', 'wim', 'write'), parlant.grant_workspace('rival', 'rob', 'admin')"
    ));
    let all: i64 = connection.value("SELECT count(*) FROM parlant.parlant_audit_log WHERE workspace_id = 'acme'");
    let mut client = database.connect_as(&role);
    let seen = |client: &mut Connection, enter: &str| -> i64 {
        client.run(&format!("BEGIN; {enter}"));
        let seen = client.value("SELECT count(*) FROM parlant.parlant_audit_log");
        client.run("COMMIT");
        seen
    };
    assert_eq!(seen(&mut client, "SELECT parlant.enter_workspace('acme', 'ann')"), all);
    assert_eq!(seen(&mut client, "SELECT parlant.enter_workspace('acme', 'wim')"), 0);
    assert_eq!(seen(&mut client, "SELECT parlant.enter_workspace_as_customer('acme', 'ada')"), 0);
    assert_eq!(seen(&mut client, ""), 0);

    client.run(
        "BEGIN; SELECT parlant.enter_workspace('acme', 'wim'); UPDATE parlant.parlant_term SET importance = 1; COMMIT",
    );
    let last: String = connection
        .value("SELECT concat_ws(' ', user_id, database_role) FROM parlant.parlant_audit_log ORDER BY id DESC LIMIT 1");
    assert_eq!(last, format!("wim {role}"));
    client.assert_refused(
        "BEGIN; SELECT parlant.enter_workspace('acme', 'ann'); DELETE FROM parlant.parlant_audit_log",
        "42501",
    );
}

#[test]
fn columns_that_come_and_go_are_followed_within_a_connection() {
    let mut connection = world();
    connection.run("UPDATE parlant.parlant_term SET importance = 1");
    connection.run(
        "ALTER TABLE parlant.parlant_term ADD COLUMN note json, ADD COLUMN place point, ADD COLUMN \"Team's\" integer;
         UPDATE parlant.parlant_term SET note = '{\"a\": 1}', place = '(1,2)'",
    );
    connection.run("UPDATE parlant.parlant_term SET note = '{\"a\":1}', place = '(1,2)', \"Team's\" = 3");
    connection.run(
        "ALTER TABLE parlant.parlant_term RENAME COLUMN note TO remark; UPDATE parlant.parlant_term SET remark = NULL",
    );
    connection
        .run("ALTER TABLE parlant.parlant_term DROP COLUMN remark; UPDATE parlant.parlant_term SET place = '(3,4)'");
    assert_eq!(
        entries(&mut connection),
        [
            r#"update term {"importance": 100} -> {"importance": 1}"#,
            r#"update term {"note": null, "place": null} -> {"note": {"a": 1}, "place": "(1,2)"}"#,
            r#"update term {"note": {"a": 1}, "Team's": null} -> {"note": {"a": 1}, "Team's": 3}"#,
            r#"update term {"remark": {"a": 1}} -> {"remark": null}"#,
            r#"update term {"place": "(1,2)"} -> {"place": "(3,4)"}"#,
        ]
    );
}

#[test]
fn restored_rows_leave_no_entries() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    let before = entries(&mut connection);
    database.dump("audited.sql", &["--data-only", "--disable-triggers", "--schema=parlant"]);
    let copy = Cluster::shared().database();
    copy.run_file("audited.sql", &[]);
    assert_eq!(before, entries(&mut copy.connect()));
}

#[test]
fn what_others_put_on_the_log_takes_part_also_in_a_connection_that_has_written_to_it() {
    let mut connection = world();
    let rename = |name: &str| with_ids(&format!("UPDATE parlant.parlant_agent SET name = '{name}' WHERE id = :agent1"));
    let many = "INSERT INTO parlant.parlant_term (agent_id, name, description) SELECT :agent1, 'n' || n, 'd' FROM generate_series(1, 700) AS n";
    connection.run(&rename("before"));
    connection.run(
        "ALTER TABLE parlant.parlant_audit_log ADD CONSTRAINT no_eve CHECK (new_values ->> 'name' <> 'Eve'), ADD copied text;
         CREATE INDEX ON parlant.parlant_audit_log (table_name);
         CREATE TABLE seen (what text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.seen VALUES (NEW.new_values ->> 'name'); NEW.copied := 'yes'; RETURN NEW; END $$",
    );
    connection.run(&rename("indexed"));
    connection.assert_refused(&rename("Eve"), "23514").message("no_eve");
    connection.run("CREATE TRIGGER see BEFORE INSERT ON parlant.parlant_audit_log FOR EACH ROW EXECUTE FUNCTION see()");
    connection.run(&rename("seen"));
    connection.run(&with_ids(&format!("BEGIN; {many}")));
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM seen"), 701);
    connection.run("ROLLBACK; DROP TRIGGER see ON parlant.parlant_audit_log");
    connection
        .assert_refused(&with_ids(&many.replace("'n' || n", "CASE n WHEN 650 THEN 'Eve' ELSE 'n' || n END")), "23514")
        .message("no_eve");
    connection.run(&with_ids(&format!("BEGIN; {many}")));
    let copied: i64 = connection.value(
        "SELECT count(*) FROM parlant.parlant_audit_log WHERE copied IS NULL AND new_values ->> 'name' LIKE 'n%'",
    );
    assert_eq!(copied, 700);
    connection.run("ROLLBACK");
    connection.run(&rename("after"));
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), ["seen"]);
    let logged: Vec<String> = connection.column(
        "SELECT concat_ws(' ', new_values ->> 'name', copied, transaction_id > 0, database_role = session_user, user_id)
         FROM parlant.parlant_audit_log ORDER BY id",
    );
    assert_eq!(logged, ["before t t", "indexed t t", "seen yes t t", "after t t"]);
    connection.run("SET enable_seqscan = off");
    let by_index: i64 =
        connection.value("SELECT count(*) FROM parlant.parlant_audit_log WHERE table_name = 'parlant_agent'");
    assert_eq!(by_index, 4);
}
