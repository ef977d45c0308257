//! JSON arguments and results, in their binary form or as text. Both keep every digit, and leave reading, with its
//! bounds, to the core.

use parlant_core::jsonb::{self, Document, Tree, write};
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::fcinfo::{direct_function_call, direct_function_call_as_datum};
use pgrx::prelude::*;
use serde_json::Value;
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

/// A `jsonb` argument as PostgreSQL stores it, which is far quicker to read than its text.
pub(crate) struct Jsonb(Option<NonNull<pg_sys::varlena>>);

impl Document for Jsonb {
    fn source(&self) -> &[u8] {
        // SAFETY: the pointer is to a value that is not compressed or stored elsewhere, and that outlives the call.
        self.0.map_or(&[], |value| unsafe { pgrx::varlena::varlena_to_byte_slice(value.as_ptr()) })
    }

    fn value(&self) -> Result<Value, String> {
        self.root().value()
    }

    fn stored(&self) -> Option<jsonb::Jsonb<'_>> {
        Some(jsonb::Jsonb(self.source()))
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

impl Jsonb {
    /// To look into it.
    pub(crate) fn root(&self) -> jsonb::Node<'_> {
        jsonb::Jsonb(self.source()).root()
    }
}

/// A `jsonb` argument as PostgreSQL holds it, to be handed on.
#[derive(Clone, Copy)]
pub(crate) struct JsonbDatum(pg_sys::Datum);

impl FromDatum for JsonbDatum {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(JsonbDatum(datum))
    }
}

impl IntoDatum for JsonbDatum {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0)
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the argument is its datum, which lives as long as the call.
unsafe impl<'fcx> ArgAbi<'fcx> for JsonbDatum {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller promises an argument of this type; a null is excluded, as functions take
        // `Option<JsonbDatum>` or are strict.
        match unsafe { arg.unbox_arg_using_from_datum() } {
            Some(datum) => datum,
            None => JsonbDatum(pg_sys::Datum::null()),
        }
    }
}

pgrx::impl_sql_translatable!(JsonbDatum, "jsonb");

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

/// A `jsonb` result from a document.
pub(crate) struct JsonbMade(Result<Vec<u8>, JsonbOut>);

impl JsonbMade {
    /// Of its binary form.
    pub(crate) fn written(bytes: Vec<u8>) -> Self {
        JsonbMade(Ok(bytes))
    }

    pub(crate) fn of<'v>(document: impl Into<Tree<'v>>) -> Self {
        let document = document.into();
        JsonbMade(write(&document).ok_or_else(|| JsonbOut(document.to_value().to_string())))
    }

    /// How many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or_else(|text| text.0.len(), Vec::len)
    }
}

impl IntoDatum for JsonbMade {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        match self.0 {
            // A jsonb is these bytes behind the header that every varlena has.
            Ok(bytes) => bytes.as_slice().into_datum(),
            Err(text) => text.into_datum(),
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the datum is a new jsonb, or there is none and null is returned.
unsafe impl BoxRet for JsonbMade {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum is of the type that the function is declared to return.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

pgrx::impl_sql_translatable!(JsonbMade, "jsonb");

/// A `json` result from its text, in the encoding of the database.
pub(crate) struct JsonText(pub(crate) Vec<u8>);

// SAFETY: a json is its text, behind the header that every varlena has.
unsafe impl BoxRet for JsonText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.0.as_slice().into_datum() {
            // SAFETY: the datum is of the type that the function is declared to return.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

pgrx::impl_sql_translatable!(JsonText, "json");

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    /// A document goes through as the metadata of a state, and comes back the same to the last byte.
    #[pg_test]
    fn the_binary_form_is_that_of_postgresql() {
        let changed = Spi::get_one::<String>(
            r#"SELECT string_agg(given::text, ', ')
            FROM (SELECT jsonb_build_object('k', value) AS given FROM jsonb_array_elements(
                      '[null, true, false, "", "é", {}, [], [[]], {"a": {"bb": [1, {"c": null}]}}, 0, -0, -1, 9999, 10000,
                        0.5, -0.00001, 1.50, 10000.0001, 100000000, 0.0, 12345.678900, 123456789012345678901234567890,
                        1e5, 1.5e-70, 1e400, 0.00000000000000000000000000000000000000000000000000000000000000000012]') AS value
                  UNION ALL SELECT jsonb_build_object('k', jsonb_agg(n)) FROM generate_series(1, 5000) AS n
                  UNION ALL SELECT jsonb_object_agg(repeat('k', n % 50) || n, jsonb_build_array(n, n::text, n / 7.0))
                  FROM generate_series(1, 500) AS n
                  UNION ALL SELECT jsonb_build_object('k', power(10::numeric, n) / 3, 'l', -power(10::numeric, -n) / 7)
                  FROM generate_series(0, 300, 7) AS n) AS documents,
                 LATERAL (SELECT parlant.checked_journey_definition(jsonb_build_object('title', 't', 'states',
                     jsonb_build_array('{"name": "s", "type": "final", "is_initial": true}'
                         || jsonb_build_object('metadata', given)))) -> 'states' -> 0 -> 'metadata' AS back) AS made
            WHERE given::text <> back::text OR jsonb_send(given) <> jsonb_send(back)
               OR pg_column_size(given) <> pg_column_size(back) OR given <> back"#,
        );
        assert_eq!(changed, Ok(None));
    }

    #[pg_test(error = "unsupported Unicode escape sequence")]
    fn a_zero_byte_is_refused_as_postgresql_does() {
        let workflow = r#"{"blocks": {"c": {"type": "condition", "subBlocks": {"conditions":
            {"value": "[{\"id\": \"a\", \"value\": \"maybe \\u0000\"}]"}}}}}"#;
        let _ = Spi::run_with_args("SELECT parlant.workflow_to_journey($1::text::jsonb)", &[workflow.into()]);
    }
}
