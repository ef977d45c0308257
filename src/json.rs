//! JSON arguments as their text, which keeps every digit and leaves parsing, with its bounds, to the core.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::fcinfo::direct_function_call;
use pgrx::prelude::*;
use std::ffi::CStr;

/// A `jsonb` argument as text.
pub(crate) struct JsonbText(pub(crate) String);

impl FromDatum for JsonbText {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the datum is a jsonb that is not null, as the caller of this trait promises and the SQL declaration
        // below makes PostgreSQL check; jsonb_out is a strict function that returns a C string for any such value.
        let text = unsafe { direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) };
        text.map(|text| JsonbText(text.to_string_lossy().into_owned()))
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
