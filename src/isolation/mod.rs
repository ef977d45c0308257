//! Isolation of workspaces: entering one, what the policies on the tables ask, memberships.
//!
//! `docs/isolation.md` is the page to check this against.

mod admission;
mod enter;
mod held;
mod lookup;
mod member;
mod permission;
mod policy;
mod refusal;
mod token;
mod visibility;

/// Called when the library is loaded.
pub(crate) fn init() {
    token::define_settings();
    held::watch_commits();
}

pgrx::extension_sql_file!(
    "../../sql/functions/isolation.sql",
    name = "isolation",
    requires = [
        current_workspace_id,
        current_customer_id,
        enter_workspace,
        enter_workspace_as_customer,
        enter_workspace_with_token,
        leave_workspace,
        workspace_permission,
        grant_workspace,
        revoke_workspace,
        readable_workspace_id,
        writable_workspace_id,
        administered_workspace_id,
        acts_for_user,
        shows_agent,
        shows_journey,
        shows_session,
        shows_session_of,
        customer_may_start,
    ]
);
