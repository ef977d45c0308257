//! What the policies compare `workspace_id` with, and what the planner may know about their other conditions.

use crate::context::{CUSTOMER_ID, PERMISSION, WORKSPACE_ID};
use pgrx::datum::Internal;
use pgrx::prelude::*;
use std::ffi::CStr;

fn workspace_if(permitted: fn(&CStr) -> bool) -> Option<String> {
    if PERMISSION.with(permitted).unwrap_or(false) { WORKSPACE_ID.get() } else { None }
}

/// The workspace whose rows the user may read; NULL for a customer and outside a workspace.
#[pg_extern(stable, parallel_safe)]
fn readable_workspace_id() -> Option<String> {
    workspace_if(|permission| permission == c"read" || permission == c"write" || permission == c"admin")
}

/// The workspace whose rows the user may write.
#[pg_extern(stable, parallel_safe)]
fn writable_workspace_id() -> Option<String> {
    workspace_if(|permission| permission == c"write" || permission == c"admin")
}

/// The workspace that the user administers.
#[pg_extern(stable, parallel_safe)]
fn administered_workspace_id() -> Option<String> {
    workspace_if(|permission| permission == c"admin")
}

/// Whether the transaction acts for a user with a permission, and not for a customer.
#[pg_extern(stable, parallel_safe)]
fn acts_for_user() -> bool {
    PERMISSION.is_set() && !CUSTOMER_ID.is_set()
}

/// Tells the planner that what is hidden within a workspace is next to nothing, so that it expects as many rows as
/// it does of the owner's `WHERE workspace_id = …`.
#[pg_extern(sql = "")]
fn expect_all(request: Internal) -> Internal {
    answer_selectivity(request, 1.0)
}

/// Tells the planner for whom it plans.
#[pg_extern(sql = "")]
fn expect_user(request: Internal) -> Internal {
    answer_selectivity(request, if acts_for_user() { 1.0 } else { 0.0 })
}

fn answer_selectivity(request: Internal, selectivity: f64) -> Internal {
    // A null pointer, which is no NULL, says that there is no answer.
    let none = || Internal::from(Some(pg_sys::Datum::null()));
    let Some(datum) = request.unwrap() else { return none() };
    // SAFETY: PostgreSQL calls support functions with a node; only of the kind that is asked for is more read, and the
    // field that is written is there for the answer.
    unsafe {
        let node: *mut pg_sys::Node = datum.cast_mut_ptr();
        if (*node).type_ != pg_sys::NodeTag::T_SupportRequestSelectivity {
            return none();
        }
        (*node.cast::<pg_sys::SupportRequestSelectivity>()).selectivity = selectivity;
    }
    Internal::from(Some(datum))
}
