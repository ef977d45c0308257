//! Who is asking: the one place that keeps and reads the context of a transaction.

use pgrx::prelude::*;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_char, c_void};

/// A setting that only the library changes, for the transaction that it is in.
pub(crate) struct ContextSetting {
    name: &'static CStr,
    value: UnsafeCell<*mut c_char>,
}

// SAFETY: a server process has one thread that uses PostgreSQL, and it alone reads and writes settings.
unsafe impl Sync for ContextSetting {}

pub(crate) static WORKSPACE_ID: ContextSetting = ContextSetting::named(c"parlant.workspace_id");
pub(crate) static USER_ID: ContextSetting = ContextSetting::named(c"parlant.user_id");
pub(crate) static CUSTOMER_ID: ContextSetting = ContextSetting::named(c"parlant.customer_id");
pub(crate) static PERMISSION: ContextSetting = ContextSetting::named(c"parlant.permission");
/// Who entered which workspace first in the transaction: it outlasts leaving, so that nobody else can enter.
pub(crate) static ENTERED: ContextSetting = ContextSetting::named(c"parlant.entered");
/// Set while the workspace has soft-deleted agents, which are hidden with what hangs below them.
pub(crate) static HIDES_AGENTS: ContextSetting = ContextSetting::named(c"parlant.hides_agents");

thread_local! {
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// A number that differs after every change of the context, also after one that a rollback or an end has caused.
pub(crate) fn changes() -> u64 {
    CHANGES.get()
}

impl ContextSetting {
    const fn named(name: &'static CStr) -> Self {
        ContextSetting { name, value: UnsafeCell::new(std::ptr::null_mut()) }
    }

    /// What `read` makes of the value; none outside a workspace. An empty string is what a setting has that was never set.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&CStr) -> T) -> Option<T> {
        // SAFETY: PostgreSQL keeps a string that ends with NUL here, or a null pointer, and replaces it only when the
        // setting changes, which `read`, a function of this crate that only looks at it, does not do.
        let value = unsafe {
            let value = *self.value.get();
            (!value.is_null() && *value != 0).then(|| CStr::from_ptr(value))
        };
        value.map(read)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.with(|_| ()).is_some()
    }

    pub(crate) fn get(&self) -> Option<String> {
        self.with(|value| value.to_string_lossy().into_owned())
    }

    /// Sets the value until the transaction ends, or until a savepoint before this is rolled back to.
    pub(crate) fn set_locally(&self, value: Option<&CStr>) {
        let value = value.unwrap_or(c"");
        if self.with(|current| current == value).unwrap_or(value.is_empty()) {
            return;
        }
        // SAFETY: both strings end with NUL and live through the call, which copies them; the other arguments are
        // values of the enums that the C declaration asks for. An error is reported by pgrx as any PostgreSQL error.
        unsafe {
            pg_sys::set_config_option(
                self.name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_LOCAL,
                true,
                0,
                false,
            );
        }
    }

    /// No `RESET ALL` touches it: that would let a client forget who entered, and enter as somebody else.
    fn define(&'static self, description: &'static CStr) {
        // SAFETY: the strings are static, the variable lives as long as the process, and the hook does not panic.
        unsafe {
            pg_sys::DefineCustomStringVariable(
                self.name.as_ptr(),
                description.as_ptr(),
                c"Set by parlant.enter_workspace and its kin for the transaction; a superuser can set it too.".as_ptr(),
                self.value.get(),
                std::ptr::null(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GUC_NO_RESET_ALL.cast_signed(),
                None,
                Some(note_change),
                None,
            );
        }
    }
}

extern "C-unwind" fn note_change(_: *const c_char, _: *mut c_void) {
    // While a process ends, its thread-local values may be gone already.
    let _ = CHANGES.try_with(|changes| changes.set(changes.get().wrapping_add(1)));
}

/// Declares the settings; called when the library is loaded.
pub(crate) fn define_settings() {
    WORKSPACE_ID.define(c"Workspace that the transaction acts in.");
    USER_ID.define(c"User that the transaction acts for.");
    CUSTOMER_ID.define(c"Customer that the transaction acts for.");
    PERMISSION.define(c"Permission of the user in the workspace: read, write or admin.");
    ENTERED.define(c"Who entered which workspace first in the transaction.");
    HIDES_AGENTS.define(c"Whether the workspace has soft-deleted agents.");
}

/// The workspace that the transaction acts in; NULL before one was entered.
#[pg_extern(stable, parallel_safe)]
fn current_workspace_id() -> Option<String> {
    WORKSPACE_ID.get()
}

/// The user that the transaction acts for; NULL where it acts for a customer, or for nobody.
#[pg_extern(stable, parallel_safe)]
fn current_user_id() -> Option<String> {
    USER_ID.get()
}

/// The customer that the transaction acts for; NULL where it acts for a user, or for nobody.
#[pg_extern(stable, parallel_safe)]
fn current_customer_id() -> Option<String> {
    CUSTOMER_ID.get()
}

/// What the user may do in the workspace: read, write or admin; NULL for a customer and outside a workspace.
#[pg_extern(stable, parallel_safe)]
fn current_permission() -> Option<String> {
    PERMISSION.get()
}
