//! The small part of pgbench's scripts that the sides use: `\set NAME random(LOW, HIGH)`, statements that end in `;`,
//! those that end in `\gset` and return one row of text, and `:NAME` in them. Unlike in pgbench, a transaction that
//! hits a unique key that another has just taken begins anew.

use crate::database::{Text, connect};
use crate::random::Random;
use crate::{Result, Task};
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Statement};
use std::collections::HashMap;

pub(crate) struct Script {
    connection: Client,
    random: Random,
    ranges: Vec<(String, u64, u64)>,
    steps: Vec<Step>,
}

enum Step {
    Control(String),
    Query { statement: Statement, names: Vec<String>, keeps_row: bool },
}

type Variables = HashMap<String, String>;

impl Script {
    pub(crate) fn new(text: &str, client: u64) -> Result<Script> {
        let mut connection = connect()?;
        let (mut ranges, mut steps) = (Vec::new(), Vec::new());
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        let (settings, sql): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with(r"\set "));
        for line in settings {
            ranges.push(range(line).ok_or_else(|| format!("not understood: {line}"))?);
        }
        for statement in sql.join("\n").replace(r"\gset", "--keep\n;").split(';') {
            let (statement, keeps_row) = match statement.split_once("--keep") {
                Some((statement, _)) => (statement.trim(), true),
                None => (statement.trim(), false),
            };
            if ["BEGIN", "COMMIT"].contains(&statement) {
                steps.push(Step::Control(statement.to_owned()));
            } else if !statement.is_empty() {
                let (sql, names) = numbered(statement);
                steps.push(Step::Query { statement: connection.prepare(&sql)?, names, keeps_row });
            }
        }
        Ok(Script { connection, random: Random::of(client), ranges, steps })
    }

    fn chosen(&mut self) -> Variables {
        let Script { random, ranges, .. } = self;
        ranges.iter().map(|(name, low, high)| (name.clone(), random.between(*low, *high).to_string())).collect()
    }

    fn run(&mut self, variables: &mut Variables) -> std::result::Result<(), postgres::Error> {
        for step in &self.steps {
            match step {
                Step::Control(sql) => self.connection.batch_execute(sql)?,
                Step::Query { statement, names, keeps_row } => {
                    let values: Vec<Text> = names.iter().map(|name| Text(variables[name].clone())).collect();
                    let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
                    let rows = self.connection.query(statement, &parameters)?;
                    if *keeps_row && let Some(row) = rows.first() {
                        for (place, column) in row.columns().iter().enumerate() {
                            variables.insert(column.name().to_owned(), row.try_get(place)?);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Task for Script {
    fn perform(&mut self) -> Result<u64> {
        let mut errors = 0;
        let mut variables = self.chosen();
        loop {
            match self.run(&mut variables) {
                Ok(()) => return Ok(errors),
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    self.connection.batch_execute("ROLLBACK")?;
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
