//! Connections, and values that go to the server and come back as text, as pgbench sends them.

use crate::Result;
use bytes::BytesMut;
use futures_util::future::join_all;
use std::env;
use std::error::Error;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, Statement};

/// What a query came to.
pub(crate) type Answer = std::result::Result<Vec<Row>, tokio_postgres::Error>;

pub(crate) struct Connection {
    runtime: Runtime,
    client: Client,
}

impl Connection {
    /// As the environment and the side's `CONNECT` say.
    pub(crate) fn open() -> Result<Connection> {
        let mut words = format!("host={}", env::var("PGHOST")?);
        let chosen = env::var("CONNECT").unwrap_or_default();
        for (key, variable) in [("user", "PGUSER"), ("dbname", "PGDATABASE")] {
            if !chosen.contains(&format!("{key}=")) {
                words += &format!(" {key}={}", env::var(variable)?);
            }
        }
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (client, connection) = runtime.block_on(tokio_postgres::connect(&format!("{words} {chosen}"), NoTls))?;
        runtime.spawn(connection);
        Ok(Connection { runtime, client })
    }

    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement> {
        Ok(self.runtime.block_on(self.client.prepare(sql))?)
    }

    pub(crate) fn query(&self, statement: &Statement, values: &[Text]) -> Answer {
        self.runtime.block_on(self.client.query(statement, &parameters(values)))
    }

    /// Sends all of them before it waits for the first answer.
    pub(crate) fn pipeline(&self, queries: &[(&Statement, Vec<Text>)]) -> Vec<Answer> {
        let send = async |(statement, values): &(&Statement, Vec<Text>)| {
            self.client.query(*statement, &parameters(values)).await
        };
        self.runtime.block_on(join_all(queries.iter().map(send)))
    }
}

fn parameters(values: &[Text]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}

/// A value of any type as text.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
