//! Whether what is kept of a table still holds: PostgreSQL tells every connection which definitions have changed.

use pgrx::pg_sys::{Datum, Oid};
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::c_int;

thread_local! {
    /// Tables of which anything is kept.
    static WATCHED: RefCell<BTreeSet<u32>> = RefCell::default();
    /// Grows with every change of such a table.
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// Called when the library is loaded.
pub(crate) fn watch_definitions() {
    // SAFETY: the functions live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(note_change), Datum::null());
        // What is compiled may have the body of a function in it, and another schema may come to bear the name of ours.
        for cache in [pg_sys::SysCacheIdentifier::PROCOID, pg_sys::SysCacheIdentifier::NAMESPACEOID] {
            pg_sys::CacheRegisterSyscacheCallback(cache.cast_signed(), Some(note_catalog_change), Datum::null());
        }
    }
}

extern "C-unwind" fn note_change(_: Datum, table: Oid) {
    // The set may be borrowed by who called what ended here, and while a process ends it may be gone: then everything
    // counts as changed.
    let is_watched = WATCHED.try_with(|watched| {
        watched.try_borrow().map_or(true, |watched| table == Oid::INVALID || watched.contains(&table.to_u32()))
    });
    if is_watched.unwrap_or(false) {
        count_change();
    }
}

extern "C-unwind" fn note_catalog_change(_: Datum, _: c_int, _: u32) {
    count_change();
}

/// A number that differs after a change of this table, or of any other that something is kept of.
pub(crate) fn changes_of(table: Oid) -> u64 {
    WATCHED.with_borrow_mut(|watched| watched.insert(table.to_u32()));
    CHANGES.get()
}

fn count_change() {
    let _ = CHANGES.try_with(|changes| changes.set(changes.get().wrapping_add(1)));
}
