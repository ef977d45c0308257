//! Statements that run in the background, to see whether one connection waits for another.

use std::thread::{self, JoinHandle};

use postgres::Error;

use crate::connection::report;
use crate::{Connection, Refusal, eventually};

pub struct Running {
    sql: String,
    process_id: i32,
    watcher: Connection,
    thread: JoinHandle<(Connection, Result<(), Error>)>,
}

impl Running {
    pub(crate) fn start(mut connection: Connection, sql: &str) -> Running {
        let process_id = connection.process_id();
        let watcher = connection.another();
        let statements = sql.to_owned();
        let thread = thread::spawn(move || {
            let result = connection.try_to_run(&statements);
            (connection, result)
        });
        Running { sql: sql.to_owned(), process_id, watcher, thread }
    }

    /// Whether it comes to wait for another connection, before it ends.
    pub fn blocks(&mut self) -> bool {
        let blocked = format!("SELECT cardinality(pg_blocking_pids({})) > 0", self.process_id);
        eventually(&format!("this ends or waits for a lock: {}", self.sql), || {
            if self.thread.is_finished() {
                return Some(false);
            }
            self.watcher.value::<bool>(&blocked).then_some(true)
        })
    }

    /// Waits for its end, whatever that is.
    pub fn finish(self) -> (Connection, Result<(), Error>) {
        self.thread.join().expect("a thread that only runs statements")
    }

    /// Waits for its end, which must be a good one.
    pub fn succeed(self) -> Connection {
        let sql = self.sql.clone();
        let (connection, result) = self.finish();
        result.unwrap_or_else(|error| panic!("{}", report(&sql, &error)));
        connection
    }

    /// Waits for its end, which must be a refusal with this SQLSTATE.
    pub fn refused(self, sqlstate: &str) -> (Connection, Refusal) {
        let sql = self.sql.clone();
        let (connection, result) = self.finish();
        (connection, Refusal::of(&sql, result, sqlstate))
    }
}
