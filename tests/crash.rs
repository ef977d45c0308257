//! A server that is killed in the middle of writes comes back with every transaction that was confirmed, whole, and
//! with no half of any other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parlant_tests::{Cluster, Connection, Tree, assert_works, eventually, violations};

const WRITERS: usize = 4;
const EVENTS: usize = 3;

/// One conversation in one transaction: an agent, a session and its events.
fn conversation(name: &str) -> String {
    format!(
        "BEGIN;
         INSERT INTO parlant.parlant_agent (workspace_id, created_by, name) VALUES ('w', 'u', '{name}');
         INSERT INTO parlant.parlant_session (agent_id, title)
             SELECT id, name FROM parlant.parlant_agent WHERE name = '{name}';
         INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             SELECT id, n, 'customer_message', '{{\"message\": \"m\"}}'
               FROM parlant.parlant_session, generate_series(0, {EVENTS} - 1) n WHERE title = '{name}';
         COMMIT"
    )
}

/// Writes conversations until the server is gone; returns the names of those that were confirmed.
fn write_until_killed(mut connection: Connection, writer: usize, confirmed: &AtomicUsize) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let name = format!("{writer}-{}", names.len());
        match connection.try_to_run(&conversation(&name)) {
            Ok(()) => names.push(name),
            Err(error) => match error.as_db_error().map(|error| error.code().code()) {
                None | Some("57P01" | "57P02") => return names,
                Some(_) => panic!("{error:?}"),
            },
        }
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_killed_server_keeps_what_it_confirmed_and_nothing_by_halves() {
    let cluster = Cluster::start(Tree::under_test());
    let database = cluster.database();
    for round in 1..=3 {
        let confirmed = AtomicUsize::new(0);
        let names: Vec<String> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let connection = database.connect();
                    let confirmed = &confirmed;
                    scope.spawn(move || write_until_killed(connection, round * 10 + writer, confirmed))
                })
                .collect();
            eventually("many transactions are confirmed", || (confirmed.load(Ordering::Relaxed) >= 100).then_some(()));
            cluster.kill_server();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        cluster.start_server();

        let mut connection = database.connect();
        let kept: Vec<String> = connection.column("SELECT name FROM parlant.parlant_agent");
        for name in &names {
            assert!(kept.contains(name), "conversation {name} was confirmed and is lost");
        }
        let halves: Vec<String> = connection.column(&format!(
            "SELECT a.name FROM parlant.parlant_agent a
               LEFT JOIN parlant.parlant_session s ON s.agent_id = a.id
               LEFT JOIN parlant.parlant_event e ON e.session_id = s.id
              GROUP BY a.id HAVING count(DISTINCT s.id) <> 1 OR count(e.id) <> {EVENTS}"
        ));
        assert_eq!(halves, [] as [String; 0], "conversations that are not whole");
        assert_eq!(violations(&mut connection), [] as [String; 0]);
        assert_works(&mut connection);
    }
}
