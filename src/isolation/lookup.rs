//! Asking our tables from within a policy.

use crate::owner::as_owner_of;
use crate::query::Query;
use crate::table::our_table;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// A question about one row, asked as the owner of `table`.
pub(super) struct Question {
    pub(super) table: &'static str,
    pub(super) query: Query,
}

impl Question {
    /// The answer; none if there is no such row.
    pub(super) fn ask(&self, arguments: &[Option<pg_sys::Datum>]) -> Result<Option<bool>, ErrorReport> {
        as_owner_of(&our_table(self.table)?, || self.query.ask(arguments, |answer| answer.value() & 1 == 1))
    }
}
