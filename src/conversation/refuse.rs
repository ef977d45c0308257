//! Events stay as they are.

use crate::error::error;
use pgrx::AllocatedByPostgres;
use pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;

/// `BEFORE UPDATE OR DELETE` row trigger and `BEFORE TRUNCATE` statement trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn refuse_event_change<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, ErrorReport> {
    let verb = match trigger.op() {
        // SAFETY: asks how the query that runs was started.
        Ok(PgTriggerOperation::Delete) if unsafe { pg_sys::InNoForceRLSOperation() } => {
            // Only a foreign key's own query runs like this: the session of the event has been deleted.
            return Ok(trigger.old());
        }
        Ok(PgTriggerOperation::Delete) => "deleted",
        Ok(PgTriggerOperation::Truncate) => "truncated",
        _ => "updated",
    };
    Err::<(), _>(error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("events cannot be {verb}"),
        "parlant_event is a log: what was said stays said, and goes only with its whole session.".to_owned(),
        "Append an event that corrects, or delete the session. The owner of the table can disable this trigger.",
    ))
    .unwrap_or_report();
    Ok(None)
}
