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
use std::ffi::{CStr, c_char};
use std::thread::LocalKey;

/// A query for one value. Every name in it is qualified, or found in `pg_catalog` because of who calls it.
pub(crate) struct Query {
    pub(crate) sql: &'static CStr,
    pub(crate) types: &'static [pg_sys::Oid],
    /// Where the plan is kept for the connection.
    pub(crate) plan: &'static LocalKey<Cell<pg_sys::SPIPlanPtr>>,
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

    /// The `jsonb` that the query gives, likewise.
    pub(crate) fn jsonb(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<Vec<u8>>, ErrorReport> {
        let _path = safe_path();
        // SAFETY: the query gives a jsonb, which is copied.
        let read = |value| unsafe { Jsonb::from_datum(value, false) }.map(|document| document.source().to_vec());
        self.ask(arguments, read).map(Option::flatten)
    }

    /// What `read` makes of the first column of the first row; none if there is no row, or NULL.
    pub(crate) fn ask<T>(
        &self,
        arguments: &[Option<pg_sys::Datum>],
        read: impl FnOnce(pg_sys::Datum) -> T,
    ) -> Result<Option<T>, ErrorReport> {
        let mut values: Vec<pg_sys::Datum> =
            arguments.iter().map(|value| value.unwrap_or(pg_sys::Datum::null())).collect();
        let nulls: Vec<c_char> =
            arguments.iter().map(|value| if value.is_some() { b' ' } else { b'n' }.cast_signed()).collect();
        // SAFETY: between connecting and finishing, SPI is called as its documentation asks: a plan with as many
        // values as it has types, and the first column of the first row where there is one. An error ends the
        // connection to SPI with the transaction, as everywhere.
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
            let status = pg_sys::SPI_execute_plan(self.plan.get(), values.as_mut_ptr(), nulls.as_ptr(), true, 1);
            if status != pg_sys::SPI_OK_SELECT.cast_signed() {
                return Err(internal(format!("a query of ours ended with {status}")));
            }
            let mut answer = None;
            if pg_sys::SPI_processed > 0 {
                let table = pg_sys::SPI_tuptable;
                let mut is_null = false;
                let value = pg_sys::SPI_getbinval(*(*table).vals, (*table).tupdesc, 1, &raw mut is_null);
                answer = (!is_null).then(|| read(value));
            }
            pg_sys::SPI_finish();
            Ok(answer)
        }
    }
}
