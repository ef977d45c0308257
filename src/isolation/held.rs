//! Cursors `WITH HOLD` would carry rows of a workspace into later transactions of the connection, which a pooler may
//! give to somebody else. So those that were opened in a workspace are closed when its transaction commits.

use crate::context::ENTERED;
use crate::error::internal;
use crate::statement::kept;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use std::ffi::{CString, c_void};

const HELD: &str = "
    SELECT name FROM pg_catalog.pg_cursor()
    WHERE is_holdable AND creation_time OPERATOR(pg_catalog.>=) pg_catalog.transaction_timestamp()";

/// Called when the library is loaded.
pub(crate) fn watch_commits() {
    // SAFETY: the function lives as long as the process and needs no argument.
    unsafe { pg_sys::RegisterXactCallback(Some(before_commit), std::ptr::null_mut()) }
}

#[pg_guard]
unsafe extern "C-unwind" fn before_commit(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    if event == pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT && ENTERED.is_set() {
        close_held_cursors().unwrap_or_report();
    }
}

fn close_held_cursors() -> Result<(), ErrorReport> {
    // SAFETY: it looks at the portals of the connection. By now the transaction's own are gone, but for one that runs
    // and those that are held, which are ready.
    if unsafe { pg_sys::ThereAreNoReadyPortals() } {
        return Ok(());
    }
    // SAFETY: a transaction that commits can still take a snapshot, without which nothing can be read; it is taken back
    // below, or by the abort if reading fails.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) }
    let names = Spi::connect(|client| {
        let plan = kept(client, HELD, &[])?;
        let mut names = Vec::new();
        for row in client.select(plan, None, &[]).map_err(internal)? {
            names.extend(row.get::<String>(1).map_err(internal)?);
        }
        Ok::<_, ErrorReport>(names)
    })?;
    // SAFETY: this is the snapshot from above.
    unsafe { pg_sys::PopActiveSnapshot() }
    for name in names {
        close(&CString::new(name).map_err(internal)?);
    }
    Ok(())
}

fn close(name: &CString) {
    // SAFETY: the name ends with NUL; a portal that is found is dropped only while nothing uses it.
    unsafe {
        let portal = pg_sys::GetPortalByName(name.as_ptr());
        let is_idle =
            !portal.is_null() && !(*portal).portalPinned && (*portal).status != pg_sys::PortalStatus::PORTAL_ACTIVE;
        if is_idle {
            pg_sys::PortalDrop(portal, false);
        }
    }
}
