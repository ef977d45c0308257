//! The rows of journeys and of variables that are found by an index.

use crate::find::Source;
use pgrx::prelude::*;

pub(super) static JOURNEY_ROW: Source = Source {
    table: "parlant_journey",
    index: c"parlant_journey_workspace_key",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("id", pg_sys::UUIDOID),
        ("id", pg_sys::UUIDOID),
        ("title", pg_sys::TEXTOID),
        ("description", pg_sys::TEXTOID),
        ("allow_skipping", pg_sys::BOOLOID),
        ("allow_revisiting", pg_sys::BOOLOID),
        ("agent_id", pg_sys::UUIDOID),
        ("enabled", pg_sys::BOOLOID),
    ],
    keys: 2,
};

pub(super) static STATE_ROW: Source = Source {
    table: "parlant_journey_state",
    index: c"parlant_journey_state_journey_key",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("journey_id", pg_sys::UUIDOID),
        ("id", pg_sys::UUIDOID),
        ("id", pg_sys::UUIDOID),
        ("name", pg_sys::TEXTOID),
        ("state_type", pg_sys::TEXTOID),
        ("chat_prompt", pg_sys::TEXTOID),
        ("tool_id", pg_sys::TEXTOID),
        ("tool_config", pg_sys::JSONBOID),
        ("condition", pg_sys::TEXTOID),
        ("is_final", pg_sys::BOOLOID),
        ("allow_skip", pg_sys::BOOLOID),
    ],
    keys: 3,
};

pub(super) static WAY_ROW: Source = Source {
    table: "parlant_journey_transition",
    index: c"parlant_journey_transition_from",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("journey_id", pg_sys::UUIDOID),
        ("from_state_id", pg_sys::UUIDOID),
        ("to_state_id", pg_sys::UUIDOID),
        ("created_at", pg_sys::TIMESTAMPOID),
        ("id", pg_sys::UUIDOID),
        ("condition", pg_sys::TEXTOID),
        ("condition_kind", pg_sys::TEXTOID),
        ("priority", pg_sys::INT4OID),
    ],
    keys: 3,
};

pub(crate) static VARIABLE_ROW: Source = Source {
    table: "parlant_variable",
    index: c"parlant_variable_key",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("agent_id", pg_sys::UUIDOID),
        ("session_id", pg_sys::UUIDOID),
        ("customer_id", pg_sys::TEXTOID),
        ("key", pg_sys::TEXTOID),
        ("value", pg_sys::JSONBOID),
        ("is_private", pg_sys::BOOLOID),
    ],
    keys: 5,
};
