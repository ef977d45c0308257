//! Asking our tables from within a policy.

use crate::error::internal;
use crate::owner::as_owner_of;
use crate::table::our_table;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::thread::LocalKey;

/// A question about one row, asked as the owner of `table`, with the snapshot of the statement that asks.
///
/// pgrx's own SPI would take a new snapshot once the transaction has written, in the middle of a client's statement.
pub(super) struct Question {
    pub(super) table: &'static str,
    pub(super) sql: &'static CStr,
    pub(super) types: &'static [pg_sys::Oid],
    /// Where the plan is kept for the connection.
    pub(super) plan: &'static LocalKey<Cell<pg_sys::SPIPlanPtr>>,
}

impl Question {
    /// The answer; none if there is no such row.
    pub(super) fn ask(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<bool>, ErrorReport> {
        as_owner_of(&our_table(self.table)?, || self.answer(arguments))
    }

    fn answer(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<bool>, ErrorReport> {
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
                    return Err(internal("a question of a policy cannot be prepared"));
                }
                self.plan.set(made);
            }
            let status = pg_sys::SPI_execute_plan(self.plan.get(), values.as_mut_ptr(), nulls.as_ptr(), true, 1);
            if status != pg_sys::SPI_OK_SELECT.cast_signed() {
                return Err(internal(format!("a question of a policy ended with {status}")));
            }
            let answer = (pg_sys::SPI_processed > 0).then(|| {
                let table = pg_sys::SPI_tuptable;
                let mut is_null = false;
                let value = pg_sys::SPI_getbinval(*(*table).vals, (*table).tupdesc, 1, &raw mut is_null);
                !is_null && value.value() & 1 == 1
            });
            pg_sys::SPI_finish();
            Ok(answer)
        }
    }
}
