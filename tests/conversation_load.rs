//! Many writers on one session and on many, a server that is killed under them, and clients that send again what was
//! not confirmed: nothing is lost, nothing is twice, and the numbers have no gap.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parlant_tests::{Cluster, Connection, Database, Tree, eventually, violations};

const WRITERS: usize = 32;
const BATCH: usize = 25;

/// PARLANT_LOAD_EVENTS=100000 takes minutes.
fn events_in_total() -> usize {
    std::env::var("PARLANT_LOAD_EVENTS")
        .map_or(8_000, |number| number.parse().expect("PARLANT_LOAD_EVENTS is a number"))
}

/// One writer's share: batches of events, some sent one by one, each under a key of its own.
struct Writer {
    name: String,
    session: String,
    batches: usize,
    /// How many batches the server has confirmed.
    confirmed: usize,
}

impl Writer {
    /// Writes until it is done, or the server is gone.
    fn write(mut self, mut connection: Connection, confirmed: &AtomicUsize) -> Writer {
        while self.confirmed < self.batches {
            match connection.try_to_run(&self.batch(self.confirmed)) {
                Ok(()) => self.confirmed += 1,
                Err(error) => match error.as_db_error().map(|error| error.code().code()) {
                    None | Some("57P01" | "57P02") => return self,
                    Some(_) => panic!("{error:?}"),
                },
            }
            confirmed.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    fn batch(&self, batch: usize) -> String {
        let event = |n: usize| {
            format!(
                r#"{{"event_type": "customer_message", "content": {{"message": "{n}"}}, "idempotency_key": "{}-{batch}-{n}", "tokens": 2}}"#,
                self.name
            )
        };
        let many: Vec<_> = (1..BATCH).map(event).collect();
        format!(
            r#"SELECT parlant.append_event('{0}', 'agent_message', '{{"message": "0"}}', idempotency_key => '{1}-{batch}-0', cost => 1);
               SELECT parlant.append_events('{0}', '[{2}]')"#,
            self.session,
            self.name,
            many.join(", ")
        )
    }
}

fn run(database: &Database<'_>, writers: Vec<Writer>, kill_after: Option<usize>) -> Vec<Writer> {
    let confirmed = AtomicUsize::new(0);
    thread::scope(|scope| {
        let running: Vec<_> = writers
            .into_iter()
            .map(|writer| {
                let (connection, confirmed) = (database.connect(), &confirmed);
                scope.spawn(move || writer.write(connection, confirmed))
            })
            .collect();
        if let Some(enough) = kill_after {
            eventually("half of the batches are confirmed", || {
                (confirmed.load(Ordering::Relaxed) >= enough).then_some(())
            });
            database.cluster.kill_server();
        }
        running.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn assert_log_is_whole(connection: &mut Connection, writers: &[Writer], when: &str) {
    let wrong: Vec<String> = connection.column(
        "SELECT session.id::text FROM parlant.parlant_session session
           LEFT JOIN parlant.parlant_event event ON event.session_id = session.id
          GROUP BY session.id
         HAVING event_count <> count(event.id) OR event_count <> coalesce(max(\"offset\") + 1, 0)
             OR message_count <> count(event.id) OR tokens_used <> coalesce(sum(event.tokens), 0)
             OR session.cost <> coalesce(sum(event.cost), 0)",
    );
    assert_eq!(wrong, [] as [String; 0], "{when}: sessions whose counters are not those of the log, or with a gap");
    connection.run("CREATE TEMPORARY TABLE logged AS SELECT idempotency_key AS key, count(*) FROM parlant.parlant_event GROUP BY 1, session_id");
    let twice: i64 = connection.value("SELECT count(*) FROM logged WHERE count > 1");
    assert_eq!(twice, 0, "{when}: events that are there twice");
    for writer in writers {
        let kept: i64 = connection.value(&format!(
            "SELECT count(*) FROM logged, generate_series(0, {} - 1) b, generate_series(0, {BATCH} - 1) n
             WHERE key = '{}-' || b || '-' || n",
            writer.confirmed, writer.name
        ));
        assert_eq!(kept, (writer.confirmed * BATCH) as i64, "{when}: confirmed events of {}", writer.name);
    }
    connection.run("DROP TABLE logged");
}

fn play(sessions: usize) {
    let cluster = Cluster::start(Tree::under_test());
    let database = cluster.database();
    let mut connection = database.connect();
    connection.run("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('w', 'Busy')");
    let ids: Vec<String> = connection.column(&format!(
        "SELECT parlant.start_session(id)::text FROM parlant.parlant_agent, generate_series(1, {sessions})"
    ));
    // What a server that is in use knows of its tables.
    connection.run(
        "INSERT INTO parlant.parlant_event (session_id, event_type, content, idempotency_key)
         SELECT session, 'customer_message', '{\"message\": \"m\"}', n::text
         FROM (SELECT parlant.start_session(id) AS session FROM parlant.parlant_agent, generate_series(1, 10)) s,
              generate_series(1, 100) n;
         ANALYZE parlant.parlant_event, parlant.parlant_session",
    );
    let batches = events_in_total() / 2 / WRITERS / BATCH;
    let writers = (0..WRITERS)
        .map(|n| Writer { name: format!("w{n}"), session: ids[n % sessions].clone(), batches, confirmed: 0 })
        .collect();

    let writers = run(&database, writers, Some(batches * WRITERS / 2));
    cluster.start_server();
    let mut connection = database.connect();
    assert_log_is_whole(&mut connection, &writers, "after the crash");
    assert!(writers.iter().any(|writer| writer.confirmed < writer.batches), "the crash came too late");

    let writers = run(&database, writers, None);
    assert_log_is_whole(&mut connection, &writers, "at the end");
    let events: i64 = connection.value("SELECT count(*) FROM parlant.parlant_event");
    assert_eq!(events, (batches * BATCH * WRITERS + 1000) as i64);
    assert_eq!(violations(&mut connection), [] as [String; 0]);
    assert!(!cluster.log().contains("deadlock detected"));
}

#[test]
fn writers_on_one_session_survive_a_crash() {
    play(1);
}

#[test]
fn writers_on_a_session_each_survive_a_crash() {
    play(WRITERS);
}

/// Reads a session by its notifications until it has seen enough events, and comes back whenever it is cut off.
fn follow(database: &Database<'_>, session: &str, enough: usize) -> (Vec<i32>, usize) {
    let (mut seen, mut connections) = (Vec::new(), 0);
    while seen.len() < enough {
        let mut connection = database.connect();
        connections += 1;
        let mut go_on = connection.try_to_run("SET application_name = 'listener'; LISTEN parlant_events").is_ok();
        while go_on && seen.len() < enough {
            // First what came while nobody listened, then what each hint is about.
            let read = format!("SELECT \"offset\" FROM parlant.read_events('{session}', {}, 1000)", seen.len());
            match connection.try_column::<i32>(&read) {
                Ok(offsets) => seen.extend(offsets),
                Err(_) => go_on = false,
            }
            go_on = go_on && seen.len() < enough && connection.notification(Duration::from_secs(20)).is_ok();
        }
    }
    (seen, connections)
}

#[test]
fn a_listener_that_is_killed_and_comes_back_misses_nothing() {
    const ROUNDS: usize = 4;
    const APPENDS: usize = 25;
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    connection.run(&format!(
        "ALTER DATABASE {} SET parlant.notify = on;
         INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('w', 'Busy')",
        database.name
    ));
    let session: String = connection.value("SELECT parlant.start_session(id)::text FROM parlant.parlant_agent");
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'listener' AND datname = current_database()";
    thread::scope(|scope| {
        let listener = scope.spawn(|| follow(&database, &session, ROUNDS * 8 * APPENDS));
        for round in 1..=ROUNDS {
            let writers: Vec<_> = (0..8)
                .map(|_| {
                    let mut connection = database.connect();
                    let append = format!("SELECT parlant.append_event('{session}', 'status_update', '{{}}')");
                    scope.spawn(move || (0..APPENDS).for_each(|_| connection.run(&append)))
                })
                .collect();
            if round < ROUNDS {
                // It has more to read, so it is there, or will be.
                eventually("the listener is killed", || connection.column::<bool>(kill).contains(&true).then_some(()));
            }
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        }
        let (seen, connections) = listener.join().unwrap();
        assert_eq!(seen, (0..i32::try_from(ROUNDS * 8 * APPENDS).unwrap()).collect::<Vec<_>>());
        assert!(connections > 1, "it was never cut off");
    });
}

#[test]
fn a_notification_comes_at_commit_once_a_statement_and_session_and_only_when_asked_for() {
    let patience = Duration::from_millis(1);
    let database = Cluster::shared().database();
    let (mut writer, mut listener) = (database.connect(), database.connect());
    listener.run("LISTEN parlant_events");
    writer.run("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('w', 'Busy')");
    let mut sessions: Vec<String> =
        writer.column("SELECT parlant.start_session(id)::text FROM parlant.parlant_agent, generate_series(1, 2)");
    sessions.sort();
    let insert = "INSERT INTO parlant.parlant_event (session_id, event_type, content)
         SELECT id, CASE n WHEN 3 THEN 'customer_message' ELSE 'agent_message' END, '{\"message\": \"secret\"}'
         FROM generate_series(1, 3) n, parlant.parlant_session ORDER BY id, n";
    let received = |listener: &mut Connection| -> Vec<String> {
        listener.run("SELECT 1"); // what has been sent has come with the answer
        std::iter::from_fn(|| listener.notification(patience).unwrap()).collect()
    };
    writer.run(insert);
    assert_eq!(received(&mut listener), [] as [String; 0], "off by default");
    writer.run("SET parlant.notify = on");
    writer.run(&format!("BEGIN; {insert}"));
    assert_eq!(received(&mut listener), [] as [String; 0], "not before commit");
    writer.run("COMMIT");
    let expected: Vec<_> = sessions
        .iter()
        .map(|session| {
            format!(r#"{{"event_type":"customer_message","offset":5,"session_id":"{session}","workspace_id":"w"}}"#)
        })
        .collect();
    assert_eq!(received(&mut listener), expected);
    writer.run(&format!("BEGIN; {insert}; ROLLBACK"));
    assert_eq!(received(&mut listener), [] as [String; 0], "nothing of what was rolled back");
}
