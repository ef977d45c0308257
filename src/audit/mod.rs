//! The audit log: who changed what in the configuration of a workspace.

mod change;
mod column;
mod entry;
mod keep;
mod pending;

pub(crate) use keep::forget_customer;

/// Called when the library is loaded.
pub(crate) fn init() {
    keep::define_setting();
    pending::register_callbacks();
}
