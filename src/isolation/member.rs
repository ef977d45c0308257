//! Memberships, for databases without a host.

use super::enter::checked;
use super::permission::{MEMBERS, administers};
use crate::error::{error, internal};
use crate::host::{self, HostAnswer};
use crate::owner::as_owner_of;
use crate::statement::{kept, refuse_on_standby};
use crate::table::our_table;
use pgrx::PgSqlErrorCode::{
    ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_INVALID_TEXT_REPRESENTATION, ERRCODE_NO_DATA_FOUND,
    ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
};
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;

const GRANT: &str = "
    INSERT INTO parlant.parlant_workspace_member AS member (workspace_id, user_id, permission) VALUES ($1, $2, $3)
    ON CONFLICT (workspace_id, user_id) DO UPDATE SET permission = excluded.permission
    WHERE member.permission <> excluded.permission";

const REVOKE: &str = "DELETE FROM parlant.parlant_workspace_member WHERE workspace_id = $1 AND user_id = $2";

/// Locks them, by id so that two such statements cannot deadlock: of two admins who remove each other, one is left.
const ADMINS: &str = "
    SELECT user_id FROM parlant.parlant_workspace_member WHERE workspace_id = $1 AND permission = 'admin'
    ORDER BY user_id FOR UPDATE";

/// Gives a user a permission in a workspace, in place of the one that the user had.
///
/// # Errors
/// 42501 unless the transaction administers the workspace; 22023 and 22P02 for bad arguments; 55000 if a host is
/// linked, or if the workspace would be left without admin.
#[pg_extern(volatile, parallel_unsafe)]
fn grant_workspace(
    workspace_id: Option<&str>,
    user_id: Option<&str>,
    permission: Option<&str>,
) -> Result<(), ErrorReport> {
    let (workspace_id, user_id) = (checked("workspace_id", workspace_id)?, checked("user_id", user_id)?);
    let permission = match permission {
        Some(permission @ ("read" | "write" | "admin")) => permission,
        other => return Err(unknown_permission(other)),
    };
    change(workspace_id, user_id, |client| {
        if permission != "admin" {
            keep_an_admin(client, workspace_id, user_id)?;
        }
        let plan = kept(client, GRANT, &[TEXTOID; 3])?;
        client.update(plan, None, &[workspace_id.into(), user_id.into(), permission.into()]).map_err(internal)?;
        Ok(())
    })
}

/// Takes a user's permission in a workspace away.
///
/// # Errors
/// As of `grant_workspace`, and P0002 if the user has none.
#[pg_extern(volatile, parallel_unsafe)]
fn revoke_workspace(workspace_id: Option<&str>, user_id: Option<&str>) -> Result<(), ErrorReport> {
    let (workspace_id, user_id) = (checked("workspace_id", workspace_id)?, checked("user_id", user_id)?);
    change(workspace_id, user_id, |client| {
        keep_an_admin(client, workspace_id, user_id)?;
        let plan = kept(client, REVOKE, &[TEXTOID; 2])?;
        let revoked = client.update(plan, None, &[workspace_id.into(), user_id.into()]).map_err(internal)?.len();
        if revoked > 0 { Ok(()) } else { Err(no_member(workspace_id, user_id)) }
    })
}

/// Changes memberships as their owner, for who administers the workspace.
fn change(
    workspace_id: &str,
    user_id: &str,
    work: impl FnOnce(&mut SpiClient<'_>) -> Result<(), ErrorReport>,
) -> Result<(), ErrorReport> {
    if !administers(workspace_id)? {
        return Err(no_admin());
    }
    refuse_on_standby();
    match host::permission(user_id, workspace_id)? {
        HostAnswer::NotLinked => as_owner_of(&our_table(MEMBERS)?, || Spi::connect_mut(work)),
        HostAnswer::Nothing | HostAnswer::Permission(_) => Err(host_decides()),
    }
}

fn keep_an_admin(client: &mut SpiClient<'_>, workspace_id: &str, user_id: &str) -> Result<(), ErrorReport> {
    let plan = kept(client, ADMINS, &[TEXTOID])?;
    let admins = client.update(plan, None, &[workspace_id.into()]).map_err(internal)?;
    let mut is_admin = false;
    let mut count = 0;
    for admin in admins {
        count += 1;
        is_admin |= admin.get::<String>(1).map_err(internal)?.as_deref() == Some(user_id);
    }
    if is_admin && count == 1 { Err(last_admin(workspace_id, user_id)) } else { Ok(()) }
}

fn unknown_permission(permission: Option<&str>) -> ErrorReport {
    error(
        ERRCODE_INVALID_TEXT_REPRESENTATION,
        format!("there is no permission \"{}\"", permission.unwrap_or("NULL")),
        "A user may read, write or admin a workspace; each includes those before it.".to_owned(),
        "Pass read, write or admin.",
    )
}

fn no_admin() -> ErrorReport {
    error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        "memberships are for admins of the workspace to change".to_owned(),
        "The transaction does not act for an admin of that workspace.".to_owned(),
        "Enter the workspace as one of its admins, or ask the owner of the database.",
    )
}

fn host_decides() -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "permissions come from the host".to_owned(),
        "The database is linked to a host application, whose table of permissions decides.".to_owned(),
        "Change the permission in the host application.",
    )
}

fn no_member(workspace_id: &str, user_id: &str) -> ErrorReport {
    error(
        ERRCODE_NO_DATA_FOUND,
        format!("user \"{user_id}\" has no permission in workspace \"{workspace_id}\""),
        "There is nothing to take away.".to_owned(),
        "parlant.parlant_workspace_member lists the members.",
    )
}

fn last_admin(workspace_id: &str, user_id: &str) -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("user \"{user_id}\" is the only admin of workspace \"{workspace_id}\""),
        "Nobody in it could give permissions any more.".to_owned(),
        "Make somebody else an admin first. To close a workspace, its rows are deleted by the owner of the tables.",
    )
}
