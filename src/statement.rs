//! SPI statements of ours, each prepared once a connection.

use crate::error::internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement, SpiClient};
use std::cell::RefCell;
use std::collections::HashMap;

/// The plan of a statement that writes, or that must see what its own statement has written.
///
/// Every name in it must be schema-qualified: the plan is kept while a client changes its `search_path`.
pub(crate) fn kept(
    client: &SpiClient<'_>,
    sql: &str,
    types: &[pg_sys::BuiltinOid],
) -> Result<&'static OwnedPreparedStatement, ErrorReport> {
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(sql).copied()) {
        return Ok(plan);
    }
    let types: Vec<_> = types.iter().map(|oid| PgOid::BuiltIn(*oid)).collect();
    let prepared = client.prepare_mut(sql, &types).map_err(internal)?;
    // One small leak for each statement and connection, on purpose: the plan is used until the end.
    let plan: &'static OwnedPreparedStatement = Box::leak(Box::new(prepared.keep()));
    PLANS.with_borrow_mut(|plans| plans.insert(sql.to_owned(), plan));
    Ok(plan)
}

/// Refuses on a standby what writes, as PostgreSQL refuses writing there: SPI would take a transaction id before.
pub(crate) fn refuse_on_standby() {
    // SAFETY: the name ends with NUL; the function raises an error or does nothing.
    unsafe { pg_sys::PreventCommandDuringRecovery(c"a function that writes".as_ptr()) }
}

thread_local! {
    static PLANS: RefCell<HashMap<String, &'static OwnedPreparedStatement>> = RefCell::new(HashMap::new());
}
