//! `parlant.append_event` as PostgreSQL calls it: directly where that is all there is to do, else by PL/pgSQL.

use super::append::append_one;
use crate::error::internal;
use crate::json::JsonbDatum;
use pgrx::fcinfo::{pg_arg_is_null, pg_getarg};
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::pg_sys::{BOOLOID, Datum, FunctionCallInfo, INT4OID, JSONBOID, Oid, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::prelude::*;
use pgrx::{IntoDatum, PgList};
use std::cell::Cell;
use std::ffi::CStr;
use std::ptr::null_mut;

const ARGUMENTS: [Oid; 8] = [UUIDOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, INT4OID, INT4OID];
const COLUMNS: [(&CStr, Oid); 4] =
    [(c"event_id", UUIDOID), (c"offset", INT4OID), (c"created_at", TIMESTAMPTZOID), (c"duplicate", BOOLOID)];

thread_local! {
    /// What rows of these columns look like, once one was made.
    static ROW: Cell<pg_sys::TupleDesc> = const { Cell::new(null_mut()) };
}

/// Says to PostgreSQL how it calls the function.
#[unsafe(no_mangle)]
extern "C" fn pg_finfo_append_event() -> *const pg_sys::Pg_finfo_record {
    static RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &raw const RECORD
}

/// What the query raises must reach the client with the constraint that it names, which an error loses on its way
/// through Rust. So it is called from here as from C.
///
/// # Safety
/// PostgreSQL calls it as the function `parlant.append_event`, declared as in `sql/functions/conversation.sql`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn append_event(call: FunctionCallInfo) -> Datum {
    // SAFETY: both functions are called as promised, and turn each panic into an error of PostgreSQL. Such an error
    // may jump over this frame, as may one of the query: nothing in it has a destructor.
    unsafe {
        let row = append_directly(call);
        if row != Datum::null() {
            return row;
        }
        let by_query = call_by_query(call);
        let Some(run) = (*(*by_query).flinfo).fn_addr else { return row };
        let row = run(by_query);
        (*call).isnull = (*by_query).isnull;
        row
    }
}

/// The row of an event that is appended; null, and nothing done, where that takes a query.
///
/// # Safety
/// As of `append_event`.
#[pg_guard]
unsafe extern "C-unwind" fn append_directly(call: FunctionCallInfo) -> Datum {
    // SAFETY: the call has the eight arguments of the declaration, and each is read as of its type, or is null.
    let appended = unsafe {
        // Whether a key was used before is for a query to find out; a call of a tool and its result look at each other.
        if !pg_arg_is_null(call, 4) || !pg_arg_is_null(call, 5) {
            return Datum::null();
        }
        let (content, metadata): (Option<JsonbDatum>, Option<JsonbDatum>) = (pg_getarg(call, 2), pg_getarg(call, 3));
        let event_type: Option<&str> = pg_getarg(call, 1);
        append_one(pg_getarg(call, 0), event_type, content, metadata, None, pg_getarg(call, 6), pg_getarg(call, 7))
    };
    match appended.unwrap_or_report() {
        // SAFETY: the values are of the types of the description, in its order, four as it has columns, and none of them
        // is null; the new row lives in the caller's memory context, as a result does.
        Some((id, offset)) => unsafe {
            let created_at = pg_sys::GetCurrentTransactionStartTimestamp();
            let mut values = [id.into_datum(), offset.into_datum(), Some(created_at.into()), false.into_datum()]
                .map(|value| value.unwrap_or(Datum::null()));
            let row = pg_sys::heap_form_tuple(row_descriptor(), values.as_mut_ptr(), [false; 4].as_mut_ptr());
            pg_sys::HeapTupleHeaderGetDatum((*row).t_data)
        },
        None => Datum::null(),
    }
}

fn row_descriptor() -> pg_sys::TupleDesc {
    if ROW.get().is_null() {
        // SAFETY: it is made where it outlives all calls, of columns that have names and types of PostgreSQL.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let descriptor = pg_sys::CreateTemplateTupleDesc(4);
            for ((name, type_id), number) in COLUMNS.iter().zip(1..) {
                pg_sys::TupleDescInitEntry(descriptor, number, name.as_ptr(), *type_id, -1, 0);
            }
            ROW.set(pg_sys::BlessTupleDesc(descriptor));
            pg_sys::MemoryContextSwitchTo(before);
        }
    }
    ROW.get()
}

/// The same call, of the function that appends by a query.
///
/// # Safety
/// As of `append_event`.
#[pg_guard]
unsafe extern "C-unwind" fn call_by_query(call: FunctionCallInfo) -> FunctionCallInfo {
    // SAFETY: a call has room for as many arguments as the function has, which are copied with what stands before
    // them; `fn_extra` is the function's own and is null until it is set here, and what it points to lives in
    // `fn_mcxt`, as long as the call's `flinfo`.
    unsafe {
        let own = (*call).flinfo;
        if (*own).fn_extra.is_null() {
            let function: *mut pg_sys::FmgrInfo =
                pg_sys::MemoryContextAllocZero((*own).fn_mcxt, size_of::<pg_sys::FmgrInfo>()).cast();
            pg_sys::fmgr_info_cxt(by_query().unwrap_or_report(), function, (*own).fn_mcxt);
            (*function).fn_expr = (*own).fn_expr;
            (*own).fn_extra = function.cast();
        }
        let size = std::mem::offset_of!(pg_sys::FunctionCallInfoBaseData, args)
            + ARGUMENTS.len() * size_of::<pg_sys::NullableDatum>();
        let copy: FunctionCallInfo = pg_sys::palloc(size).cast();
        copy.cast::<u8>().copy_from_nonoverlapping(call.cast(), size);
        (*copy).flinfo = (*own).fn_extra.cast();
        copy
    }
}

fn by_query() -> Result<Oid, ErrorReport> {
    let mut name = PgList::<pg_sys::Node>::new();
    // SAFETY: the names end with NUL, and the list of them lives as long as the call.
    let function = unsafe {
        for part in [c"parlant", c"append_by_query"] {
            name.push(pg_sys::makeString(part.as_ptr().cast_mut()).cast());
        }
        pg_sys::LookupFuncName(name.as_ptr(), ARGUMENTS.len() as i32, ARGUMENTS.as_ptr(), true)
    };
    if function == Oid::INVALID { Err(internal("parlant.append_by_query is not there")) } else { Ok(function) }
}
