//! Connections, and values that go to the server and come back as text, as pgbench sends them.

use crate::Result;
use bytes::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type};
use postgres::{Client, NoTls};
use std::env;
use std::error::Error;

/// A connection as the environment and the side's `CONNECT` say.
pub(crate) fn connect() -> Result<Client> {
    let mut words = format!("host={}", env::var("PGHOST")?);
    let chosen = env::var("CONNECT").unwrap_or_default();
    for (key, variable) in [("user", "PGUSER"), ("dbname", "PGDATABASE")] {
        if !chosen.contains(&format!("{key}=")) {
            words += &format!(" {key}={}", env::var(variable)?);
        }
    }
    Ok(Client::connect(&format!("{words} {chosen}"), NoTls)?)
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

    postgres::types::to_sql_checked!();
}
