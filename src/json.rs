//! JSON arguments and results as their text, which keeps every digit and leaves parsing, with its bounds, to the core.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::fcinfo::{direct_function_call, direct_function_call_as_datum};
use pgrx::prelude::*;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;

/// A `jsonb` argument as text.
pub(crate) struct JsonbText(pub(crate) String);

impl FromDatum for JsonbText {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the datum is a jsonb that is not null, as the caller of this trait promises and the SQL declaration
        // below makes PostgreSQL check.
        unsafe { text(datum) }.map(JsonbText)
    }
}

// SAFETY: the argument is unboxed by the `FromDatum` above, which copies what it needs.
unsafe impl<'fcx> ArgAbi<'fcx> for JsonbText {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller promises an argument of this type; a null is excluded, as functions take
        // `Option<JsonbText>` or are strict.
        match unsafe { arg.unbox_arg_using_from_datum() } {
            Some(text) => text,
            None => JsonbText("null".to_owned()),
        }
    }
}

pgrx::impl_sql_translatable!(JsonbText, "jsonb");

/// A `jsonb` argument as PostgreSQL stores it, whose text is made only where it is asked for.
pub(crate) struct Jsonb(Option<NonNull<pg_sys::varlena>>);

impl Jsonb {
    /// The same bytes are the same document.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the pointer is to a value that is not compressed or stored elsewhere, and that outlives the call.
        self.0.map_or(&[], |value| unsafe { pgrx::varlena::varlena_to_byte_slice(value.as_ptr()) })
    }

    pub(crate) fn text(&self) -> String {
        // SAFETY: this is the value of a jsonb.
        self.0.and_then(|value| unsafe { text(value.as_ptr().into()) }).unwrap_or_else(|| "null".to_owned())
    }
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the datum is a varlena that is not null, as the caller of this trait promises and the SQL declaration
        // below makes PostgreSQL check.
        (!is_null).then(|| Jsonb(NonNull::new(unsafe { pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr()) })))
    }
}

// SAFETY: the argument is unboxed by the `FromDatum` above; what it points to outlives the call.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller promises an argument of this type; a null is read as the JSON null.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Jsonb(None))
    }
}

pgrx::impl_sql_translatable!(Jsonb, "jsonb");

/// # Safety
/// The datum is a jsonb that is not null.
unsafe fn text(datum: pg_sys::Datum) -> Option<String> {
    // SAFETY: jsonb_out is a strict function that returns a C string for any such value.
    let text = unsafe { direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) };
    text.map(|text| text.to_string_lossy().into_owned())
}

/// A `jsonb` result from its text.
pub(crate) struct JsonbOut(pub(crate) String);

impl IntoDatum for JsonbOut {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // JSON text holds no NUL, as serde_json escapes it; jsonb_in then refuses the escape with 22P05.
        let text = CString::new(self.0).ok()?;
        // SAFETY: jsonb_in is a strict function of a C string, which lives through the call.
        unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(pg_sys::Datum::from(text.as_ptr()))]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the datum is a new jsonb, or there is none and null is returned.
unsafe impl BoxRet for JsonbOut {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum is of the type that the function is declared to return.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

pgrx::impl_sql_translatable!(JsonbOut, "jsonb");
