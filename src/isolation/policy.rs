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
pub(super) fn acts_for_user() -> bool {
    PERMISSION.is_set() && !CUSTOMER_ID.is_set()
}

/// Tells the planner that what is hidden within a workspace is next to nothing, so that it expects as many rows as
/// it does of the owner's `WHERE workspace_id = …`.
#[pg_extern(sql = "")]
fn expect_all(request: Internal) -> Internal {
    answer_selectivity(request, |_| 1.0)
}

/// Tells the planner for whom it plans.
#[pg_extern(sql = "")]
fn expect_user(request: Internal) -> Internal {
    answer_selectivity(request, |_| if acts_for_user() { 1.0 } else { 0.0 })
}

/// Tells the planner how many of the sessions are the customer's, whose id is in the last argument.
#[pg_extern(sql = "")]
fn expect_session_of(request: Internal) -> Internal {
    answer_selectivity(request, |request| match CUSTOMER_ID.get() {
        None => 1.0,
        // SAFETY: PostgreSQL sends the arguments of the function that it asks about, whose last is a text. The
        // condition is made of nodes that outlive the planning.
        Some(customer_id) => unsafe {
            let arguments = pgrx::PgList::<pg_sys::Expr>::from_pg(request.args);
            let (Some(column), Some(value)) = (arguments.tail(), customer_id.into_datum()) else { return 0.0 };
            let collation = pg_sys::DEFAULT_COLLATION_OID;
            let value = pg_sys::makeConst(pg_sys::TEXTOID, -1, collation, -1, value, false, false);
            let equal = pg_sys::make_opclause(
                pg_sys::TextEqualOperator.into(),
                pg_sys::BOOLOID,
                false,
                column,
                value.cast(),
                pg_sys::Oid::INVALID,
                collation,
            );
            pg_sys::clause_selectivity(request.root, equal.cast(), request.varRelid, request.jointype, request.sjinfo)
        },
    })
}

fn answer_selectivity(
    request: Internal,
    selectivity: impl FnOnce(&pg_sys::SupportRequestSelectivity) -> f64,
) -> Internal {
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
        let request = &mut *node.cast::<pg_sys::SupportRequestSelectivity>();
        request.selectivity = selectivity(request);
    }
    Internal::from(Some(datum))
}
