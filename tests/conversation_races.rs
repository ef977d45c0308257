//! Two clients at once: who waits for whom, what the second one gets, and that nobody ends in a deadlock.

use std::thread;

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

/// Sessions 1 and 2 are of acme, and the rival's comes after them in the order of ids.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

fn append(session: &str) -> String {
    with_ids(&format!("SELECT parlant.append_event({session}, 'status_update', '{{}}')"))
}

fn insert(sessions: &[&str]) -> String {
    let rows: Vec<_> = sessions.iter().map(|session| format!("({session}, 'status_update', '{{}}')")).collect();
    with_ids(&format!("INSERT INTO parlant.parlant_event (session_id, event_type, content) VALUES {}", rows.join(", ")))
}

fn offsets(connection: &mut Connection, session: &str) -> Vec<i32> {
    connection.column(&with_ids(&format!(
        "SELECT \"offset\" FROM parlant.parlant_event WHERE session_id = {session} ORDER BY \"offset\""
    )))
}

#[test]
fn writers_of_one_session_wait_and_leave_no_gap_however_the_first_ends() {
    for (end, expected) in [("COMMIT", vec![0, 1]), ("ROLLBACK", vec![0])] {
        let mut first = world();
        let second = first.another();
        first.run(&format!("BEGIN; {}", append(":session2")));
        let mut waiting = second.start(&append(":session2"));
        assert!(waiting.blocks(), "the second waits for the first");
        first.run(end);
        waiting.succeed();
        assert_eq!(offsets(&mut first, ":session2"), expected, "{end}");
    }
}

#[test]
fn writers_of_two_sessions_of_an_agent_do_not_wait_for_each_other() {
    let mut first = world();
    let other: String = first.value(&with_ids("SELECT parlant.start_session(:agent2)::text"));
    let second = first.another();
    first.run(&format!("BEGIN; {}", append(":session2")));
    let mut running = second.start(&append(&format!("'{other}'")));
    assert!(!running.blocks());
    running.succeed();
    let running = first.another().start("SELECT parlant.refresh_totals()");
    first.run(&append(":session2"));
    running.succeed();
    first.run("COMMIT");
}

#[test]
fn a_writer_waits_for_the_end_of_a_session_and_is_then_refused() {
    let mut first = world();
    let second = first.another();
    first.run(&with_ids("BEGIN; UPDATE parlant.parlant_session SET status = 'completed' WHERE id = :session2"));
    let mut waiting = second.start(&append(":session2"));
    assert!(waiting.blocks());
    first.run("COMMIT");
    let (_, refusal) = waiting.refused("55000");
    refusal.message("has ended");
}

#[test]
fn two_calls_with_one_key_append_one_event() {
    let call = |content: &str| {
        with_ids(&format!(
            "CREATE TEMPORARY TABLE answer AS SELECT \"offset\", duplicate FROM parlant.append_event(
                 :session2, 'agent_message', '{{\"message\": \"{content}\"}}', idempotency_key => 'k')"
        ))
    };
    for (end, expected) in [("COMMIT", "0 true"), ("ROLLBACK", "0 false")] {
        let mut first = world();
        let (second, third) = (first.another(), first.another());
        first.run(&format!("BEGIN; {}", call("m")));
        let mut waiting = second.start(&call("m"));
        assert!(waiting.blocks());
        let mut other = third.start(&call("other"));
        assert!(other.blocks());
        first.run(end);
        let mut second = waiting.succeed();
        let answer: String = second.value("SELECT \"offset\" || ' ' || duplicate FROM answer");
        assert_eq!(answer, expected, "{end}");
        let (_, refusal) = other.refused("22023");
        refusal.message("idempotency key \"k\"");
        assert_eq!(offsets(&mut first, ":session2"), [0]);
    }
}

#[test]
fn two_batches_with_the_same_keys_append_each_event_once() {
    let batch = with_ids(
        r#"CREATE TEMPORARY TABLE answer AS SELECT * FROM parlant.append_events(:session2, '[
               {"event_type": "status_update", "content": {}, "idempotency_key": "a"},
               {"event_type": "status_update", "content": {}, "idempotency_key": "b"}]')"#,
    );
    let mut first = world();
    let second = first.another();
    first.run(&format!("BEGIN; {batch}"));
    let mut waiting = second.start(&batch);
    assert!(waiting.blocks());
    first.run("COMMIT");
    let mut second = waiting.succeed();
    let duplicates: Vec<bool> = second.column("SELECT duplicate FROM answer");
    assert_eq!(duplicates, [true, true]);
    assert_eq!(offsets(&mut first, ":session2"), [0, 1]);
}

#[test]
fn sessions_in_ascending_order_are_waited_for() {
    let mut first = world();
    let second = first.another();
    first.run(&format!("BEGIN; {}", append(":session2")));
    let mut waiting = second.start(&insert(&[":session1", ":session2", ":rival_session", ":session1"]));
    assert!(waiting.blocks());
    first.run("COMMIT");
    waiting.succeed();
}

#[test]
fn a_session_before_one_that_the_statement_holds_is_not_waited_for() {
    let mut first = world();
    let mut second = first.another();
    second.run(&insert(&[":rival_session", ":session2"]));
    first.run(&format!("BEGIN; {}", append(":session2")));
    second
        .assert_refused(&insert(&[":rival_session", ":session2"]), "40001")
        .message("is being written by another transaction")
        .hint("Order the rows by session_id");
    second.assert_refused(&insert(&[":rival_session", "'00000000-0000-4000-8000-000000000000'"]), "23503");
    first.run("COMMIT");
    second.run(&insert(&[":rival_session", ":session2"]));
    assert_eq!(offsets(&mut first, ":session2"), [0, 1, 2]);
}

#[test]
fn bulk_writers_in_opposite_orders_never_end_in_a_deadlock() {
    const ROUNDS: usize = 60;
    let mut connection = world();
    connection.run(&with_ids("SELECT parlant.start_session(:agent2) FROM generate_series(1, 9)"));
    let writers: Vec<_> = ["ASC", "DESC", "ASC", "DESC", "ASC", "DESC"]
        .into_iter()
        .map(|order| {
            let mut connection = connection.another();
            thread::spawn(move || {
                let sql = format!(
                    "INSERT INTO parlant.parlant_event (session_id, event_type, content)
                     SELECT id, 'status_update', '{{}}' FROM
                         (SELECT id FROM parlant.parlant_session WHERE workspace_id = 'acme' ORDER BY id {order}) AS s"
                );
                connection.run("SET deadlock_timeout = '5ms'");
                let mut written = 0;
                for _ in 0..ROUNDS {
                    match connection.try_to_run(&sql) {
                        Ok(()) => written += 1,
                        Err(error) => {
                            let code = error.as_db_error().map(|error| error.code().code().to_owned());
                            assert_eq!((order, code.as_deref()), ("DESC", Some("40001")), "{error:?}");
                        }
                    }
                }
                assert!(order == "DESC" || written == ROUNDS);
                written
            })
        })
        .collect();
    let written: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    let whole: bool = connection.value(&format!(
        "SELECT bool_and(event_count = (SELECT count(*) FROM parlant.parlant_event e WHERE e.session_id = s.id)
                         AND event_count - {written} IN (0, 2))
         FROM parlant.parlant_session s WHERE workspace_id = 'acme'"
    ));
    assert!(whole, "each session has the {written} events of the statements that succeeded");
}

#[test]
fn a_snapshot_that_is_too_old_is_told_so() {
    let mut first = world();
    let mut second = first.another();
    second.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM parlant.parlant_session");
    first.run(&append(":session2"));
    second.assert_refused(&append(":session2"), "40001");
    second.run("ROLLBACK; BEGIN ISOLATION LEVEL SERIALIZABLE");
    second.run(&format!("{}; COMMIT", append(":session2")));
    assert_eq!(offsets(&mut first, ":session2"), [0, 1]);
}
