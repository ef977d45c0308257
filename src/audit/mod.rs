//! The audit log: who changed what in the configuration of a workspace.

mod change;
mod keep;
mod sql;

pub(crate) use keep::{define_setting, forget_customer};

use crate::json::JsonbText;
use pgrx::prelude::*;

/// The document with its secrets masked; none if it has no secrets.
#[pg_extern(immutable, parallel_safe)]
fn masked_secrets(document: JsonbText) -> Option<String> {
    parlant_core::secret::masked(&document.0)
}
