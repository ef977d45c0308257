//! The host application's tables: who may do what in a workspace, and foreign keys to them.
//!
//! The host changes its tables as it likes. Nothing of ours that PostgreSQL would keep it from changing refers to
//! them, but for foreign keys to their `id`; whatever else is read of them is looked up in the catalog at each call.

mod keys;
mod link;
mod lookup;
mod reference;
mod rights;
mod tables;

pub(crate) use lookup::{HostAnswer, LINK, is_linked, permission, workspace_is_open};
