//! Reading by a query of ours, whose plan is kept, with the snapshot of the statement that asks.
//!
//! pgrx's own SPI would take a new snapshot once the transaction has written, in the middle of a client's statement.

use crate::error::internal;
use crate::json::Jsonb;
use crate::setting::Settings;
use parlant_core::jsonb::Document;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_long};
use std::thread::LocalKey;

/// A query. Every name in it is qualified, or found in `pg_catalog` because of who calls it.
pub(crate) struct Query {
    pub(crate) sql: &'static CStr,
    pub(crate) types: &'static [pg_sys::Oid],
    /// Where the plan is kept for the connection.
    pub(crate) plan: &'static LocalKey<Cell<pg_sys::SPIPlanPtr>>,
}

/// A row that a query found.
pub(crate) struct Found<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
}

impl Found<'_> {
    /// The value of a column, counted from 0, as PostgreSQL holds it; none if it is NULL.
    fn datum(&self, column: usize) -> Option<pg_sys::Datum> {
        self.values.get(column).copied().filter(|_| self.nulls.get(column) == Some(&false))
    }

    /// The same as a `T`, which must be the type of the column, or the type under its domain.
    pub(crate) fn get<T: FromDatum>(&self, column: usize) -> Option<T> {
        // SAFETY: the datum is the column's, and not null.
        self.datum(column).and_then(|value| unsafe { T::from_datum(value, false) })
    }
}

/// A search path on which no name of a client's is found, until this is dropped.
fn safe_path() -> Settings {
    let settings = Settings::saved();
    settings.set(c"search_path", c"pg_catalog, pg_temp");
    settings
}

impl Query {
    /// The text that the query gives, whatever the search path of the client: what is made of it may be kept.
    pub(crate) fn text(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<String>, ErrorReport> {
        let _path = safe_path();
        // SAFETY: the query gives a text.
        self.ask(arguments, |value| unsafe { String::from_datum(value, false) }).map(Option::flatten)
    }

    /// The bytes of the `jsonb` or the text that the query gives, likewise.
    pub(crate) fn bytes(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<Vec<u8>>, ErrorReport> {
        let _path = safe_path();
        // SAFETY: the query gives a varlena, which is copied.
        let read = |value| unsafe { Jsonb::from_datum(value, false) }.map(|document| document.source().to_vec());
        self.ask(arguments, read).map(Option::flatten)
    }

    /// What `read` makes of the first column of the first row; none if there is no row, or NULL.
    pub(crate) fn ask<T>(
        &self,
        arguments: &[Option<pg_sys::Datum>],
        mut read: impl FnMut(pg_sys::Datum) -> T,
    ) -> Result<Option<T>, ErrorReport> {
        let found = self.rows(arguments, 1, |row| Ok(row.datum(0).map(&mut read)))?;
        Ok(found.into_iter().next().flatten())
    }

    /// What `read` makes of each row, at most of so many; 0 is all.
    pub(crate) fn rows<T>(
        &self,
        arguments: &[Option<pg_sys::Datum>],
        most: c_long,
        mut read: impl FnMut(&Found<'_>) -> Result<T, ErrorReport>,
    ) -> Result<Vec<T>, ErrorReport> {
        let mut values: Vec<pg_sys::Datum> =
            arguments.iter().map(|value| value.unwrap_or(pg_sys::Datum::null())).collect();
        let nulls: Vec<c_char> =
            arguments.iter().map(|value| if value.is_some() { b' ' } else { b'n' }.cast_signed()).collect();
        // SAFETY: between connecting and finishing, SPI is called as its documentation asks: a plan with as many
        // values as it has types, and rows that are there, taken apart into as many places as they have columns. An
        // error ends the connection to SPI with the transaction, as everywhere.
        unsafe {
            if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT.cast_signed() {
                return Err(internal("SPI cannot be connected to"));
            }
            if self.plan.get().is_null() {
                let count = i32::try_from(self.types.len()).map_err(internal)?;
                let made = pg_sys::SPI_prepare(self.sql.as_ptr(), count, self.types.as_ptr().cast_mut());
                if made.is_null() || pg_sys::SPI_keepplan(made) != 0 {
                    return Err(internal("a query of ours cannot be prepared"));
                }
                self.plan.set(made);
            }
            let status = pg_sys::SPI_execute_plan(self.plan.get(), values.as_mut_ptr(), nulls.as_ptr(), true, most);
            if status != pg_sys::SPI_OK_SELECT.cast_signed() {
                return Err(internal(format!("a query of ours ended with {status}")));
            }
            let table = pg_sys::SPI_tuptable;
            let columns = usize::try_from((*(*table).tupdesc).natts).map_err(internal)?;
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); columns], vec![true; columns]);
            let count = usize::try_from(pg_sys::SPI_processed).map_err(internal)?;
            let mut found = Vec::with_capacity(count);
            for row in std::slice::from_raw_parts((*table).vals, count) {
                pg_sys::heap_deform_tuple(*row, (*table).tupdesc, values.as_mut_ptr(), nulls.as_mut_ptr());
                found.push(read(&Found { values: &values, nulls: &nulls })?);
            }
            pg_sys::SPI_finish();
            Ok(found)
        }
    }
}
