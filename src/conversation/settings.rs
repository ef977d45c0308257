//! Settings of conversations.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Largest content, and largest metadata, of an event.
pub(super) static MAX_EVENT_BYTES: GucSetting<i32> = GucSetting::<i32>::new(1024 * 1024);

/// Whether appended events are announced on channel `parlant_events`.
pub(super) static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(false);

pub(crate) fn define_settings() {
    GucRegistry::define_int_guc(
        c"parlant.max_event_bytes",
        c"Largest content, and largest metadata, of an event.",
        c"Size of the JSON value as PostgreSQL holds it, before compression.",
        &MAX_EVENT_BYTES,
        1024,
        64 * 1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_BYTE,
    );
    GucRegistry::define_bool_guc(
        c"parlant.notify",
        c"Announces appended events on channel parlant_events.",
        c"One notification a statement and session, at commit, without content. Commits that notify go one at a time.",
        &NOTIFY,
        GucContext::Suset,
        GucFlags::default(),
    );
}
