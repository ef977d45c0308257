//! Rows of our tables as members of JSON documents, as `jsonb_build_object` makes them.

use crate::find::{Key, Rows, Source, Unfound};
use crate::json::Jsonb;
use parlant_core::jsonb::{self, Document, Tree};
use pgrx::Uuid;
use pgrx::prelude::*;
use std::ffi::{CStr, c_char};
use std::ops::Range;
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
pub(crate) struct Record {
    members: Vec<(&'static str, Cell)>,
    /// What the cells are of, one after the other.
    bytes: Vec<u8>,
}

enum Cell {
    Null,
    Bool(bool),
    Integer(i32),
    Text(Range<usize>),
    Stored(Range<usize>),
}

impl Shape {
    /// The first row of these keys.
    pub(crate) fn first(&'static self, keys: &[Key<'_>]) -> Result<Option<Record>, Unfound> {
        Ok(self.source.finder()?.first(keys, |row| self.record(row)))
    }

    pub(crate) fn record(&self, row: &Rows<'_>) -> Record {
        let columns = self.source.columns.iter().enumerate().skip(self.from);
        let mut record = Record { members: Vec::with_capacity(self.members.len()), bytes: Vec::with_capacity(512) };
        for (name, (column, (_, column_type))) in self.members.iter().zip(columns) {
            let cell = record.cell(row, column, *column_type).unwrap_or(Cell::Null);
            record.members.push((name, cell));
        }
        record
    }

    /// What an outer join has where there is no row.
    pub(crate) fn nothing(&self) -> Record {
        Record { members: self.members.iter().map(|name| (*name, Cell::Null)).collect(), bytes: Vec::new() }
    }
}

impl Record {
    pub(crate) fn members(&self) -> Vec<(&str, Tree<'_>)> {
        self.members.iter().map(|(name, cell)| (*name, self.member(cell))).collect()
    }

    pub(crate) fn tree(&self) -> Tree<'_> {
        Tree::Object(self.members())
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(member, _)| *member == name).and_then(|(_, cell)| match cell {
            Cell::Text(place) => self.text_at(place),
            _ => None,
        })
    }

    fn cell(&mut self, row: &Rows<'_>, column: usize, column_type: pg_sys::Oid) -> Option<Cell> {
        Some(match column_type {
            pg_sys::BOOLOID => Cell::Bool(row.get(column)?),
            pg_sys::INT4OID => Cell::Integer(row.get(column)?),
            pg_sys::UUIDOID => Cell::Text(self.add_id(row.get(column)?)),
            pg_sys::TIMESTAMPOID => Cell::Text(self.add_time(row.get(column)?)),
            pg_sys::JSONBOID => Cell::Stored(self.add(row.get::<Jsonb>(column)?.source())),
            _ => Cell::Text(self.add(row.get::<&str>(column)?.as_bytes())),
        })
    }

    fn add(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn add_id(&mut self, id: Uuid) -> Range<usize> {
        self.add(hyphenated(id).encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes())
    }

    /// A time in UTC, as JSON has it in the time zone of the client.
    fn add_time(&mut self, time: i64) -> Range<usize> {
        let mut text: [c_char; pg_sys::MAXDATELEN as usize + 1] = [0; _];
        // SAFETY: a timestamp in UTC is the timestamp with time zone of the same number; the buffer has the size that
        // the function asks for, which ends what it writes with NUL.
        let text = unsafe {
            pg_sys::JsonEncodeDateTime(text.as_mut_ptr(), pg_sys::Datum::from(time), pg_sys::TIMESTAMPTZOID, null());
            CStr::from_ptr(text.as_ptr())
        };
        self.add(text.to_bytes())
    }

    fn member(&self, cell: &Cell) -> Tree<'_> {
        match cell {
            Cell::Null => Tree::NULL,
            Cell::Bool(truth) => Tree::Bool(*truth),
            Cell::Integer(integer) => Tree::Integer((*integer).into()),
            Cell::Text(place) => Tree::optional_text(self.text_at(place)),
            Cell::Stored(place) => Tree::Node(jsonb::Jsonb(self.at(place)).root()),
        }
    }

    fn text_at(&self, place: &Range<usize>) -> Option<&str> {
        str::from_utf8(self.at(place)).ok()
    }

    fn at(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }
}

/// A UUID as PostgreSQL prints it.
pub(crate) fn hyphenated(id: Uuid) -> uuid::fmt::Hyphenated {
    uuid::Uuid::from_bytes(*id.as_bytes()).hyphenated()
}
