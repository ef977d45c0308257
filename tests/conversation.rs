//! The log of a session: what an event must be, who numbers it, and that it stays.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

/// Two workspaces; session1 of acme has a message and the call of a tool, the others are empty.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn offsets(connection: &mut Connection, session: &str) -> Vec<i32> {
    connection.column(&with_ids(&format!(
        "SELECT \"offset\" FROM parlant.parlant_event WHERE session_id = {session} ORDER BY \"offset\""
    )))
}

/// Events, messages, tokens and cost of a session, which must be what its log says.
fn counters(connection: &mut Connection, session: &str) -> [i32; 4] {
    let rows = connection.rows(&with_ids(
        &format!(
            "SELECT event_count, message_count, tokens_used, cost, count(event.id)::integer,
                (count(event.id) FILTER (WHERE event_type IN ('customer_message', 'agent_message')))::integer,
                coalesce(sum(event.tokens), 0)::integer, coalesce(sum(event.cost), 0)::integer,
                coalesce(max(\"offset\") + 1, 0)
         FROM parlant.parlant_session session LEFT JOIN parlant.parlant_event event ON event.session_id = session.id
         WHERE session.id = {session} GROUP BY session.id, event_count, message_count, tokens_used, session.cost"
        )
        .replace(" cost,", " session.cost,"),
    ));
    let row = rows.first().unwrap_or_else(|| panic!("there is no session {session}"));
    let kept: [i32; 4] = [0, 1, 2, 3].map(|column| row.get(column));
    let logged: [i32; 4] = [4, 5, 6, 7].map(|column| row.get(column));
    assert_eq!(kept, logged, "the counters of {session} are those of its log");
    assert_eq!(row.get::<_, i32>(8), kept[0], "offsets of {session} have no gap");
    kept
}

const STATUS: &str = "'status_update', '{}'";

#[test]
fn a_plain_insert_gets_its_number_workspace_and_place_in_the_journey() {
    let mut connection = world();
    let rows = connection.rows(&with_ids(&format!(
        "INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES (:session1, {STATUS})
         RETURNING \"offset\", workspace_id, journey_id = :journey1 AND state_id = :ask1"
    )));
    assert_eq!(
        (rows[0].get::<_, i32>(0), rows[0].get::<_, &str>(1), rows[0].get::<_, bool>(2)),
        (2, "acme", true),
        "offset, workspace, journey and state"
    );
    assert_eq!(counters(&mut connection, ":session1"), [3, 1, 0, 0]);
}

#[test]
fn an_offset_of_the_client_must_be_the_next_one() {
    let mut connection = world();
    let insert = |offset: i32| {
        with_ids(&format!(
            "INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             VALUES (:session1, {offset}, {STATUS})"
        ))
    };
    connection.run(&insert(2));
    connection.assert_refused(&insert(2), "23505").detail("Its next offset is 3, and 2 was sent.");
    connection.assert_refused(&insert(4), "23514").detail("Its next offset is 3, and 4 was sent.");
    connection.assert_refused(&insert(-1), "23505");
    connection.run(&insert(3));
    assert_eq!(offsets(&mut connection, ":session1"), [0, 1, 2, 3]);
    assert_eq!(counters(&mut connection, ":session1"), [4, 1, 0, 0]);
}

#[test]
fn many_rows_of_several_sessions_in_one_statement_are_numbered_each_in_its_session() {
    let mut connection = world();
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_event (session_id, event_type, content, tokens, cost)
         SELECT session, 'agent_message', '{\"message\": \"m\"}', n, 1
         FROM generate_series(1, 100) n, (VALUES (:session2::uuid), (:rival_session), (:session1)) s (session)",
    );
    assert_eq!(offsets(&mut connection, ":session2"), (0..100).collect::<Vec<_>>());
    assert_eq!(offsets(&mut connection, ":rival_session"), (0..100).collect::<Vec<_>>());
    assert_eq!(counters(&mut connection, ":session1"), [102, 101, 5050, 100]);
    assert_eq!(counters(&mut connection, ":session2"), [100, 100, 5050, 100]);
}

#[test]
fn copy_numbers_events_as_insert_does() {
    let mut connection = world();
    run(
        &mut connection,
        "CREATE TEMPORARY TABLE sent AS
             SELECT session_id, 'customer_message' AS event_type, '{\"text\": \"m\"}'::jsonb AS content
             FROM (VALUES (:session2::uuid), (:session1), (:session2)) s (session_id)",
    );
    let file = Cluster::shared().path("events.copy").display().to_string();
    connection.run(&format!(
        "COPY sent TO '{file}'; COPY parlant.parlant_event (session_id, event_type, content) FROM '{file}'"
    ));
    assert_eq!(counters(&mut connection, ":session1"), [3, 2, 0, 0]);
    assert_eq!(counters(&mut connection, ":session2"), [2, 2, 0, 0]);
}

#[test]
fn merge_and_writing_ctes_number_events_as_insert_does() {
    let mut connection = world();
    run(
        &mut connection,
        "MERGE INTO parlant.parlant_event USING (VALUES (:session2::uuid), (:session2)) sent (session) ON false
         WHEN NOT MATCHED THEN INSERT (session_id, event_type, content) VALUES (session, 'status_update', '{}');
         WITH first AS (INSERT INTO parlant.parlant_event (session_id, event_type, content)
                        SELECT :session2, 'status_update', '{}' FROM generate_series(1, 3) RETURNING session_id, content),
              second AS (INSERT INTO parlant.parlant_event (session_id, event_type, content)
                         SELECT :session1, 'status_update', '{}' FROM generate_series(1, 2) RETURNING session_id, content)
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
         SELECT session_id, 'status_update', content FROM (TABLE first UNION ALL TABLE second) AS appended",
    );
    assert_eq!(counters(&mut connection, ":session2"), [8, 0, 0, 0]);
    assert_eq!(counters(&mut connection, ":session1"), [6, 1, 0, 0]);
}

#[test]
fn what_is_rolled_back_leaves_no_gap() {
    let mut connection = world();
    let append =
        format!("INSERT INTO parlant.parlant_event (session_id, event_type, content) SELECT :session2, {STATUS}");
    run(&mut connection, &format!("BEGIN; {append} FROM generate_series(1, 5); ROLLBACK"));
    run(
        &mut connection,
        &format!(
            "BEGIN; {append}; SAVEPOINT a; {append} FROM generate_series(1, 3); ROLLBACK TO a; {append};
             SAVEPOINT b; {append} FROM generate_series(1, 2); RELEASE b; {append}; COMMIT"
        ),
    );
    assert_eq!(counters(&mut connection, ":session2"), [5, 0, 0, 0]);
    connection.assert_refused(&with_ids(&format!("{append}, NULL FROM generate_series(1, 3)")), "42601");
    connection.assert_refused(
        &with_ids(&append.replace("'{}'", "CASE n WHEN 3 THEN NULL ELSE '{}'::jsonb END FROM generate_series(1, 5) n")),
        "23502",
    );
    run(&mut connection, &append);
    assert_eq!(counters(&mut connection, ":session2"), [6, 0, 0, 0]);
}

#[test]
fn a_function_inside_the_statement_may_append_to_the_same_session() {
    let mut connection = world();
    run(
        &mut connection,
        "CREATE FUNCTION appends(session uuid, n integer) RETURNS jsonb LANGUAGE plpgsql AS $$
         BEGIN
             IF n % 3 = 0 THEN
                 PERFORM parlant.append_event(session, 'customer_message', '{\"message\": \"inside\"}');
                 IF n % 2 = 0 THEN
                     BEGIN
                         INSERT INTO parlant.parlant_event (session_id, event_type, content)
                             SELECT session, 'status_update', '{}' FROM generate_series(1, n);
                         RAISE EXCEPTION 'undone';
                     EXCEPTION WHEN raise_exception THEN NULL;
                     END;
                     BEGIN
                         INSERT INTO parlant.parlant_event (session_id, event_type, content)
                             SELECT session, 'status_update', '{}' FROM generate_series(1, 2);
                     EXCEPTION WHEN raise_exception THEN NULL;
                     END;
                 END IF;
             END IF;
             RETURN '{\"message\": \"outside\"}';
         END $$;
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
             SELECT s, 'agent_message', appends(t, n)
             FROM generate_series(1, 12) n, (VALUES (:session1::uuid, :session2::uuid), (:session2, :session2)) p (s, t)",
    );
    // 12 rows each; 4 calls append a message, twice; 2 of them two more events, twice.
    assert_eq!(counters(&mut connection, ":session1"), [14, 13, 0, 0]);
    assert_eq!(counters(&mut connection, ":session2"), [28, 20, 0, 0]);
}

#[test]
fn a_trigger_of_the_user_may_append_too() {
    let mut connection = world();
    run(
        &mut connection,
        "CREATE FUNCTION answer() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.event_type = 'customer_message' THEN
                 PERFORM parlant.append_event(NEW.session_id, 'agent_message', '{\"message\": \"answer\"}');
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER answer AFTER INSERT ON parlant.parlant_event FOR EACH ROW EXECUTE FUNCTION answer();
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
             SELECT :session2, 'customer_message', '{\"message\": \"m\"}' FROM generate_series(1, 4)",
    );
    assert_eq!(counters(&mut connection, ":session2"), [8, 8, 0, 0]);
}

#[test]
fn a_row_that_is_skipped_gives_its_number_back() {
    let mut connection = world();
    let append = |keys: &str| {
        with_ids(&format!(
            "INSERT INTO parlant.parlant_event (session_id, event_type, content, idempotency_key, tokens)
             SELECT :session2, 'agent_message', '{{\"message\": \"m\"}}', key, 7 FROM unnest('{{{keys}}}'::text[]) AS key
             ON CONFLICT DO NOTHING"
        ))
    };
    assert_eq!(connection.execute(&append("a")), 1);
    assert_eq!(connection.execute(&append("a")), 0);
    assert_eq!(connection.execute(&append("b,c,a")), 2);
    assert_eq!(counters(&mut connection, ":session2"), [3, 3, 21, 0]);
    connection.assert_refused(&append("d,a,e"), "55000").message("would have a gap").hint("append_events");
    assert_eq!(connection.execute(&append("d")), 1);
    assert_eq!(counters(&mut connection, ":session2"), [4, 4, 28, 0]);
}

#[test]
fn a_users_trigger_that_moves_an_event_is_refused() {
    let mut connection = world();
    run(
        &mut connection,
        "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.\"offset\" := NEW.\"offset\" + 1; RETURN NEW; END $$;
         CREATE TRIGGER zzz BEFORE INSERT ON parlant.parlant_event FOR EACH ROW EXECUTE FUNCTION skip()",
    );
    let sql =
        format!("INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES (:session2, {STATUS})");
    connection.assert_refused(&with_ids(&sql), "55000").message("would have a gap");
}

#[test]
fn a_statement_whose_count_is_switched_off_does_not_commit() {
    let mut connection = world();
    connection.run("ALTER TABLE parlant.parlant_event DISABLE TRIGGER count_events");
    let sql = with_ids(&format!(
        "INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES (:session2, {STATUS}), (:session2, {STATUS})"
    ));
    connection.assert_refused(&sql, "55000").message("events were numbered, but not counted");
    connection.run("ALTER TABLE parlant.parlant_event ENABLE TRIGGER count_events");
    connection.run(&sql);
    assert_eq!(counters(&mut connection, ":session2"), [2, 0, 0, 0]);
}

#[test]
fn clients_that_count_themselves_do_not_count_double() {
    let mut connection = world();
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_event (session_id, event_type, content)
             VALUES (:session2, 'customer_message', '{\"message\": \"m\"}');
         UPDATE parlant.parlant_session SET event_count = event_count + 1, message_count = message_count + 1,
                tokens_used = tokens_used + 5, updated_at = '2001-01-01' WHERE id = :session2;
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
             VALUES (:session2, 'customer_message', '{\"message\": \"m\"}')",
    );
    let kept: Vec<i32> = connection.column(&with_ids(
        "SELECT unnest(ARRAY[event_count, message_count, tokens_used]) FROM parlant.parlant_session WHERE id = :session2",
    ));
    assert_eq!(kept, [2, 2, 5], "tokens_used and cost are the client's as well");
    assert!(connection.value::<bool>(&with_ids(
        "SELECT updated_at > '2020-01-01' FROM parlant.parlant_session WHERE id = :session2"
    )));
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_session (id, agent_id, event_count, message_count)
         VALUES ('00000000-0000-4000-8000-0000000000aa', :agent1, 7, 7)",
    );
    assert_eq!(counters(&mut connection, "'00000000-0000-4000-8000-0000000000aa'"), [0, 0, 0, 0]);
}

#[test]
fn the_sessions_row_is_updated_once_a_statement_or_twice_and_stays_heap_only() {
    let mut connection = world();
    let stats = |connection: &mut Connection| -> (i64, i64) {
        connection.run("SELECT pg_stat_force_next_flush(); SELECT pg_stat_clear_snapshot()");
        let rows = connection
            .rows("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'parlant_session'");
        (rows[0].get(0), rows[0].get(1))
    };
    let before = stats(&mut connection);
    for _ in 0..50 {
        run(&mut connection, "SELECT parlant.append_event(:session2, 'status_update', '{}')");
    }
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_event (session_id, event_type, content)
         SELECT :session2, 'status_update', '{}' FROM generate_series(1, 1000)",
    );
    let after = stats(&mut connection);
    assert_eq!(after.0 - before.0, 52, "one update an append, two for a statement of many");
    // A page that is full until it is pruned costs one now and then.
    assert!(after.1 - before.1 >= 48, "{} of them are heap-only", after.1 - before.1);
    assert_eq!(counters(&mut connection, ":session2"), [1050, 0, 0, 0]);
}

#[test]
fn activity_moves_by_whole_minutes() {
    let mut connection = world();
    let activity = "SELECT last_activity_at FROM parlant.parlant_session WHERE id = :session2";
    let append = "SELECT parlant.append_event(:session2, 'status_update', '{}')";
    for (age, moves) in [("59 seconds", false), ("61 seconds", true)] {
        run(
            &mut connection,
            &format!(
                "UPDATE parlant.parlant_session SET started_at = timezone('utc', now()) - interval '1 hour',
                        last_activity_at = timezone('utc', now()) - interval '{age}' WHERE id = :session2"
            ),
        );
        let before: String =
            connection.value(&with_ids(&activity.replace("last_activity_at F", "last_activity_at::text F")));
        run(&mut connection, append);
        let after: String =
            connection.value(&with_ids(&activity.replace("last_activity_at F", "last_activity_at::text F")));
        assert_eq!(before != after, moves, "{age} after the last activity");
    }
}

#[test]
fn events_stay_as_they_are_until_their_session_goes() {
    let mut connection = world();
    let hint = "delete the session";
    connection
        .assert_refused("UPDATE parlant.parlant_event SET metadata = '{}'", "42501")
        .message("events cannot be updated")
        .hint(hint);
    connection
        .assert_refused("DELETE FROM parlant.parlant_event", "42501")
        .message("events cannot be deleted")
        .hint(hint);
    connection.assert_refused("TRUNCATE parlant.parlant_event", "42501").message("events cannot be truncated");
    connection.assert_refused("TRUNCATE parlant.parlant_agent CASCADE", "42501").message("events cannot be truncated");
    let upsert = "INSERT INTO parlant.parlant_event (session_id, event_type, content, idempotency_key)
         VALUES (:session1, 'status_update', '{}', 'k')
         ON CONFLICT (workspace_id, session_id, idempotency_key) WHERE idempotency_key IS NOT NULL
         DO UPDATE SET content = '{\"changed\": true}'";
    run(&mut connection, upsert);
    connection.assert_refused(&with_ids(upsert), "42501");

    run(&mut connection, "DELETE FROM parlant.parlant_session WHERE id = :session1");
    assert_eq!(offsets(&mut connection, ":session1"), [] as [i32; 0]);
    run(&mut connection, "SELECT parlant.append_event(:session2, 'status_update', '{}')");
    run(&mut connection, "DELETE FROM parlant.parlant_agent WHERE id = :agent2");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_event"), 0);
}

#[test]
fn the_owner_can_change_events_on_purpose() {
    let mut connection = world();
    connection.run(
        "BEGIN; ALTER TABLE parlant.parlant_event DISABLE TRIGGER refuse_change;
         UPDATE parlant.parlant_event SET metadata = '{\"corrected\": true}';
         ALTER TABLE parlant.parlant_event ENABLE TRIGGER refuse_change; COMMIT",
    );
    connection.assert_refused("UPDATE parlant.parlant_event SET metadata = '{}'", "42501");
}

#[test]
fn only_an_active_session_accepts_events_and_a_paused_one_no_answer() {
    let mut connection = world();
    let append = |event_type: &str, content: &str| {
        with_ids(&format!("SELECT parlant.append_event(:session2, '{event_type}', '{content}')"))
    };
    run(&mut connection, "UPDATE parlant.parlant_session SET mode = 'paused' WHERE id = :session2");
    connection
        .assert_refused(&append("agent_message", r#"{"message": "m"}"#), "55000")
        .message("is paused")
        .hint("auto or manual");
    connection.run(&append("customer_message", r#"{"message": "m"}"#));
    run(&mut connection, "UPDATE parlant.parlant_session SET mode = 'manual' WHERE id = :session2");
    connection.run(&append("agent_message", r#"{"message": "m"}"#));

    run(&mut connection, "UPDATE parlant.parlant_session SET status = 'completed' WHERE id = :session2");
    connection
        .assert_refused(&append("status_update", "{}"), "55000")
        .message("has ended")
        .detail("Its status is completed");
    for change in
        ["status = 'active', ended_at = NULL", "status = 'abandoned'", "ended_at = ended_at + interval '1 hour'"]
    {
        connection
            .assert_refused(
                &with_ids(&format!("UPDATE parlant.parlant_session SET {change} WHERE id = :session2")),
                "55000",
            )
            .message("has ended");
    }
    run(&mut connection, "UPDATE parlant.parlant_session SET title = 'ended', status = status WHERE id = :session2");
    assert_eq!(counters(&mut connection, ":session2"), [2, 2, 0, 0]);
}

#[test]
fn a_session_that_ends_within_a_statement_takes_no_more_of_it() {
    let mut connection = world();
    run(
        &mut connection,
        "CREATE FUNCTION ends(session uuid) RETURNS jsonb LANGUAGE sql AS $$
             UPDATE parlant.parlant_session SET status = 'completed' WHERE id = session; SELECT '{}'::jsonb $$",
    );
    connection
        .assert_refused(
            &with_ids(
                "INSERT INTO parlant.parlant_event (session_id, event_type, content)
                 SELECT :session2, 'status_update', CASE n WHEN 3 THEN ends(:session2) ELSE '{}' END
                 FROM generate_series(1, 5) n",
            ),
            "55000",
        )
        .message("has ended");
}

#[test]
fn a_result_follows_its_call() {
    let mut connection = world();
    let result = |session: &str, call: &str| {
        with_ids(&format!(
            "SELECT parlant.append_event({session}, 'tool_result', '{{\"result\": 1}}', tool_call_id => '{call}')"
        ))
    };
    connection.assert_refused(&result(":session1", "other"), "23503").message("has no tool_call \"other\"");
    connection.assert_refused(&result(":session2", "call"), "23503");
    connection.run(&result(":session1", "call"));
    connection.assert_refused(&result(":session1", "call"), "23505").constraint("parlant_event_tool_call_key");
    run(
        &mut connection,
        r#"SELECT parlant.append_events(:session2, '[
            {"event_type": "tool_call", "content": {"toolId": "t", "parameters": {}, "callId": "c"}},
            {"event_type": "tool_result", "content": {"success": true}, "tool_call_id": "c"}]')"#,
    );
    connection
        .assert_refused(
            &with_ids(
                r#"SELECT parlant.append_event(:session2, 'tool_call', '{"tool": "t", "args": {}, "tool_call_id": "x"}',
                                               tool_call_id => 'y')"#,
            ),
            "23514",
        )
        .message("names another tool call");
    let ids: Vec<String> = connection.column(&with_ids(
        "SELECT tool_call_id FROM parlant.parlant_event WHERE session_id = :session2 ORDER BY \"offset\"",
    ));
    assert_eq!(ids, ["c", "c"], "the column is filled from the content");
}

#[test]
fn content_has_the_shape_of_its_type_and_errors_name_the_path() {
    let mut connection = world();
    for (event_type, content, path) in [
        ("customer_message", "{}", "\"/message\""),
        ("agent_message", r#"{"text": 5}"#, "\"/text\""),
        ("tool_call", r#"{"tool_name": "t"}"#, "\"/parameters\""),
        ("tool_call", r#"{"parameters": {}}"#, "\"/tool_name\""),
        ("tool_result", "{}", "\"/result\""),
        ("journey_transition", "{}", "\"/from\""),
        ("variable_update", "{}", "\"/key\""),
    ] {
        let sql = format!(
            "INSERT INTO parlant.parlant_event (session_id, event_type, content, tool_call_id)
             VALUES (:session1, '{event_type}', '{content}', 'call')"
        );
        connection.assert_refused(&with_ids(&sql), "23514").message(path).message(event_type);
    }
    for content in ["[]", "1", "null"] {
        let sql = format!("SELECT parlant.append_event(:session1, 'status_update', '{content}')");
        connection.assert_refused(&with_ids(&sql), "23514").message("wrong at \"\"");
    }
    connection
        .assert_refused(&with_ids("SELECT parlant.append_event(:session1, 'shout', '{}')"), "22P02")
        .hint("customer_message");
}

#[test]
fn the_size_of_an_event_is_bounded_by_a_setting() {
    let mut connection = world();
    let append = |bytes: i32, column: &str| {
        let big = format!("jsonb_build_object('message', repeat('x', {bytes}))");
        let (content, metadata) =
            if column == "content" { (big.as_str(), "'{}'") } else { (r#"'{"message": "m"}'"#, big.as_str()) };
        with_ids(&format!("SELECT parlant.append_event(:session2, 'agent_message', {content}, {metadata})"))
    };
    connection.run(&append(1_000_000, "content"));
    for column in ["content", "metadata"] {
        connection
            .assert_refused(&append(1_100_000, column), "54000")
            .message(&format!("{column} of an event is too large"))
            .detail("parlant.max_event_bytes allows 1048576");
    }
    connection.run("SET parlant.max_event_bytes = '2MB'");
    connection.run(&append(1_100_000, "content"));
    connection.run("SET parlant.max_event_bytes = 1024");
    connection.assert_refused(&append(2000, "content"), "54000").detail("allows 1024");
    let role = Cluster::shared().database().create_role("ordinary");
    connection.run(&format!("SET ROLE {role}"));
    connection.assert_refused("SET parlant.max_event_bytes = '10MB'", "42501");
}

#[test]
fn a_session_that_is_not_there_is_refused_the_same_way_everywhere() {
    let mut connection = world();
    let absent = "00000000-0000-4000-8000-0000000000ff";
    for (values, sqlstate) in [(format!("'{absent}', NULL"), "23503"), (":session1, 'rival'".to_owned(), "23503")] {
        connection
            .assert_refused(
                &with_ids(&format!(
                    "INSERT INTO parlant.parlant_event (session_id, workspace_id, event_type, content) VALUES ({values}, {STATUS})"
                )),
                sqlstate,
            )
            .message("does not exist");
    }
    for call in [
        "append_event(X, 'status_update', '{}')",
        "append_event(X, 'status_update', '{}', idempotency_key => 'k')",
        "append_events(X, '[]')",
        "read_events(X)",
        "lock_session(X)",
    ] {
        connection
            .assert_refused(&format!("SELECT parlant.{}", call.replace('X', &format!("'{absent}'"))), "P0002")
            .message(&format!("session {absent} does not exist"));
    }
}

#[test]
fn a_retry_with_the_same_key_returns_the_first_event() {
    let mut connection = world();
    let mut append = |content: &str, more: &str| -> (String, i32, bool) {
        let rows = connection.rows(&with_ids(&format!(
            "SELECT event_id::text, \"offset\", duplicate
             FROM parlant.append_event(:session2, 'agent_message', '{content}', idempotency_key => 'k'{more})"
        )));
        (rows[0].get(0), rows[0].get(1), rows[0].get(2))
    };
    let first = append(r#"{"message": "m", "n": 1.0}"#, ", tokens => 3");
    assert_eq!((first.1, first.2), (0, false));
    let again = append(r#"{"n": 1.00, "message": "m"}"#, ", tokens => 3");
    assert_eq!((&again.0, again.1, again.2), (&first.0, 0, true), "equal jsonb is the same content");
    for other in [
        "'agent_message', '{\"message\": \"other\"}', idempotency_key => 'k'",
        "'customer_message', '{\"message\": \"m\", \"n\": 1}', idempotency_key => 'k'",
        "'agent_message', '{\"message\": \"m\", \"n\": 1}', idempotency_key => 'k', tool_call_id => 't'",
    ] {
        connection
            .assert_refused(&with_ids(&format!("SELECT parlant.append_event(:session2, {other})")), "22023")
            .message("idempotency key \"k\"")
            .detail("at offset 0");
    }
    connection
        .assert_refused(
            &with_ids(&format!(
                "INSERT INTO parlant.parlant_event (session_id, event_type, content, idempotency_key) VALUES (:session2, {STATUS}, 'k')"
            )),
            "23505",
        )
        .constraint("parlant_event_idempotency_key");
    run(
        &mut connection,
        "SELECT parlant.append_event(:session1, 'status_update', '{}', idempotency_key => 'k');
         UPDATE parlant.parlant_session SET status = 'completed' WHERE id = :session2",
    );
    let late: bool = connection.value(&with_ids(
        r#"SELECT duplicate FROM parlant.append_event(:session2, 'agent_message', '{"message": "m", "n": 1}', idempotency_key => 'k')"#,
    ));
    assert!(late, "also after the session has ended");
    assert_eq!(counters(&mut connection, ":session2"), [1, 1, 3, 0]);
}

#[test]
fn a_batch_is_appended_whole_in_its_order_and_repeats_nothing() {
    let mut connection = world();
    let message = |n: i32| {
        format!(
            r#"{{"event_type": "agent_message", "content": {{"message": "{n}"}}, "idempotency_key": "k{n}", "tokens": {n}}}"#
        )
    };
    let mut append = |numbers: &[i32]| -> Vec<(i32, bool)> {
        let events: Vec<_> = numbers.iter().map(|n| message(*n)).collect();
        connection
            .rows(&with_ids(&format!(
                "SELECT \"offset\", duplicate FROM parlant.append_events(:session2, '[{}]')",
                events.join(", ")
            )))
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect()
    };
    assert_eq!(append(&[3, 1, 2]), [(0, false), (1, false), (2, false)]);
    assert_eq!(append(&[4, 1, 5, 3]), [(3, false), (1, true), (4, false), (0, true)]);
    assert_eq!(append(&[]), []);
    let texts: Vec<String> = connection.column(&with_ids(
        "SELECT content ->> 'message' FROM parlant.parlant_event WHERE session_id = :session2 ORDER BY \"offset\"",
    ));
    assert_eq!(texts, ["3", "1", "2", "4", "5"]);
    assert_eq!(counters(&mut connection, ":session2"), [5, 5, 15, 0]);
    for (events, sqlstate, detail) in [
        ("{}".to_owned(), "22023", "They are object."),
        ("[1]".to_owned(), "22023", "must be an object, not number"),
        (r#"[{"content": {}}]"#.to_owned(), "22023", "is missing"),
        (
            format!(r#"[{}, {{"event_type": "status_update", "content": []}}]"#, message(9)),
            "22023",
            "must be of type object, not array",
        ),
        (
            r#"[{"event_type": "status_update", "content": {}, "offset": 1}]"#.to_owned(),
            "22023",
            "is no part of an event",
        ),
        (r#"[{"event_type": "shout", "content": {}}]"#.to_owned(), "22P02", "The type tells"),
        (format!("[{0}, {0}]", message(9)), "22023", "a key of its own"),
        (
            format!(r#"[{}, {{"event_type": "agent_message", "content": {{}}}}]"#, message(9)),
            "23514",
            "the text is missing",
        ),
        (
            r#"[{"event_type": "agent_message", "content": {"message": "other"}, "idempotency_key": "k1"}]"#.to_owned(),
            "22023",
            "at offset 1",
        ),
    ] {
        connection
            .assert_refused(&with_ids(&format!("SELECT parlant.append_events(:session2, '{events}')")), sqlstate)
            .detail(detail);
    }
    connection
        .assert_refused(
            &with_ids(
                "SELECT parlant.append_events(:session2, (SELECT jsonb_agg(n) FROM generate_series(1, 10001) n))",
            ),
            "54000",
        )
        .detail("at most 10000");
    assert_eq!(counters(&mut connection, ":session2"), [5, 5, 15, 0], "all or none");
}

#[test]
fn reading_pages_by_offset_from_either_end() {
    let mut connection = world();
    run(
        &mut connection,
        "SELECT parlant.append_event(:session2, 'customer_message', jsonb_build_object('message', n)) FROM generate_series(1, 0) n;
         INSERT INTO parlant.parlant_event (session_id, event_type, content)
         SELECT s, CASE n % 2 WHEN 0 THEN 'customer_message' ELSE 'status_update' END, '{\"message\": \"m\"}'
         FROM generate_series(0, 249) n, (VALUES (:session1::uuid), (:session2)) t (s)",
    );
    let mut read = |arguments: &str| -> Vec<i32> {
        connection.column(&with_ids(&format!("SELECT \"offset\" FROM parlant.read_events(:session2{arguments})")))
    };
    assert_eq!(read(""), (0..100).collect::<Vec<_>>());
    assert_eq!(read(", 100, 1000"), (100..250).collect::<Vec<_>>());
    assert_eq!(read(", -3"), [247, 248, 249]);
    assert_eq!(read(", -3, 2"), [247, 248]);
    assert_eq!(read(", -1000, 2"), [0, 1]);
    assert_eq!(read(", 250"), [] as [i32; 0]);
    assert_eq!(read(", 245, 3, 'customer_message'"), [246, 248]);
    assert_eq!(read(", -2, 9, ' customer_message ,status_update'"), [248, 249]);
    for (arguments, sqlstate) in [
        (", 0, 0", "22023"),
        (", 0, 10001", "22023"),
        (", 0, NULL", "22023"),
        (", 0, 1, 'shout'", "22P02"),
        (", 0, 1, ''", "22P02"),
    ] {
        connection.assert_refused(&with_ids(&format!("SELECT parlant.read_events(:session2{arguments})")), sqlstate);
    }
    let empty: i64 = connection.value(&with_ids("SELECT count(*) FROM parlant.read_events(:rival_session, -5)"));
    assert_eq!(empty, 0);
}

#[test]
fn reading_works_in_a_read_only_transaction_and_counts_utc() {
    let mut connection = world();
    run(&mut connection, "BEGIN READ ONLY");
    let fresh: bool = connection.value(&with_ids(
        "SELECT bool_and(created_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute')
         FROM parlant.read_events(:session1, -1)",
    ));
    assert!(fresh);
}

#[test]
fn a_session_starts_with_an_active_agent_and_known_options() {
    let mut connection = world();
    let started: Vec<String> = connection.column(&with_ids(
        r#"WITH started AS MATERIALIZED (SELECT parlant.start_session(:agent1, customer_id => 'ada', options => '{
               "id": "00000000-0000-4000-8000-0000000000aa", "mode": "manual", "title": "Order", "metadata": {"a": 1},
               "variables": {"b": 2}, "session_type": "support", "tags": ["vip"], "user_agent": "u", "ip_address": "i",
               "referrer": "r", "locale": "de-CH", "timezone": "Europe/Zurich"}') AS id)
           SELECT id::text FROM started"#,
    ));
    assert_eq!(started, ["00000000-0000-4000-8000-0000000000aa"]);
    let row: String = connection.value(
        "SELECT concat_ws(' ', workspace_id, customer_id, mode, status, title, metadata, variables, session_type, tags,
                          user_agent, ip_address, referrer, locale, timezone, event_count)
         FROM parlant.parlant_session WHERE id = '00000000-0000-4000-8000-0000000000aa'",
    );
    assert_eq!(row, r#"acme ada manual active Order {"a": 1} {"b": 2} support ["vip"] u i r de-CH Europe/Zurich 0"#);
    run(
        &mut connection,
        r#"SELECT parlant.start_session(:agent1, 'ann'), parlant.start_session(:agent1, options => '{"title": null, "metadata": null}')"#,
    );
    for (options, sqlstate, text) in [
        (r#"{"colour": "red"}"#, "22023", "a session has no option \"colour\""),
        (r#"{"event_count": 5}"#, "22023", "no option"),
        (r#"{"title": 5}"#, "22023", "wrong type"),
        (r#"{"tags": {}}"#, "22023", "wrong type"),
        (r#"{"mode": "loud"}"#, "22P02", "no mode \"loud\""),
        (r#"{"timezone": "Middle/Earth"}"#, "22023", "is no time zone"),
        (r#"{"timezone": "FOO+3"}"#, "22023", "is no time zone"),
        (r#"{"timezone": "Foo/Bar+3"}"#, "22023", "is no time zone"),
        (r#"{"timezone": "CEST"}"#, "22023", "is no time zone"),
        (r#"{"timezone": ""}"#, "22023", "is no time zone"),
        (r#"{"locale": "English"}"#, "23514", "locale_is_a_language_tag"),
        (r#"{"session_type": "party"}"#, "23514", "session_type_is_known"),
        (r#"{"id": "1"}"#, "22P02", "uuid"),
        (r#"[]"#, "22023", "no object"),
    ] {
        connection
            .assert_refused(
                &with_ids(&format!("SELECT parlant.start_session(:agent1, options => '{options}')")),
                sqlstate,
            )
            .message(text);
    }
    for zone in ["UTC", "America/Port-au-Prince", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"] {
        run(
            &mut connection,
            &format!("SELECT parlant.start_session(:agent1, options => '{{\"timezone\": \"{zone}\"}}')"),
        );
    }
}

#[test]
fn no_session_starts_with_an_agent_that_is_not_active() {
    let mut connection = world();
    let (start, insert) = (
        with_ids("SELECT parlant.start_session(:agent1)"),
        with_ids("INSERT INTO parlant.parlant_session (agent_id) VALUES (:agent1)"),
    );
    for status in ["inactive", "archived"] {
        run(&mut connection, &format!("UPDATE parlant.parlant_agent SET status = '{status}' WHERE id = :agent1"));
        for sql in [&start, &insert] {
            connection.assert_refused(sql, "55000").message(&format!("agent \"One\" is {status}"));
        }
    }
    run(&mut connection, "SELECT parlant.append_event(:session1, 'status_update', '{}')");
    run(
        &mut connection,
        "UPDATE parlant.parlant_agent SET status = 'active', deleted_at = timezone('utc', now()) WHERE id = :agent1",
    );
    connection.assert_refused(&start, "P0002").message("does not exist");
    connection.assert_refused(&insert, "23503").constraint("agent_is_in_the_workspace");
    connection.assert_refused("SELECT parlant.start_session('00000000-0000-4000-8000-0000000000ff')", "P0002");
}

#[test]
fn functions_need_no_search_path() {
    let mut connection = world();
    connection.run("SET search_path = ''");
    run(
        &mut connection,
        "SELECT parlant.start_session(:agent1, options => '{\"timezone\": \"Etc/GMT+5\"}');
         SELECT parlant.append_event(:session1, 'status_update', '{}', idempotency_key => 'k');
         SELECT parlant.append_event(:session1, 'status_update', '{}', idempotency_key => 'k');
         SELECT parlant.append_events(:session1, '[{\"event_type\": \"status_update\", \"content\": {}, \"idempotency_key\": \"l\"}]');
         SELECT parlant.read_events(:session1, -3, 2, 'status_update')",
    );
}

#[test]
fn counters_follow_a_log_that_was_written_without_us() {
    let mut connection = world();
    run(
        &mut connection,
        "DROP EXTENSION parlant CASCADE;
         INSERT INTO parlant.parlant_event (id, workspace_id, session_id, \"offset\", event_type, content)
         SELECT gen_random_uuid(), 'acme', :session2, n, 'customer_message', '{\"message\": \"m\"}' FROM generate_series(0, 6) n;
         CREATE EXTENSION parlant;
         SELECT parlant.append_event(:session2, 'status_update', '{}')",
    );
    assert_eq!(counters(&mut connection, ":session2"), [8, 7, 0, 0]);
}
