//! What the current role may do with a table, kept until roles or the table change.

use crate::changes::changes_of;
use pgrx::PgRelation;
use pgrx::pg_sys::{Datum, Oid};
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::c_int;

/// Who asks, as PostgreSQL decides by it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Asker {
    table: u32,
    role: u32,
    row_security: bool,
    /// As the owner, whom not even forced row-level security binds.
    is_unforced: bool,
}

#[derive(Clone, Copy)]
struct Rights {
    /// Of the table, and of roles.
    changes: (u64, u64),
    /// Of those to select, insert and update.
    privileges: u32,
    is_restricted: bool,
}

/// Beyond so many, a connection begins anew.
const KEPT_RIGHTS: usize = 1024;

thread_local! {
    static KNOWN: RefCell<BTreeMap<Asker, Rights>> = RefCell::default();
    static ROLE_CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// Called when the library is loaded.
pub(crate) fn watch_roles() {
    // As PostgreSQL does that keeps memberships of roles: the owner of the database is a role's member, too.
    use pg_sys::SysCacheIdentifier::{AUTHMEMMEMROLE, AUTHOID, DATABASEOID};
    for cache in [AUTHMEMMEMROLE, AUTHOID, DATABASEOID] {
        // SAFETY: the function lives as long as the library, which is never unloaded.
        unsafe { pg_sys::CacheRegisterSyscacheCallback(cache.cast_signed(), Some(note_change), Datum::null()) }
    }
}

extern "C-unwind" fn note_change(_: Datum, _: c_int, _: u32) {
    // While a process ends, its thread-local values may be gone already.
    let _ = ROLE_CHANGES.try_with(|changes| changes.set(changes.get().wrapping_add(1)));
}

/// Whether row-level security restricts what the current role sees of `table`.
pub(crate) fn is_restricted(table: &PgRelation) -> bool {
    rights(table).is_restricted
}

/// Whether the current role has all of these privileges, of those to select, insert and update, on the whole table.
pub(crate) fn has_privileges(table: &PgRelation, privileges: u32) -> bool {
    rights(table).privileges & privileges == privileges
}

fn rights(table: &PgRelation) -> Rights {
    let changes = (changes_of(table.oid()), ROLE_CHANGES.get());
    // SAFETY: these are settings of the backend that runs.
    let asker = unsafe {
        Asker {
            table: table.oid().to_u32(),
            role: pg_sys::GetUserId().to_u32(),
            row_security: pg_sys::row_security,
            is_unforced: pg_sys::InNoForceRLSOperation(),
        }
    };
    let known = KNOWN.with_borrow(|known| known.get(&asker).copied());
    if let Some(rights) = known.filter(|rights| rights.changes == changes) {
        return rights;
    }
    let rights = Rights { changes, privileges: privileges(table, asker.role.into()), is_restricted: restricts(table) };
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KEPT_RIGHTS {
            known.clear();
        }
        known.insert(asker, rights)
    });
    rights
}

fn privileges(table: &PgRelation, role: Oid) -> u32 {
    // SAFETY: the relation is open.
    let has = |privilege: &u32| unsafe {
        pg_sys::pg_class_aclcheck(table.oid(), role, (*privilege).into()) == pg_sys::AclResult::ACLCHECK_OK
    };
    [pg_sys::ACL_SELECT, pg_sys::ACL_INSERT, pg_sys::ACL_UPDATE].into_iter().filter(has).sum()
}

fn restricts(table: &PgRelation) -> bool {
    // SAFETY: the relation is open; an invalid role means the current one; `true` asks for no error where
    // `row_security = off` forbids reading past the policies.
    let state = unsafe { pg_sys::check_enable_rls(table.oid(), Oid::INVALID, true) };
    state == pg_sys::CheckEnableRlsResult::RLS_ENABLED.cast_signed()
}
