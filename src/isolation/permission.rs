//! What a user may do in a workspace: the one place that asks.

use super::refusal::refused_entry;
use crate::context::{PERMISSION, USER_ID, WORKSPACE_ID};
use crate::error::error;
use crate::host::{self, HostAnswer};
use crate::privilege::is_restricted;
use crate::table::{Rows, our_table};
use pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

pub(super) const MEMBERS: &str = "parlant_workspace_member";

/// Looks past row-level security, and reads only, so that it also works on a standby.
pub(super) fn permission_of(user_id: &str, workspace_id: &str) -> Result<Option<String>, ErrorReport> {
    match host::permission(user_id, workspace_id)? {
        HostAnswer::Permission(permission) => Ok(Some(permission)),
        HostAnswer::Nothing => Ok(None),
        HostAnswer::NotLinked => {
            let members = our_table(MEMBERS)?;
            let who = [(c"workspace_id", workspace_id), (c"user_id", user_id)];
            match Rows::of(&members, c"parlant_workspace_member_key", &who)?.next() {
                Some(member) => member.get(c"permission"),
                None => Ok(None),
            }
        }
    }
}

/// Whether customers may enter: without a host any workspace is there, and admits any customer to what is their own.
pub(super) fn admits_customers(workspace_id: &str) -> Result<bool, ErrorReport> {
    Ok(host::workspace_is_open(workspace_id)?.unwrap_or(true))
}

pub(super) fn hides_agents(workspace_id: &str) -> Result<bool, ErrorReport> {
    let agents = our_table("parlant_agent")?;
    let mut found = Rows::of(&agents, c"parlant_agent_deleted", &[(c"workspace_id", workspace_id)])?;
    while let Some(agent) = found.next() {
        // Without the index, which has only these, all agents of the workspace come.
        if agent.get::<Timestamp>(c"deleted_at")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the transaction administers the workspace: for one of its admins, or as a role that no policy restricts,
/// or that owns the members' table.
pub(super) fn administers(workspace_id: &str) -> Result<bool, ErrorReport> {
    let is_admin_here = PERMISSION.with(|permission| permission == c"admin").unwrap_or(false)
        && WORKSPACE_ID.with(|current| current.to_bytes() == workspace_id.as_bytes()).unwrap_or(false);
    if is_admin_here {
        return Ok(true);
    }
    let members = our_table(MEMBERS)?;
    // SAFETY: the relation is open, so it has a row of pg_class; role oids come from the server.
    let owns = unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), (*members.rd_rel).relowner) };
    Ok(owns || !is_restricted(&members))
}

/// What a user may do in a workspace: read, write or admin; NULL if nothing.
///
/// A user may ask this of themselves, an admin of everybody in the admin's workspace, the owner of the tables and
/// roles past row-level security of everybody.
///
/// # Errors
/// 42501 for anybody else, whether there is such a user and such a workspace or not.
#[pg_extern(stable, parallel_unsafe)]
fn workspace_permission(user_id: &str, workspace_id: &str) -> Result<Option<String>, ErrorReport> {
    let asks_of_themselves = USER_ID.with(|current| current.to_bytes() == user_id.as_bytes()).unwrap_or(false);
    if !asks_of_themselves && !administers(workspace_id)? {
        return Err(error(
            ERRCODE_INSUFFICIENT_PRIVILEGE,
            "permissions of other users are for admins of their workspace".to_owned(),
            "The transaction acts neither for the user that it asks about, nor for an admin of that workspace."
                .to_owned(),
            "Enter the workspace as one of its admins.",
        ));
    }
    permission_of(user_id, workspace_id)
}

/// The permission with which a user enters.
pub(super) fn permission_to_enter(workspace_id: &str, user_id: &str) -> Result<String, ErrorReport> {
    match permission_of(user_id, workspace_id)?.as_deref() {
        Some(permission @ ("read" | "write" | "admin")) => Ok(permission.to_owned()),
        _ => Err(refused_entry("no permission", &[("workspace_id", workspace_id), ("user_id", user_id)])),
    }
}
