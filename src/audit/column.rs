//! Columns of an audited table, and what the log says of their values.

use crate::error::internal;
use crate::json::JsonbMade;
use parlant_core::jsonb::{Jsonb, Tree};
use parlant_core::secret::{MASK, masked};
use pgrx::PgRelation;
use pgrx::fcinfo::direct_function_call;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::varlena::{varlena_to_byte_slice, varsize_any};
use serde_json::Value;
use std::ffi::CStr;

/// A column that tells something about who configured what.
pub(super) struct Column {
    /// Where its value stands in a row.
    pub(super) place: usize,
    name: String,
    kind: Kind,
    data_type: pg_sys::Oid,
    is_by_value: bool,
    length: i16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A secret as a whole: the log tells only that it changed.
    Secret,
    /// JSON that may hold secrets under keys that say so.
    Json,
    /// A JSON Schema: the names in it are those of parameters, and its strings describe these.
    Schema,
    Text,
    Integer,
    BigInteger,
    Boolean,
    Uuid,
    /// Told as PostgreSQL's `to_jsonb` has it.
    Other,
}

/// Whether the log says nothing of it: the entry has it itself, the database keeps it, or it is one of the totals and
/// states of health that come with use.
fn is_unaudited(name: &str) -> bool {
    matches!(
        name,
        "id" | "workspace_id"
            | "created_at"
            | "updated_at"
            | "total_of_deleted_sessions"
            | "use_count_of_deleted_sessions"
            | "total_sessions"
            | "total_messages"
            | "total_tokens_used"
            | "total_cost"
            | "average_session_duration"
            | "last_active_at"
            | "match_count"
            | "last_matched_at"
            | "use_count"
            | "usage_count"
            | "last_used_at"
            | "success_rate"
            | "completion_rate"
            | "search_count"
            | "last_searched_at"
            | "trigger_count"
            | "last_triggered_at"
            | "last_health_check"
            | "health_status"
            | "error_count"
            | "last_error"
    )
}

impl Column {
    /// The columns of a table that the log tells of.
    pub(super) fn all(table: &PgRelation) -> Vec<Column> {
        let descriptor = table.tuple_desc();
        let mut columns = Vec::with_capacity(descriptor.len());
        for (place, column) in descriptor.iter().enumerate() {
            let name = column.name();
            if column.is_dropped() || column.attgenerated != 0 || is_unaudited(name) {
                continue;
            }
            columns.push(Column {
                place,
                name: name.to_owned(),
                kind: kind(name, column.atttypid),
                data_type: column.atttypid,
                is_by_value: column.attbyval,
                length: column.attlen,
            });
        }
        columns
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether two values have the same bytes.
    ///
    /// # Safety
    /// They are values of this column, neither of which is null.
    pub(super) unsafe fn is_same(&self, a: pg_sys::Datum, b: pg_sys::Datum) -> bool {
        if self.is_by_value {
            return a == b;
        }
        // SAFETY: they point to values of the column's type, which is of fixed length or says its own.
        unsafe {
            match usize::try_from(self.length) {
                Ok(length) => bytes(a, length) == bytes(b, length),
                // Values that are stored elsewhere are mostly the same one.
                Err(_) => whole(a) == whole(b) || whole(unpacked(a)) == whole(unpacked(b)),
            }
        }
    }

    /// What the log says of a value, or of a null.
    ///
    /// # Safety
    /// The value is one of this column, and stays as it is while the result is used, as does the memory context.
    pub(super) unsafe fn told<'a>(&self, value: Option<pg_sys::Datum>) -> Result<Tree<'a>, ErrorReport> {
        let Some(datum) = value else { return Ok(Tree::Value(&Value::Null)) };
        // SAFETY: each value is read as the type of its column.
        unsafe {
            Ok(match self.kind {
                Kind::Secret => Tree::Text(MASK),
                Kind::Json => {
                    let document = stored(datum);
                    match masked(document).and_then(|value| JsonbMade::of(&value).into_datum()) {
                        Some(datum) => Tree::Node(stored(datum).root()),
                        None => Tree::Node(document.root()),
                    }
                }
                Kind::Schema => Tree::Node(stored(datum).root()),
                Kind::Text => Tree::Text(read(datum)?),
                Kind::Integer => Tree::Integer(read::<i32>(datum)?.into()),
                Kind::BigInteger => Tree::Integer(read(datum)?),
                Kind::Boolean => Tree::Bool(read(datum)?),
                Kind::Uuid => {
                    let text = direct_function_call::<&CStr>(pg_sys::uuid_out, &[Some(datum)]);
                    Tree::Text(text.and_then(|text| text.to_str().ok()).ok_or_else(no_value)?)
                }
                Kind::Other => Tree::Node(stored(to_jsonb(datum, self.data_type)).root()),
            })
        }
    }
}

fn kind(name: &str, data_type: pg_sys::Oid) -> Kind {
    // SAFETY: the type is that of a column.
    let base = unsafe { pg_sys::getBaseType(data_type) };
    match (name, base) {
        // Credentials, or what is sent with a call.
        ("auth_config" | "configuration", _) => Kind::Secret,
        ("parameters" | "return_schema", pg_sys::JSONBOID) => Kind::Schema,
        (_, pg_sys::JSONBOID) => Kind::Json,
        (_, pg_sys::TEXTOID) => Kind::Text,
        (_, pg_sys::INT4OID) => Kind::Integer,
        (_, pg_sys::INT8OID) => Kind::BigInteger,
        (_, pg_sys::BOOLOID) => Kind::Boolean,
        (_, pg_sys::UUIDOID) => Kind::Uuid,
        _ => Kind::Other,
    }
}

/// # Safety
/// `T` is the value's type, and the value is not null.
unsafe fn read<T: FromDatum>(datum: pg_sys::Datum) -> Result<T, ErrorReport> {
    // SAFETY: as the caller promises.
    unsafe { T::from_datum(datum, false) }.ok_or_else(no_value)
}

fn no_value() -> ErrorReport {
    internal("a column without its value")
}

/// # Safety
/// The value is a jsonb, and stays as it is while the result is used, as does the memory context.
unsafe fn stored<'a>(datum: pg_sys::Datum) -> Jsonb<'a> {
    // SAFETY: as the caller promises; the value is neither compressed nor stored elsewhere once it is unpacked.
    Jsonb(unsafe { varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr())) })
}

/// # Safety
/// The value is of this type, and not null.
unsafe fn to_jsonb(datum: pg_sys::Datum, data_type: pg_sys::Oid) -> pg_sys::Datum {
    // SAFETY: the function takes any value and asks the expression that it is called in for its type: here a call with
    // an argument of that type. All of it lives in the current memory context.
    unsafe {
        let function = pg_sys::Oid::from(pg_sys::F_TO_JSONB);
        let argument = pg_sys::makeNullConst(data_type, -1, pg_sys::InvalidOid);
        let mut call = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(function, &raw mut call);
        call.fn_expr = pg_sys::makeFuncExpr(
            function,
            pg_sys::JSONBOID,
            pg_sys::lappend(std::ptr::null_mut(), argument.cast()),
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
            pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
        )
        .cast();
        pg_sys::FunctionCall1Coll(&raw mut call, pg_sys::InvalidOid, datum)
    }
}

/// # Safety
/// The value points to so many bytes, which stay as they are while the result is used.
unsafe fn bytes<'a>(datum: pg_sys::Datum, length: usize) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), length) }
}

/// # Safety
/// The value is of a type of variable length, and stays as it is while the result is used.
unsafe fn whole<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: as the caller promises; such a value says how long it is.
    unsafe { bytes(datum, varsize_any(datum.cast_mut_ptr())) }
}

/// The value with its full header, neither compressed nor stored elsewhere.
///
/// # Safety
/// The value is of a type of variable length.
unsafe fn unpacked(datum: pg_sys::Datum) -> pg_sys::Datum {
    // SAFETY: as the caller promises.
    pg_sys::Datum::from(unsafe { pg_sys::pg_detoast_datum(datum.cast_mut_ptr()) })
}
