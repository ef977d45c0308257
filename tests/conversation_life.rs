//! What becomes of sessions: their end, what is told of them, their export, retention, and forgetting a person.

use parlant_tests::{Cluster, Connection, load_two_workspaces, violations, with_ids};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn text(connection: &mut Connection, sql: &str) -> String {
    connection.value(&with_ids(sql))
}

#[test]
fn a_session_ends_once() {
    let mut connection = world();
    run(&mut connection, "SELECT parlant.end_session(:session1, satisfaction_score => 4)");
    let row = "SELECT status || ' ' || satisfaction_score || ' ' || (ended_at = timezone('utc', now()))
               FROM parlant.parlant_session WHERE id = :session1";
    assert!(text(&mut connection, row).starts_with("completed 4"));
    for status in ["completed", "abandoned"] {
        connection
            .assert_refused(&with_ids(&format!("SELECT parlant.end_session(:session1, '{status}')")), "55000")
            .message("has ended")
            .detail("It is completed");
    }
    connection.assert_refused(&with_ids("SELECT parlant.end_session(:session2, 'active')"), "22P02");
    connection.assert_refused(&with_ids("SELECT parlant.end_session(:session2, NULL)"), "22P02");
    connection
        .assert_refused(&with_ids("SELECT parlant.end_session(:session2, 'completed', 6)"), "23514")
        .constraint("satisfaction_score_is_1_to_5");
    connection.assert_refused("SELECT parlant.end_session('00000000-0000-4000-8000-0000000000ff')", "P0002");
    run(&mut connection, "SELECT parlant.end_session(:session2, 'abandoned')");
}

#[test]
fn idle_sessions_are_abandoned_and_those_that_somebody_writes_to_are_left_alone() {
    let mut connection = world();
    let mut writer = connection.another();
    run(
        &mut connection,
        "UPDATE parlant.parlant_session SET started_at = timezone('utc', now()) - interval '3 days',
                last_activity_at = timezone('utc', now()) - interval '25 hours' WHERE id <> :rival_session",
    );
    run(&mut writer, "BEGIN; SELECT parlant.append_event(:session2, 'status_update', '{}')");
    assert_eq!(connection.value::<i64>("SELECT parlant.close_idle_sessions()"), 1);
    writer.run("COMMIT");
    assert_eq!(connection.value::<i64>("SELECT parlant.close_idle_sessions()"), 0);
    let ended = text(
        &mut connection,
        "SELECT status || ' ' || (ended_at IS NOT NULL) FROM parlant.parlant_session WHERE id = :session1",
    );
    assert_eq!(ended, "abandoned true");
    run(
        &mut connection,
        "UPDATE parlant.parlant_session SET started_at = timezone('utc', now()) - interval '3 days',
                last_activity_at = timezone('utc', now()) - interval '3 minutes' WHERE status = 'active'",
    );
    for expected in [1, 1, 0] {
        assert_eq!(connection.value::<i64>("SELECT parlant.close_idle_sessions('2 minutes', 1)"), expected);
    }
    for arguments in ["'1 minute'", "'-1 day'", "NULL", "'1 day', 0", "'1 day', NULL"] {
        connection.assert_refused(&format!("SELECT parlant.close_idle_sessions({arguments})"), "22023");
    }
}

#[test]
fn retention_deletes_what_is_due_in_batches_and_a_dry_run_deletes_nothing() {
    let mut connection = world();
    run(
        &mut connection,
        "UPDATE parlant.parlant_agent SET data_retention_days = 10 WHERE id = :agent1;
         UPDATE parlant.parlant_agent SET data_retention_days = NULL WHERE id = :agent2;
         INSERT INTO parlant.parlant_session (agent_id, started_at, last_activity_at, status, ended_at, tokens_used, cost)
         SELECT agent, ago, ago, 'completed', ago, 10, 2
         FROM generate_series(1, 5), (VALUES (:agent1::uuid), (:agent2), (:rival_agent)) a (agent),
              (VALUES (timezone('utc', now()) - interval '9 days 23 hours'), (timezone('utc', now()) - interval '11 days')) t (ago)",
    );
    let answer = |connection: &mut Connection, arguments: &str| -> Vec<(String, i64, i64)> {
        connection
            .rows(&format!(
                "SELECT agent.name || ' of ' || due.workspace_id, sessions, events
                 FROM parlant.apply_retention({arguments}) due JOIN parlant.parlant_agent agent ON agent.id = agent_id"
            ))
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect()
    };
    let due = |sessions| vec![("One of acme".to_owned(), sessions, 0)];
    assert_eq!(answer(&mut connection, "true"), due(5));
    assert_eq!(answer(&mut connection, "dry_run => true"), due(5), "a dry run deletes nothing");
    run(&mut connection, "SELECT parlant.refresh_totals()");
    let total =
        "SELECT total_sessions || ' ' || total_tokens_used || ' ' || total_cost || ' ' || average_session_duration
                 FROM parlant.parlant_agent WHERE id = :agent1";
    assert_eq!(text(&mut connection, total), "11 100 20 0");

    let mut other = connection.another();
    other.run("BEGIN; SELECT FROM parlant.parlant_session WHERE ended_at IS NOT NULL ORDER BY id LIMIT 30 FOR SHARE");
    assert_eq!(answer(&mut connection, "max_sessions => 2"), [], "sessions that somebody holds are left for later");
    other.run("COMMIT");
    assert_eq!(answer(&mut connection, "max_sessions => 2"), due(2));
    assert_eq!(answer(&mut connection, ""), due(3));
    assert_eq!(answer(&mut connection, ""), []);
    run(&mut connection, "SELECT parlant.refresh_totals()");
    assert_eq!(text(&mut connection, total), "11 100 20 0", "totals outlive the sessions");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 28);
    connection.assert_refused("SELECT parlant.apply_retention(max_sessions => 0)", "22023");
}

#[test]
fn totals_are_those_of_the_log() {
    let mut connection = world();
    run(
        &mut connection,
        "SELECT parlant.append_event(:session1, 'agent_message', '{\"message\": \"m\"}', tokens => 7, cost => 3);
         UPDATE parlant.parlant_session SET started_at = timezone('utc', now()) - interval '90 seconds' WHERE id = :session1;
         SELECT parlant.end_session(:session1)",
    );
    let totals = "SELECT concat_ws(' ', name, total_sessions, total_messages, total_tokens_used, total_cost,
                                   average_session_duration, last_active_at IS NOT NULL)
                  FROM parlant.parlant_agent ORDER BY workspace_id, name";
    let zero: Vec<String> = connection.column(totals);
    assert_eq!(zero, ["One 0 0 0 0 f", "Two 0 0 0 0 f", "One 0 0 0 0 f"], "nothing is incremented in place");
    let changed: String =
        connection.value("SELECT totals || ' ' || changed FROM parlant.refresh_totals() WHERE totals = 'agents'");
    assert_eq!(changed, "agents 3");
    let folded: Vec<String> = connection.column(totals);
    assert_eq!(folded, ["One 1 2 7 3 90 t", "Two 1 0 0 0 t", "One 1 0 0 0 t"]);
    let changed: String =
        connection.value("SELECT totals || ' ' || changed FROM parlant.refresh_totals() WHERE totals = 'agents'");
    assert_eq!(changed, "agents 0");
    run(&mut connection, "DELETE FROM parlant.parlant_session; SELECT parlant.refresh_totals()");
    assert_eq!(connection.column::<String>(totals), folded, "also when the sessions are gone");
}

#[test]
fn a_customer_is_erased_everywhere_and_nobody_else() {
    let mut connection = world();
    run(
        &mut connection,
        "SELECT parlant.start_session(:agent2, customer_id => 'ada'), parlant.start_session(:agent2, customer_id => 'bob'),
                parlant.start_session(:rival_agent, customer_id => 'ada');
         INSERT INTO parlant.parlant_variable (agent_id, scope, customer_id, key, value) VALUES
             (:agent1, 'customer', 'ada', 'a', '1'), (:agent2, 'customer', 'ada', 'a', '1'),
             (:agent1, 'customer', 'bob', 'a', '1'), (:rival_agent, 'customer', 'ada', 'a', '1')",
    );
    let erase = "SELECT concat_ws(' ', sessions, events, variables) FROM parlant.erase_customer('acme', 'ada')";
    assert_eq!(text(&mut connection, erase), "2 2 2");
    assert_eq!(text(&mut connection, erase), "0 0 0");
    let left: Vec<String> = connection.column(
        "SELECT workspace_id || ' ' || customer_id FROM parlant.parlant_session WHERE customer_id IS NOT NULL
         UNION ALL SELECT workspace_id || ' ' || customer_id FROM parlant.parlant_variable WHERE customer_id IS NOT NULL ORDER BY 1",
    );
    assert_eq!(left, ["acme bob", "acme bob", "rival ada", "rival ada"]);
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_event"), 0);
    assert_eq!(
        connection.value::<i64>("SELECT count(*) FROM parlant.parlant_variable WHERE session_id IS NOT NULL"),
        0,
        "with the variables of the sessions"
    );
}

/// A conversation with personal data, numbers that only exact JSON keeps, and every type of event.
const CONVERSATION: &str = r#"
    SELECT parlant.append_events(:session2, '[
        {"event_type": "customer_message", "content": {"message": "I am ada@example.com.\nCall +49 30 1234567!"}},
        {"event_type": "tool_call", "content": {"tool_name": "book", "parameters": {"guests": 4, "price": 1.10}}, "tool_call_id": "c1", "metadata": {"ms": 12}},
        {"event_type": "tool_result", "content": {"result": {"table": 7, "n": 12345678901234567890.120}}, "tool_call_id": "c1", "tokens": 5, "cost": 1},
        {"event_type": "journey_transition", "content": {"from": "ask", "to": "done"}},
        {"event_type": "variable_update", "content": {"key": "guests", "value": 4}},
        {"event_type": "status_update", "content": {"note": "checked"}},
        {"event_type": "customer_message", "content": {"attachments": [{"url": "u"}, {"url": "v"}]}},
        {"event_type": "agent_message", "content": {"text": "Table 7 is yours."}, "idempotency_key": "k"}]')"#;

#[test]
fn a_transcript_reads_well() {
    let mut connection = world();
    run(&mut connection, CONVERSATION);
    run(
        &mut connection,
        "UPDATE parlant.parlant_session SET title = 'Dinner', customer_id = 'ada', started_at = '2024-10-01 18:00' WHERE id = :session2",
    );
    let transcript = text(
        &mut connection,
        "SELECT regexp_replace(parlant.session_transcript(:session2), '\\d\\d:\\d\\d:\\d\\d', 'TIME', 'g')",
    );
    assert_eq!(
        transcript,
        "# Dinner

Conversation with Two, from 2024-10-01 18:00 UTC, still going on, customer ada.

**Customer**, TIME
> I am ada@example.com.
> Call +49 30 1234567!

*Call of book* (c1): `{\"price\": 1.10, \"guests\": 4}`

*Result of c1*: `{\"n\": 12345678901234567890.120, \"table\": 7}`

*Moved from ask to done*

*guests is now* `4`

*Status Update*: `{\"note\": \"checked\"}`

**Customer**, TIME
> (2 attachments)

**Two**, TIME
> Table 7 is yours.
"
    );
    let empty = text(&mut connection, "SELECT parlant.session_transcript(:rival_session)");
    assert!(empty.starts_with("# Session 00000000-0000-4000-8000-000000000018\n\nConversation with One"), "{empty}");
    run(&mut connection, "UPDATE parlant.parlant_agent SET pii_handling_mode = 'strict' WHERE id = :agent2");
    let masked = text(&mut connection, "SELECT parlant.session_transcript(:session2)");
    assert!(masked.contains("> I am [email].\n> Call [phone]!"), "{masked}");
    assert!(masked.contains("from 2024-10-01 18:00 UTC"), "{masked}");
}

#[test]
fn an_export_is_imported_elsewhere_to_the_same_log() {
    let mut connection = world();
    run(&mut connection, CONVERSATION);
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_variable (agent_id, session_id, key, value, is_private) VALUES
             (:agent2, :session2, 'guests', '4.50', false), (:agent2, :session2, 'secret', '1', true);
         UPDATE parlant.parlant_session SET title = 'Dinner' WHERE id = :session2;
         SELECT parlant.end_session(:session2, satisfaction_score => 5)",
    );
    let document = text(&mut connection, "SELECT parlant.export_session(:session2)::text");
    let mut elsewhere = Cluster::shared().database().connect();
    elsewhere
        .run(&with_ids("INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES (:agent2, 'acme', 'Two')"));
    elsewhere.run(&format!("CREATE TEMPORARY TABLE document AS SELECT $document${document}$document$::jsonb AS d"));
    // As docs/conversation.md shows it: the session begins active, takes its events, and ends as it had ended.
    elsewhere.run(
        "INSERT INTO parlant.parlant_session
         SELECT (jsonb_populate_record(NULL::parlant.parlant_session,
                     d -> 'session' || '{\"status\": \"active\", \"ended_at\": null, \"tokens_used\": 0, \"cost\": 0}')).* FROM document;
         INSERT INTO parlant.parlant_event
         SELECT event.* FROM document, jsonb_populate_recordset(NULL::parlant.parlant_event, d -> 'events') AS event
         ORDER BY \"offset\";
         INSERT INTO parlant.parlant_variable
         SELECT variable.* FROM document, jsonb_populate_recordset(NULL::parlant.parlant_variable, d -> 'variables') AS variable;
         UPDATE parlant.parlant_session session
         SET status = d -> 'session' ->> 'status', ended_at = (d -> 'session' ->> 'ended_at')::timestamp,
             last_activity_at = (d -> 'session' ->> 'last_activity_at')::timestamp
         FROM document",
    );
    for table in ["parlant_event", "parlant_session"] {
        let rows = format!(
            "SELECT (to_jsonb(t) - 'updated_at')::text FROM parlant.{table} t
             WHERE {} = :session2 ORDER BY created_at, t::text",
            if table == "parlant_event" { "session_id" } else { "id" }
        );
        let (before, after): (Vec<String>, Vec<String>) =
            (connection.column(&with_ids(&rows)), elsewhere.column(&with_ids(&rows)));
        assert_eq!(before, after, "{table}");
        assert!(!before.is_empty());
    }
    let again = text(
        &mut elsewhere,
        "SELECT (parlant.export_session(:session2) - 'exported_at' #- '{session,updated_at}')::text",
    );
    let first = text(
        &mut connection,
        "SELECT (parlant.export_session(:session2) - 'exported_at' #- '{session,updated_at}')::text",
    );
    assert_eq!(again, first);
    assert!(
        !first.contains("secret") && first.contains("4.50") && first.contains("12345678901234567890.120"),
        "{first}"
    );
}

#[test]
fn an_export_is_refused_or_masked_where_the_agent_says_so() {
    let mut connection = world();
    run(&mut connection, CONVERSATION);
    run(&mut connection, "UPDATE parlant.parlant_agent SET pii_handling_mode = 'strict' WHERE id = :agent2");
    let masked = text(&mut connection, "SELECT parlant.export_session(:session2)::text");
    assert!(masked.contains(r#"I am [email].\nCall [phone]!"#), "{masked}");
    assert!(masked.contains(r#""masked": true"#) && !masked.contains("ada@"), "{masked}");
    let ids = text(
        &mut connection,
        "SELECT (d -> 'session' ->> 'id' = :session2::text AND d #>> '{events,0,id}' = event.id::text AND d ->> 'version' = '1')::text
         FROM (SELECT parlant.export_session(:session2) AS d) e, parlant.parlant_event event
         WHERE session_id = :session2 AND \"offset\" = 0",
    );
    assert_eq!(ids, "true", "ids are not masked");
    run(&mut connection, "UPDATE parlant.parlant_agent SET allow_data_export = false WHERE id = :agent2");
    connection
        .assert_refused(&with_ids("SELECT parlant.export_session(:session2)"), "42501")
        .message("may not be exported")
        .detail("allow_data_export");
    connection.assert_refused("SELECT parlant.export_session('00000000-0000-4000-8000-0000000000ff')", "P0002");
}

/// A database whose event table has partitions.
fn partitioned() -> Connection {
    let mut connection = Cluster::shared().empty_database().connect();
    connection.run(
        "SET row_security = off; CREATE EXTENSION parlant; RESET row_security;
         SELECT parlant.install_tables(event_partitions => 4)",
    );
    connection
}

#[test]
fn a_partitioned_event_table_keeps_every_rule() {
    let mut connection = partitioned();
    load_two_workspaces(&mut connection);
    let parts: i64 = connection.value("SELECT count(*) FROM pg_partition_tree('parlant.parlant_event') WHERE isleaf");
    assert_eq!(parts, 4);
    run(
        &mut connection,
        "SELECT parlant.start_session(:agent1) FROM generate_series(1, 20);
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
             SELECT id, 'customer_message', '{\"message\": \"m\"}' FROM generate_series(1, 10), parlant.parlant_session;
         SELECT parlant.append_event(:session2, 'status_update', '{}', idempotency_key => 'k'),
                parlant.append_event(:session2, 'status_update', '{}', idempotency_key => 'k');
         SELECT parlant.append_events(:session2, '[{\"event_type\": \"status_update\", \"content\": {}}]')",
    );
    let wrong: i64 = connection.value(
        "SELECT count(*) FROM parlant.parlant_session session
         WHERE event_count || ' ' || message_count IS DISTINCT FROM (
             SELECT count(*) || ' ' || count(*) FILTER (WHERE event_type = 'customer_message') FROM parlant.parlant_event
             WHERE session_id = session.id AND \"offset\" < event_count)",
    );
    assert_eq!(wrong, 0);
    let used: i64 = connection.value("SELECT count(DISTINCT tableoid) FROM parlant.parlant_event");
    assert_eq!(used, 4);
    let read: Vec<i32> = connection.column(&with_ids("SELECT \"offset\" FROM parlant.read_events(:session2, -3)"));
    assert_eq!(read, [9, 10, 11]);
    let plan: Vec<String> = connection.column(&with_ids(
        "EXPLAIN SELECT * FROM parlant.parlant_event WHERE workspace_id = 'acme' AND session_id = :session2 ORDER BY \"offset\"",
    ));
    assert!(!plan.join("\n").contains("Append"), "one partition is read: {plan:#?}");

    for (sql, sqlstate) in [
        (
            "INSERT INTO parlant.parlant_event (session_id, event_type, content, \"offset\") VALUES (:session2, 'status_update', '{}', 5)",
            "23505",
        ),
        (
            "INSERT INTO parlant.parlant_event (session_id, event_type, content, idempotency_key) VALUES (:session2, 'status_update', '{}', 'k')",
            "23505",
        ),
        (
            "INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES (:session2, 'agent_message', '{}')",
            "23514",
        ),
        (
            "INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES ('00000000-0000-4000-8000-0000000000ff', 'status_update', '{}')",
            "23503",
        ),
        ("UPDATE parlant.parlant_event SET metadata = '{}'", "42501"),
        ("DELETE FROM parlant.parlant_event", "42501"),
        ("DELETE FROM parlant.parlant_event_0", "42501"),
        ("TRUNCATE parlant.parlant_event", "42501"),
        ("INSERT INTO parlant.parlant_event_0 SELECT * FROM parlant.parlant_event_0 LIMIT 1", "55000"),
    ] {
        connection.assert_refused(&with_ids(sql), sqlstate);
    }
    run(&mut connection, "DELETE FROM parlant.parlant_session WHERE id = :session2");
    let left: i64 =
        connection.value(&with_ids("SELECT count(*) FROM parlant.parlant_event WHERE session_id = :session2"));
    assert_eq!(left, 0);
    assert_eq!(connection.execute("SELECT FROM parlant.install_tables()"), 0, "nothing is missing");
    assert_eq!(connection.execute("SELECT FROM parlant.install_tables(event_partitions => 8)"), 0);
    assert_eq!(violations(&mut connection), [] as [String; 0]);
}

#[test]
fn partitions_are_an_option_of_a_new_event_table_only() {
    let mut connection = world();
    for number in ["0", "-1", "1025"] {
        connection.assert_refused(&format!("SELECT parlant.install_tables({number})"), "22023").detail("1 to 1024");
    }
    connection.assert_refused("SELECT parlant.install_tables(4)", "55000").hint("docs/conversation.md");
    // As the documentation tells it.
    connection.run(
        "BEGIN;
         CREATE TEMPORARY TABLE moved AS TABLE parlant.parlant_event;
         DROP TABLE parlant.parlant_event;
         SELECT FROM parlant.install_tables(event_partitions => 2);
         ALTER TABLE parlant.parlant_event DISABLE TRIGGER USER;
         INSERT INTO parlant.parlant_event SELECT * FROM moved;
         ALTER TABLE parlant.parlant_event ENABLE TRIGGER USER;
         COMMIT",
    );
    run(&mut connection, "SELECT parlant.append_event(:session1, 'status_update', '{}')");
    let read: Vec<i32> = connection.column(&with_ids("SELECT \"offset\" FROM parlant.read_events(:session1)"));
    assert_eq!(read, [0, 1, 2]);
}
