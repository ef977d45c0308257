//! Forgetting a customer.

use crate::context::{PERMISSION, WORKSPACE_ID};
use crate::error::{error, internal};
use crate::privilege::is_restricted;
use crate::statement::refuse_on_standby;
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

const SESSIONS: &str = "
    WITH gone AS (DELETE FROM parlant.parlant_session WHERE workspace_id = $1 AND customer_id = $2 RETURNING event_count)
    SELECT count(*), coalesce(sum(event_count), 0)::bigint FROM gone";

const VARIABLES: &str = "DELETE FROM parlant.parlant_variable WHERE workspace_id = $1 AND customer_id = $2";

/// Deletes what is known of a customer in a workspace, and tells how much that was.
///
/// # Errors
/// 42501 for others than admins of the workspace.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type")]
fn erase_customer(
    workspace_id: &str,
    customer_id: &str,
) -> Result<TableIterator<'static, (name!(sessions, i64), name!(events, i64), name!(variables, i64))>, ErrorReport> {
    refuse_others_than_admins(workspace_id)?;
    refuse_on_standby();
    let counts = Spi::connect_mut(|client| {
        let arguments = [workspace_id.into(), customer_id.into()];
        let gone = client.update(SESSIONS, None, &arguments).map_err(internal)?;
        let (sessions, events) = gone.first().get_two::<i64, i64>().map_err(internal)?;
        let variables = client.update(VARIABLES, None, &arguments).map_err(internal)?.len();
        crate::audit::forget_customer(client, workspace_id, customer_id)?;
        let count = |rows: usize| i64::try_from(rows).map_err(internal);
        Ok::<_, ErrorReport>((sessions.unwrap_or_default(), events.unwrap_or_default(), count(variables)?))
    })?;
    Ok(TableIterator::once(counts))
}

/// Row-level security would hide from others what they may not delete, and to have erased half would go unnoticed.
fn refuse_others_than_admins(workspace_id: &str) -> Result<(), ErrorReport> {
    let table = PgRelation::open_with_name_and_share_lock("parlant.parlant_session").map_err(internal)?;
    let is_admin = PERMISSION.get().as_deref() == Some("admin") && WORKSPACE_ID.get().as_deref() == Some(workspace_id);
    if is_admin || !is_restricted(&table) {
        return Ok(());
    }
    Err(error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied to erase customers of workspace {workspace_id}"),
        "Only an admin of the workspace erases customers.".to_owned(),
        "Enter the workspace for a user who has permission admin.",
    ))
}
