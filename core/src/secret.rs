//! Keeping secrets out of records: which values of a JSON document are masked.

use crate::jsonb::{Document, Jsonb};
use serde_json::Value;

/// What stands for a secret.
pub const MASK: &str = "***";

/// A key with one of these in its name, in lower case and without `-` and `_`, has a secret under it.
const SECRET_NAMES: [&str; 9] =
    ["secret", "password", "passwd", "passphrase", "token", "apikey", "authorization", "credential", "privatekey"];

/// The document with every string under a secret key masked, however deep; none if it has none.
///
/// Numbers, truth values and nulls are left as they are: `max_tokens` is no secret.
#[must_use]
pub fn masked(document: Jsonb<'_>) -> Option<Value> {
    if !holds_secret_name(document.source()) {
        return None;
    }
    // A document that is nested too deep to be read is masked as a whole.
    let Ok(mut value) = document.value() else { return Some(MASK.into()) };
    mask(&mut value, false).then_some(value)
}

/// Whether a secret name stands anywhere in a key, or in the binary form of a document, where keys stand as they are.
fn holds_secret_name(bytes: &[u8]) -> bool {
    let is_part = |byte: &&u8| !matches!(byte, b'-' | b'_');
    let plain: String = bytes.iter().filter(is_part).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    SECRET_NAMES.iter().any(|name| plain.contains(name))
}

/// Masks the strings under secret keys, or all of them; tells whether it masked any. The depth is bounded by the
/// parser's own limit.
fn mask(value: &mut Value, is_secret: bool) -> bool {
    let mut found = false;
    match value {
        Value::String(text) if is_secret => {
            MASK.clone_into(text);
            found = true;
        }
        Value::Array(elements) => {
            for element in elements {
                found |= mask(element, is_secret);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                found |= mask(member, is_secret || holds_secret_name(key.as_bytes()));
            }
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonb::{Tree, write};
    use proptest::prelude::*;

    /// As text, like the document.
    fn masked(document: &str) -> Option<String> {
        let value: Value = serde_json::from_str(document).unwrap();
        super::masked(Jsonb(&write(&Tree::Value(&value)).unwrap())).map(|value| value.to_string())
    }

    #[test]
    fn strings_under_secret_keys_are_masked_at_any_depth() {
        for (document, expected) in [
            (r#"{"apiKey":"sk-1","url":"x"}"#, r#"{"apiKey":"***","url":"x"}"#),
            (r#"{"API-KEY":{"id":1,"value":"sk"}}"#, r#"{"API-KEY":{"id":1,"value":"***"}}"#),
            (r#"[{"headers":{"Authorization":["Bearer x"]}}]"#, r#"[{"headers":{"Authorization":["***"]}}]"#),
            (r#"{"client_secret":"s","n":1.10}"#, r#"{"client_secret":"***","n":1.10}"#),
        ] {
            assert_eq!(masked(document).as_deref(), Some(expected), "{document}");
        }
    }

    #[test]
    fn a_document_without_secrets_is_left_alone() {
        for document in [r#"{"max_tokens":5}"#, r#"{"note":"a token of love"}"#, "{}", "\"password\"", "[true,null]"] {
            assert_eq!(masked(document), None, "{document}");
        }
    }

    #[test]
    fn what_is_too_deep_to_read_is_masked_as_a_whole() {
        let deepest = format!("{}\"secret\"{}", "[".repeat(127), "]".repeat(127));
        let mut value: Value = serde_json::from_str(&deepest).unwrap();
        for _ in 0..10 {
            value = Value::Array(vec![value]);
        }
        assert_eq!(super::masked(Jsonb(&write(&Tree::Value(&value)).unwrap())), Some(MASK.into()));
    }

    proptest! {
        #[test]
        fn no_string_under_a_secret_key_survives(name in "[a-z]{0,3}_?(PassWord|Api-Key|token)[a-z]{0,3}", value in "needle[a-z]{4}") {
            let document = serde_json::json!({"a": [{name: {"b": [value]}}]}).to_string();
            prop_assert!(!masked(&document).unwrap().contains("needle"));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = super::masked(Jsonb(&[b"secret", &*bytes].concat()));
        }
    }
}
