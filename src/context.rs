//! Who is asking: the one place that keeps and reads the context of a transaction.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

/// A setting that only the library changes, for the transaction that it is in.
pub(crate) struct ContextSetting {
    name: &'static CStr,
    value: GucSetting<Option<CString>>,
}

pub(crate) static WORKSPACE_ID: ContextSetting = ContextSetting::named(c"parlant.workspace_id");
pub(crate) static USER_ID: ContextSetting = ContextSetting::named(c"parlant.user_id");
pub(crate) static CUSTOMER_ID: ContextSetting = ContextSetting::named(c"parlant.customer_id");
pub(crate) static PERMISSION: ContextSetting = ContextSetting::named(c"parlant.permission");

impl ContextSetting {
    const fn named(name: &'static CStr) -> Self {
        ContextSetting { name, value: GucSetting::<Option<CString>>::new(None) }
    }

    /// The value; none outside a workspace. An empty string is what a setting has that was never set.
    pub(crate) fn get(&self) -> Option<String> {
        let value = self.value.get()?;
        (!value.is_empty()).then(|| value.to_string_lossy().into_owned())
    }

    /// Sets the value until the transaction ends, or until a savepoint before this is rolled back to.
    pub(crate) fn set_locally(&self, value: Option<&CStr>) {
        let value = value.unwrap_or(c"");
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

    fn define(&'static self, description: &'static CStr) {
        GucRegistry::define_string_guc(
            self.name,
            description,
            c"Set by parlant.enter_workspace and its kin for the transaction; a superuser can set it too.",
            &self.value,
            GucContext::Suset,
            GucFlags::default(),
        );
    }
}

/// Declares the settings; called when the library is loaded.
pub(crate) fn define_settings() {
    WORKSPACE_ID.define(c"Workspace that the transaction acts in.");
    USER_ID.define(c"User that the transaction acts for.");
    CUSTOMER_ID.define(c"Customer that the transaction acts for.");
    PERMISSION.define(c"Permission of the user in the workspace: read, write or admin.");
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
