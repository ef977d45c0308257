//! parlant: the data layer of a conversational-agent platform, inside PostgreSQL.
//!
//! This crate is the edge: it reads arguments and rows, calls the algorithms of `parlant-core`, and writes rows.
//! The functions it declares belong to the extension; the tables that [`install`] makes belong to the user.

#![allow(
    clippy::result_large_err,
    reason = "only an ErrorReport that is returned as it is keeps its SQLSTATE and HINT"
)]

use pgrx::prelude::*;

mod audit;
mod behaviour;
mod changes;
mod context;
mod conversation;
mod direct;
mod error;
mod find;
mod host;
mod identifier;
mod install;
mod isolation;
mod journey;
mod json;
mod json_schema;
mod owner;
mod parent;
mod pii;
mod privilege;
mod query;
mod record;
mod row;
mod setting;
mod settled;
mod statement;
mod table;
mod transition;
mod updated_at;
mod version;
mod workflow;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!("../sql/triggers.sql", name = "triggers");
extension_sql_file!(
    "../sql/functions/context.sql",
    name = "context",
    requires = [current_workspace_id, current_user_id, current_customer_id, current_permission]
);
extension_sql_file!("../sql/functions/audit.sql", name = "audit", requires = [purge_audit_log]);
extension_sql_file!("../sql/functions/host.sql", name = "host", requires = [link_host, unlink_host, host_status]);
extension_sql_file!(
    "../sql/functions/behaviour.sql",
    name = "behaviour",
    requires = [
        render_template,
        template_variables,
        missing_variables,
        mentioned_terms,
        search_configuration,
        session_context,
        session_context_json,
        json_schema_violations,
        canned_response_score
    ]
);
extension_sql_file!(
    "../sql/functions/tools.sql",
    name = "tools",
    requires = [argument_violations, json_schema_violations, tool_health, is_disabled_by, host_tools]
);
extension_sql_file!("../sql/functions/knowledge.sql", name = "knowledge", requires = [search_knowledge]);
extension_sql_file!(
    "../sql/functions/conversation.sql",
    name = "conversation",
    requires = [
        lock_session,
        append_all_directly,
        append_directly,
        check_event_type,
        check_repetition,
        erase_customer,
        mask_personal_data,
        mask_personal_json
    ]
);
extension_sql_file!(
    "../sql/functions/journey.sql",
    name = "journey",
    requires = [
        validate_journey_definition,
        checked_journey_definition,
        draw_journey,
        evaluate_condition,
        judge_condition,
        enter_journey,
        advance_journey,
        skip_state,
        revisit_state,
        exit_journey
    ]
);
extension_sql_file!(
    "../sql/functions/workflow.sql",
    name = "workflow",
    requires = [workflow_to_journey, journey_definition_to_workflow, host_workflow]
);
extension_sql_file!("../sql/finalize.sql", name = "finalize", finalize);

/// Runs when a connection loads the library.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    audit::init();
    context::define_settings();
    behaviour::define_settings();
    behaviour::watch_dictionaries();
    isolation::init();
    conversation::define_settings();
    conversation::register_callbacks();
    changes::watch_definitions();
    privilege::watch_roles();
    // SAFETY: the prefix is a string that ends with NUL, which the function copies.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"parlant".as_ptr()) }
}

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec!["fsync = off"]
    }
}
