//! Masking of personal data.

use crate::json::JsonbText;
use pgrx::prelude::*;

/// The text without e-mail addresses, phone numbers and card numbers.
#[pg_extern(immutable, strict, parallel_safe)]
fn mask_personal_data(text: &str) -> String {
    parlant_core::pii::mask(text).into_owned()
}

/// A JSON document, as text, masked in the same way.
#[pg_extern(immutable, strict, parallel_safe)]
fn mask_personal_json(document: JsonbText) -> String {
    parlant_core::pii::mask_json(&document.0)
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn personal_data_is_masked_in_text_and_json() {
        let masked = Spi::get_one::<String>("SELECT parlant.mask_personal_data('Write to ada@example.com')");
        assert_eq!(masked.unwrap().unwrap(), "Write to [email]");
        let masked =
            Spi::get_one::<String>(r#"SELECT parlant.mask_personal_json('{"n": 1.10, "to": "ada@example.com"}')"#);
        assert_eq!(masked.unwrap().unwrap(), r#"{"n": 1.10, "to": "[email]"}"#);
    }
}
