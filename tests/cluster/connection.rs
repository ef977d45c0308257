//! A client's connection, as tests use it: everything that goes wrong is a panic that shows the statement.

use std::io::Read as _;
use std::time::Duration;

use postgres::error::{DbError, ErrorPosition};
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{FromSql, ToSql};
use postgres::{Client, Config, Error, NoTls, Row, SimpleQueryMessage};

use crate::Running;

pub struct Connection {
    client: Client,
    config: Config,
}

impl Connection {
    pub(crate) fn open(config: Config) -> Connection {
        let client =
            config.connect(NoTls).unwrap_or_else(|error| panic!("connect to {config:?}: {}", describe(&error)));
        Connection { client, config }
    }

    /// Another connection like this one.
    pub fn another(&self) -> Connection {
        Connection::open(self.config.clone())
    }

    /// Another connection like this one, of another role.
    pub fn another_as(&self, role: &str) -> Connection {
        Connection::open(self.config.clone().user(role).clone())
    }

    /// Runs statements as one simple query: one transaction, unless they say otherwise.
    pub fn run(&mut self, sql: &str) {
        self.try_to_run(sql).unwrap_or_else(|error| panic!("{}", report(sql, &error)));
    }

    /// The number of rows of one statement.
    pub fn execute(&mut self, sql: &str) -> u64 {
        self.client.execute(sql, &[]).unwrap_or_else(|error| panic!("{}", report(sql, &error)))
    }

    pub fn rows(&mut self, sql: &str) -> Vec<Row> {
        self.client.query(sql, &[]).unwrap_or_else(|error| panic!("{}", report(sql, &error)))
    }

    /// The first column of every row.
    pub fn column<T: for<'a> FromSql<'a>>(&mut self, sql: &str) -> Vec<T> {
        self.rows(sql).iter().map(|row| row.get(0)).collect()
    }

    pub fn try_column<T: for<'a> FromSql<'a>>(&mut self, sql: &str) -> Result<Vec<T>, Error> {
        Ok(self.client.query(sql, &[])?.iter().map(|row| row.get(0)).collect())
    }

    /// The only column of the only row.
    pub fn value<T: for<'a> FromSql<'a>>(&mut self, sql: &str) -> T {
        let rows = self.rows(sql);
        assert_eq!((rows.len(), rows.first().map(|row| row.len())), (1, Some(1)), "rows and columns of {sql}");
        rows[0].get(0)
    }

    /// The only column of the only row of a statement with parameters.
    pub fn value_of<T: for<'a> FromSql<'a>>(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> T {
        self.client.query_one(sql, parameters).unwrap_or_else(|error| panic!("{}", report(sql, &error))).get(0)
    }

    /// How many rows the last of the statements touched, and those that it returned, as text with `|` between columns.
    pub fn outcome(&mut self, sql: &str) -> Result<(u64, Vec<String>), Error> {
        let (mut touched, mut rows, mut is_new) = (0, Vec::new(), false);
        for message in self.client.simple_query(sql)? {
            if std::mem::take(&mut is_new) {
                rows.clear();
            }
            match message {
                SimpleQueryMessage::Row(row) => {
                    let columns: Vec<_> = (0..row.len()).map(|at| row.get(at).unwrap_or_default()).collect();
                    rows.push(columns.join("|"));
                }
                SimpleQueryMessage::CommandComplete(count) => (touched, is_new) = (count, true),
                _ => {}
            }
        }
        Ok((touched, rows))
    }

    /// The payloads of the notifications that have come, after a round trip that brings all that were sent before it.
    pub fn heard(&mut self) -> Vec<String> {
        self.run("");
        let mut notifications = self.client.notifications();
        let payloads = notifications.iter().map(|notification| Ok(notification.payload().to_owned())).collect();
        payloads.expect("a connection that works")
    }

    /// What `COPY … TO STDOUT` sends.
    pub fn copied(&mut self, sql: &str) -> String {
        let mut text = String::new();
        let mut reader = self.client.copy_out(sql).unwrap_or_else(|error| panic!("{}", report(sql, &error)));
        reader.read_to_string(&mut text).expect("text");
        text
    }

    pub fn try_to_run(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql)
    }

    /// The statement must fail with this SQLSTATE. What else must be so is asked of the result.
    pub fn assert_refused(&mut self, sql: &str, sqlstate: &str) -> Refusal {
        Refusal::of(sql, self.try_to_run(sql), sqlstate)
    }

    /// The payload of the next notification, if one comes in time.
    pub fn notification(&mut self, patience: Duration) -> Result<Option<String>, Error> {
        let next = self.client.notifications().timeout_iter(patience).next()?;
        Ok(next.map(|notification| notification.payload().to_owned()))
    }

    /// Runs statements in the background.
    pub fn start(self, sql: &str) -> Running {
        Running::start(self, sql)
    }

    pub(crate) fn process_id(&mut self) -> i32 {
        self.value("SELECT pg_backend_pid()")
    }
}

/// The error of a statement that was refused as it should.
pub struct Refusal {
    sql: String,
    error: DbError,
}

impl Refusal {
    pub(crate) fn of(sql: &str, result: Result<(), Error>, sqlstate: &str) -> Refusal {
        let error = match result {
            Ok(()) => panic!("{sql}\nwas accepted, where {sqlstate} was expected"),
            Err(error) => error,
        };
        let Some(error) = error.as_db_error() else { panic!("{sql}\n{error:?}") };
        let refusal = Refusal { sql: sql.to_owned(), error: error.clone() };
        refusal.check("SQLSTATE", Some(refusal.error.code().code()), |code| code == sqlstate, sqlstate);
        refusal
    }

    pub fn constraint(self, name: &str) -> Refusal {
        self.check("constraint", self.error.constraint(), |found| found == name, name);
        self
    }

    pub fn table(self, name: &str) -> Refusal {
        self.check("table", self.error.table(), |found| found == name, name);
        self
    }

    pub fn message(self, part: &str) -> Refusal {
        self.check("message", Some(self.error.message()), |found| found.contains(part), part);
        self
    }

    pub fn detail(self, part: &str) -> Refusal {
        self.check("detail", self.error.detail(), |found| found.contains(part), part);
        self
    }

    pub fn hint(self, part: &str) -> Refusal {
        self.check("hint", self.error.hint(), |found| found.contains(part), part);
        self
    }

    fn check(&self, what: &str, found: Option<&str>, accept: impl Fn(&str) -> bool, expected: &str) {
        assert!(
            found.is_some_and(accept),
            "{}\nwas refused with another {what} than {expected:?}:\n{}",
            self.sql,
            describe_db_error(&self.error)
        );
    }
}

/// The statement, or of a script the place that the error is about, and the error.
pub(crate) fn report(sql: &str, error: &Error) -> String {
    let place = match error.as_db_error().and_then(DbError::position) {
        Some(ErrorPosition::Original(position)) if sql.len() > 2000 => *position as usize,
        _ => 0,
    };
    let excerpt: String = sql.chars().skip(place.saturating_sub(500)).take(1500).collect();
    format!("{excerpt}\n{}", describe(error))
}

fn describe(error: &Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error:?}"), describe_db_error)
}

fn describe_db_error(error: &DbError) -> String {
    let mut text = format!("{} {}: {}", error.severity(), error.code().code(), error.message());
    let fields = [
        ("DETAIL", error.detail()),
        ("HINT", error.hint()),
        ("TABLE", error.table()),
        ("CONSTRAINT", error.constraint()),
        ("CONTEXT", error.where_()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            text += &format!("\n  {name}: {value}");
        }
    }
    text
}
