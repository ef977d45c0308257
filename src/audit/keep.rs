//! Keeping the log as it was written, and the ways in which something may leave it all the same.

use crate::error::{error, internal};
use crate::owner::as_owner_of;
use crate::setting::Settings;
use pgrx::PgSqlErrorCode::{ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE};
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::{AllocatedByRust, PgRelation};
use std::ffi::CStr;

const LOG: &str = "parlant.parlant_audit_log";
const SETTING: &CStr = c"parlant.change_audit_log";

/// Lets the current transaction change the log. Only the library and a superuser can set it.
static CHANGE_AUDIT_LOG: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Called when the library is loaded.
pub(super) fn define_setting() {
    GucRegistry::define_bool_guc(
        SETTING,
        c"Allows to change and delete entries of the audit log.",
        c"Set by parlant.purge_audit_log() for its own work; a superuser can set it too.",
        &CHANGE_AUDIT_LOG,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// `BEFORE` statement trigger on the log.
#[pg_trigger(sql = false)]
fn refuse_audit_change<'a>(_: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByRust>>, ErrorReport> {
    if !CHANGE_AUDIT_LOG.get() {
        error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the audit log is only appended to".to_owned(),
            "Entries of parlant.parlant_audit_log are neither changed nor deleted.".to_owned(),
            "Its owner can call parlant.purge_audit_log() to delete old entries.",
        )
        .report(PgLogLevel::ERROR);
    }
    Ok(None)
}

/// Takes the name of a customer out of the log of a workspace, for the erasure of that customer. The entries stay.
pub(crate) fn forget_customer(
    client: &mut SpiClient<'_>,
    workspace_id: &str,
    customer_id: &str,
) -> Result<usize, ErrorReport> {
    changing(|| {
        client.update(
            "UPDATE parlant.parlant_audit_log SET customer_id = '(erased)'
             WHERE workspace_id OPERATOR(pg_catalog.=) $1 AND customer_id OPERATOR(pg_catalog.=) $2",
            None,
            &[workspace_id.into(), customer_id.into()],
        )
    })?
    .map(|rows| rows.len())
    .map_err(internal)
}

/// Deletes entries older than a time, of one workspace or of all, and leaves an entry that says so.
///
/// # Errors
/// 42501 for others than the owner of the log.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn purge_audit_log(
    before: TimestampWithTimeZone,
    workspace_id: default!(Option<String>, "NULL"),
) -> Result<i64, ErrorReport> {
    Spi::connect_mut(|client| {
        let owned = client
            .select(
                "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'parlant.parlant_audit_log'::regclass",
                Some(1),
                &[],
            )
            .and_then(|rows| rows.first().get_one::<bool>())
            .map_err(internal)?;
        if owned != Some(true) {
            return Err(error(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                "must be owner of table parlant_audit_log".to_owned(),
                "Only its owner decides how long the log is kept.".to_owned(),
                "Call it as the owner of parlant's tables or as a superuser.",
            ));
        }
        let deleted = changing(|| {
            client.update(
                "WITH purged AS (
                     DELETE FROM parlant.parlant_audit_log
                     WHERE occurred_at < timezone('utc', $1) AND ($2 IS NULL OR workspace_id = $2) RETURNING 1),
                 counted AS (SELECT count(*) FROM purged),
                 told AS (
                     INSERT INTO parlant.parlant_audit_log
                         (workspace_id, transaction_id, user_id, database_role, table_name, row_id, action, old_values)
                     SELECT coalesce($2, ''), pg_current_xact_id()::text::bigint, $3, session_user, 'parlant_audit_log',
                            '00000000-0000-0000-0000-000000000000', 'delete', jsonb_build_object('before', $1, 'entries', count)
                     FROM counted WHERE count > 0)
                 SELECT count FROM counted",
                Some(1),
                &[before.into(), workspace_id.into(), crate::context::USER_ID.get().into()],
            )
        })?
        .map_err(internal)?;
        Ok(deleted.first().get_one::<i64>().map_err(internal)?.unwrap_or_default())
    })
}

/// Runs statements that change the log, as its owner and past its row-level security.
fn changing<T>(work: impl FnOnce() -> T) -> Result<T, ErrorReport> {
    let log = PgRelation::open_with_name_and_share_lock(LOG).map_err(internal)?;
    let settings = Settings::saved();
    settings.set(SETTING, c"on");
    Ok(as_owner_of(&log, work))
}
