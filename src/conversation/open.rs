//! The start of an INSERT statement on `parlant_event`.

use super::ledger;
use pgrx::AllocatedByPostgres;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// `BEFORE INSERT` statement trigger.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn begin_numbering<'a>(
    _trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, ErrorReport> {
    ledger::with(ledger::Ledger::open_statement);
    Ok(None)
}
