//! Rows of our tables as members of JSON documents, as `jsonb_build_object` makes them.

use crate::find::{Key, Rows, Source, Unfound};
use crate::json::Jsonb;
use parlant_core::jsonb::{self, Document, Tree};
use pgrx::Uuid;
use pgrx::prelude::*;
use std::ffi::{CStr, c_char};
use std::ptr::null;

/// How a row becomes an object.
pub(crate) struct Shape {
    pub(crate) source: &'static Source,
    /// The column of the source from which on they are members.
    pub(crate) from: usize,
    /// Their names in the object.
    pub(crate) members: &'static [&'static str],
}

/// The members of an object, apart from the row that they are of.
pub(crate) struct Record(Vec<(&'static str, Cell)>);

enum Cell {
    Null,
    Bool(bool),
    Integer(i32),
    Text(String),
    Stored(Vec<u8>),
}

impl Shape {
    /// The first row of these keys.
    pub(crate) fn first(&'static self, keys: &[Key<'_>]) -> Result<Option<Record>, Unfound> {
        Ok(self.source.finder()?.first(keys, |row| self.record(row)))
    }

    pub(crate) fn record(&self, row: &Rows<'_>) -> Record {
        let columns = self.source.columns.iter().enumerate().skip(self.from);
        let cells = columns.map(|(column, (_, column_type))| Cell::of(row, column, *column_type));
        Record(self.members.iter().copied().zip(cells).collect())
    }

    /// What an outer join has where there is no row.
    pub(crate) fn nothing(&self) -> Record {
        Record(self.members.iter().map(|name| (*name, Cell::Null)).collect())
    }
}

impl Record {
    pub(crate) fn members(&self) -> Vec<(&str, Tree<'_>)> {
        self.0.iter().map(|(name, cell)| (*name, cell.tree())).collect()
    }

    pub(crate) fn tree(&self) -> Tree<'_> {
        Tree::Object(self.members())
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(member, cell)| match cell {
            Cell::Text(text) if *member == name => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Cell {
    fn of(row: &Rows<'_>, column: usize, column_type: pg_sys::Oid) -> Cell {
        let cell = match column_type {
            pg_sys::BOOLOID => row.get(column).map(Cell::Bool),
            pg_sys::INT4OID => row.get(column).map(Cell::Integer),
            pg_sys::UUIDOID => row.get(column).map(|id| Cell::Text(id_text(id))),
            pg_sys::TIMESTAMPOID => row.get(column).map(|time| Cell::Text(time_text(time))),
            pg_sys::JSONBOID => row.get(column).map(|document: Jsonb| Cell::Stored(document.source().to_vec())),
            _ => row.get(column).map(Cell::Text),
        };
        cell.unwrap_or(Cell::Null)
    }

    fn tree(&self) -> Tree<'_> {
        match self {
            Cell::Null => Tree::NULL,
            Cell::Bool(truth) => Tree::Bool(*truth),
            Cell::Integer(integer) => Tree::Integer((*integer).into()),
            Cell::Text(text) => Tree::Text(text),
            Cell::Stored(document) => Tree::Node(jsonb::Jsonb(document).root()),
        }
    }
}

pub(crate) fn id_text(id: Uuid) -> String {
    uuid::Uuid::from_bytes(*id.as_bytes()).to_string()
}

/// A time in UTC, as JSON has it in the time zone of the client.
fn time_text(time: i64) -> String {
    let mut text: [c_char; pg_sys::MAXDATELEN as usize + 1] = [0; _];
    // SAFETY: a timestamp in UTC is the timestamp with time zone of the same number; the buffer has the size that the
    // function asks for, which ends what it writes with NUL.
    unsafe {
        pg_sys::JsonEncodeDateTime(text.as_mut_ptr(), pg_sys::Datum::from(time), pg_sys::TIMESTAMPTZOID, null());
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}
