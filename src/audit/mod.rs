//! The audit log: who changed what in the configuration of a workspace.

mod change;
mod column;
mod entry;
mod keep;

pub(crate) use keep::{define_setting, forget_customer};
