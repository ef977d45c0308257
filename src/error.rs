//! The one place that makes the errors clients see: a message that names the thing, the facts, and the way out.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;

/// An error for `Result`-returning functions, which keeps its SQLSTATE, DETAIL and HINT.
#[must_use]
pub(crate) fn error(code: PgSqlErrorCode, message: String, detail: String, hint: &str) -> ErrorReport {
    ErrorReport::new(code, message, "parlant").set_detail(detail).set_hint(hint)
}

/// A defect of ours or of SPI, never a user's mistake.
#[must_use]
pub(crate) fn internal(error: impl std::fmt::Display) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("parlant: {error}"), "parlant")
}
