//! PostgreSQL's settings, changed for a piece of our work.

use pgrx::prelude::*;
use std::ffi::CStr;

/// Settings that are put back when this is dropped, also when PostgreSQL raises an error, which unwinds as a panic.
pub(crate) struct Settings {
    level: i32,
}

impl Settings {
    pub(crate) fn saved() -> Self {
        // SAFETY: begins a level of settings, which `drop` ends. Functions with a SET clause do the same, also in
        // parallel workers.
        Settings { level: unsafe { pg_sys::NewGUCNestLevel() } }
    }

    /// The value is ours, so that no client needs the right to set it.
    pub(crate) fn set(&self, name: &CStr, value: &CStr) {
        // SAFETY: both strings end with NUL and live through the call, which copies them; the other arguments are
        // values of the enums that the C declaration asks for.
        unsafe {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }

    pub(crate) fn is_known(name: &CStr) -> bool {
        // SAFETY: the name ends with NUL; an unknown setting gives a null pointer.
        unsafe { !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: this is the level that NewGUCNestLevel began, or the abort of a transaction has ended it already.
        unsafe { pg_sys::AtEOXact_GUC(true, self.level) }
    }
}
