//! The trigger function `parlant.set_updated_at`.

use crate::row::{ReturnedRow, Row};
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;

/// `BEFORE UPDATE` row trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn set_updated_at<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<ReturnedRow<'a>>, ErrorReport> {
    Ok(Some(stamped(trigger).unwrap_or_report()))
}

fn stamped<'a>(trigger: &'a PgTrigger<'a>) -> Result<ReturnedRow<'a>, ErrorReport> {
    // SAFETY: reads a variable of the transaction. A moment in UTC is the same number as timestamp and as timestamptz.
    let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    Row::new_of(trigger)?.with(&[("updated_at", pg_sys::Datum::from(now))])
}
