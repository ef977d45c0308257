//! Entries that are refused: the client learns that, and nothing else; the server log tells why.

use crate::error::error;
use pgrx::PgSqlErrorCode::{ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_SUCCESSFUL_COMPLETION};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value};
use std::ffi::CStr;

/// Writes the line that `docs/isolation.md` describes to the server log, which no rollback erases, and makes the
/// error: the same whether the workspace is missing or archived, or the user has no permission in it.
pub(super) fn refused_entry(reason: &str, facts: &[(&str, &str)]) -> ErrorReport {
    let mut line = Map::new();
    let mut add = |name: &str, value: &str| line.insert(name.to_owned(), Value::String(value.to_owned()));
    add("reason", reason);
    add("role", &session_user());
    for (name, value) in facts {
        add(name, value);
    }
    // JSON escapes line breaks and quotes, so that nothing a client sends can forge another line.
    ereport!(
        PgLogLevel::LOG_SERVER_ONLY,
        ERRCODE_SUCCESSFUL_COMPLETION,
        format!("parlant refused entry: {}", Value::Object(line))
    );
    error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        "entry into the workspace is refused".to_owned(),
        "There is no such workspace, or it is archived, or it does not admit whoever asks.".to_owned(),
        "Ask an admin of the workspace for permission. The server log tells the reason to the administrator of the database.",
    )
}

fn session_user() -> String {
    // SAFETY: the session's role has an oid; `true` asks for a null pointer where the role is gone.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), true);
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}
