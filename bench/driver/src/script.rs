//! The small part of pgbench's scripts that the sides use: `\set NAME random(LOW, HIGH)`, statements that end in `;`,
//! those that end in `\gset` and return one row of text, and `:NAME` in them; from `\startpipeline` to `\endpipeline`
//! none waits for the one before. Unlike in pgbench, a transaction that hits a unique key that another has just taken
//! begins anew.

use crate::database::{Connection, Text};
use crate::random::Random;
use crate::{Result, Task};
use std::collections::HashMap;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Row, Statement};

pub(crate) struct Script {
    connection: Connection,
    rollback: Statement,
    random: Random,
    ranges: Vec<(String, u64, u64)>,
    /// Statements that are sent together.
    trips: Vec<Vec<Step>>,
}

struct Step {
    statement: Statement,
    names: Vec<String>,
    keeps_row: bool,
}

type Variables = HashMap<String, String>;

impl Script {
    pub(crate) fn new(text: &str, client: u64) -> Result<Script> {
        let connection = Connection::open()?;
        let (mut ranges, mut trips) = (Vec::new(), Vec::new());
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        let (settings, sql): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with(r"\set "));
        for line in settings {
            ranges.push(range(line).ok_or_else(|| format!("not understood: {line}"))?);
        }
        let mut is_pipeline = false;
        for part in sql.join("\n").replace(r"\gset", "--keep\n;").replace("pipeline\n", "pipeline;\n").split(';') {
            let part = part.trim();
            match part {
                "" => {}
                r"\startpipeline" => {
                    is_pipeline = true;
                    trips.push(Vec::new());
                }
                r"\endpipeline" => is_pipeline = false,
                _ => {
                    let (sql, names) = numbered(part.trim_end_matches("--keep"));
                    let statement = connection.prepare(&sql)?;
                    let step = Step { statement, names, keeps_row: part.ends_with("--keep") };
                    match trips.last_mut() {
                        Some(trip) if is_pipeline => trip.push(step),
                        _ => trips.push(vec![step]),
                    }
                }
            }
        }
        let rollback = connection.prepare("ROLLBACK")?;
        Ok(Script { connection, rollback, random: Random::of(client), ranges, trips })
    }

    fn chosen(&mut self) -> Variables {
        let Script { random, ranges, .. } = self;
        ranges.iter().map(|(name, low, high)| (name.clone(), random.between(*low, *high).to_string())).collect()
    }

    fn run(&self, variables: &mut Variables) -> std::result::Result<(), Error> {
        for trip in &self.trips {
            let values =
                |step: &Step| -> Vec<Text> { step.names.iter().map(|name| Text(variables[name].clone())).collect() };
            let answers = match trip.as_slice() {
                [step] => vec![self.connection.query(&step.statement, &values(step))],
                steps => {
                    let queries: Vec<_> = steps.iter().map(|step| (&step.statement, values(step))).collect();
                    self.connection.pipeline(&queries)
                }
            };
            for (step, answer) in trip.iter().zip(answers) {
                if let Some(row) = answer?.first().filter(|_| step.keeps_row) {
                    keep(row, variables)?;
                }
            }
        }
        Ok(())
    }
}

fn keep(row: &Row, variables: &mut Variables) -> std::result::Result<(), Error> {
    for (place, column) in row.columns().iter().enumerate() {
        variables.insert(column.name().to_owned(), row.try_get(place)?);
    }
    Ok(())
}

impl Task for Script {
    fn perform(&mut self) -> Result<u64> {
        let mut errors = 0;
        let mut variables = self.chosen();
        loop {
            match self.run(&mut variables) {
                Ok(()) => return Ok(errors),
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    self.connection.query(&self.rollback, &[])?;
                    errors += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// `\set NAME random(LOW, HIGH)`
fn range(line: &str) -> Option<(String, u64, u64)> {
    let (name, choice) = line.strip_prefix(r"\set ")?.split_once(' ')?;
    let (low, high) = choice.strip_prefix("random(")?.strip_suffix(')')?.split_once(", ")?;
    Some((name.to_owned(), low.parse().ok()?, high.parse().ok()?))
}

/// A statement with numbered parameters in place of `:NAME`, and the names by their numbers.
fn numbered(statement: &str) -> (String, Vec<String>) {
    let (mut sql, mut names) = (String::new(), Vec::<String>::new());
    let mut rest = statement;
    while let Some((before, after)) = rest.split_once(':') {
        let length = after.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(after.len());
        let (name, behind) = after.split_at(length);
        sql += before;
        if name.is_empty() || sql.ends_with(':') {
            sql += ":";
            sql += name;
        } else {
            let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            sql += &format!("${}", place + 1);
        }
        rest = behind;
    }
    (sql + rest, names)
}
