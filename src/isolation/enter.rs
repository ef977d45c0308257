//! Entering and leaving a workspace.

use super::admission::{Admission, admission};
use crate::context::{CUSTOMER_ID, ENTERED, HIDES_AGENTS, PERMISSION, USER_ID, WORKSPACE_ID};
use crate::error::{error, internal};
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CString;

/// The longest id, in characters.
const LONGEST_ID: usize = 255;

/// Whom a transaction acts for.
#[derive(Clone, Copy)]
pub(super) enum Actor<'a> {
    User(&'a str),
    Customer(&'a str),
}

impl Actor<'_> {
    fn id(&self) -> &str {
        match self {
            Actor::User(id) | Actor::Customer(id) => id,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Actor::User(_) => "user",
            Actor::Customer(_) => "customer",
        }
    }
}

/// Enters a workspace for a user until the transaction ends, and returns the user's permission there.
///
/// # Errors
/// 22023 for an id that is missing, empty or too long; 42501 if the workspace does not admit the user, or is not
/// there; 55000 if the transaction has entered otherwise before.
#[pg_extern(volatile, parallel_unsafe)]
fn enter_workspace(workspace_id: Option<&str>, user_id: Option<&str>) -> Result<String, ErrorReport> {
    let (workspace_id, user_id) = (checked("workspace_id", workspace_id)?, checked("user_id", user_id)?);
    enter(workspace_id, Actor::User(user_id)).map(Option::unwrap_or_default)
}

/// Enters a workspace for a customer, who sees their own sessions there, until the transaction ends.
///
/// # Errors
/// As of `enter_workspace`.
#[pg_extern(volatile, parallel_unsafe)]
fn enter_workspace_as_customer(workspace_id: Option<&str>, customer_id: Option<&str>) -> Result<(), ErrorReport> {
    let (workspace_id, customer_id) = (checked("workspace_id", workspace_id)?, checked("customer_id", customer_id)?);
    enter(workspace_id, Actor::Customer(customer_id)).map(|_| ())
}

/// Leaves the workspace: the rest of the transaction sees and writes nothing. It can only be entered again for the
/// same user or customer, because cursors and deferred constraints of the transaction go on.
#[pg_extern(volatile, parallel_unsafe)]
fn leave_workspace() {
    for setting in [&WORKSPACE_ID, &USER_ID, &CUSTOMER_ID, &PERMISSION, &HIDES_AGENTS] {
        setting.set_locally(None);
    }
}

/// The permission of a user; none of a customer.
pub(super) fn enter(workspace_id: &str, actor: Actor<'_>) -> Result<Option<String>, ErrorReport> {
    let entry = serde_json::to_string(&[actor.kind(), workspace_id, actor.id()]).map_err(internal)?;
    match ENTERED.get() {
        Some(entered) if entered != entry => return Err(entered_otherwise()),
        Some(_) if WORKSPACE_ID.is_set() => return Ok(PERMISSION.get()),
        _ => {}
    }
    let Admission { permission, hides_agents } = admission(&entry, workspace_id, actor)?;
    let c_string = |text: &str| CString::new(text).map_err(internal);
    let (entry, workspace_id, id) = (c_string(&entry)?, c_string(workspace_id)?, c_string(actor.id())?);
    let c_permission = permission.as_deref().map(c_string).transpose()?;
    let is_user = matches!(actor, Actor::User(_));
    ENTERED.set_locally(Some(&entry));
    WORKSPACE_ID.set_locally(Some(&workspace_id));
    USER_ID.set_locally(is_user.then_some(&*id));
    CUSTOMER_ID.set_locally((!is_user).then_some(&*id));
    PERMISSION.set_locally(c_permission.as_deref());
    HIDES_AGENTS.set_locally(hides_agents.then_some(c"on"));
    Ok(permission)
}

fn entered_otherwise() -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "the transaction has entered another workspace, or for somebody else".to_owned(),
        "A transaction acts in one workspace for one user or customer, also after leaving it.".to_owned(),
        "Begin another transaction.",
    )
}

/// The argument, if it can be the id of something.
pub(super) fn checked<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, ErrorReport> {
    let fault = match value {
        None => "It is NULL.".to_owned(),
        Some("") => "It is empty.".to_owned(),
        Some(value) => match value.chars().count() {
            1..=LONGEST_ID => return Ok(value),
            length => format!("It has {length} characters."),
        },
    };
    Err(error(ERRCODE_INVALID_PARAMETER_VALUE, format!("{name} is no id"), fault, "Pass an id of 1 to 255 characters."))
}
