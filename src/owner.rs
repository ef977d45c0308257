//! Upkeep of tables by their owner, as PostgreSQL's own foreign keys do it.

use crate::setting::Settings;
use pgrx::PgRelation;
use pgrx::prelude::*;

/// Runs `work` as the owner of `table`, past its row-level security, forced or not, and with a search path that names
/// no schema of a client: so no operator, function or type of a client's can run as the owner.
///
/// For upkeep that a client's statement causes and the client may not do: keeping a session's counters, say. What
/// `work` touches must be decided by us and not by the client, and must not tell the client more than it may know.
pub(crate) fn as_owner_of<T>(table: &PgRelation, work: impl FnOnce() -> T) -> T {
    // SAFETY: an open relation has a row of pg_class.
    let owner = unsafe { (*table.rd_rel).relowner };
    let settings = Settings::saved();
    settings.set(c"search_path", c"pg_catalog, pg_temp");
    let _restored = Identity::assume(owner);
    work()
}

/// The identity to come back to, also when PostgreSQL raises an error, which unwinds as a panic.
struct Identity {
    user: pg_sys::Oid,
    security_context: i32,
}

impl Identity {
    fn assume(owner: pg_sys::Oid) -> Self {
        let mut before = Identity { user: pg_sys::Oid::INVALID, security_context: 0 };
        // SAFETY: the first call writes to two locals; the second sets the backend's identity, which `drop` puts back.
        // The flags are those with which ri_triggers.c runs its queries.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&raw mut before.user, &raw mut before.security_context);
            let flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
            pg_sys::SetUserIdAndSecContext(owner, before.security_context | flags.cast_signed());
        }
        before
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // SAFETY: these are the values that GetUserIdAndSecContext gave.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.security_context) }
    }
}
