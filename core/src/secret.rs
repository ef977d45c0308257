//! Keeping secrets out of records: which values of a JSON document are masked.

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
pub fn masked(document: &str) -> Option<String> {
    if !may_hold_secrets(document) {
        return None;
    }
    // A document that is nested too deep to be read is masked as a whole.
    let Ok(mut value) = serde_json::from_str::<Value>(document) else { return Some(format!("\"{MASK}\"")) };
    mask(&mut value, false).then(|| value.to_string())
}

/// Whether a secret name stands anywhere in the text.
fn may_hold_secrets(document: &str) -> bool {
    let plain = plain(document);
    SECRET_NAMES.iter().any(|name| plain.contains(name))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
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
                let key = plain(key);
                found |= mask(member, is_secret || SECRET_NAMES.iter().any(|name| key.contains(name)));
            }
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let deep = format!("{}\"secret\"{}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(masked(&deep).as_deref(), Some("\"***\""));
    }

    proptest! {
        #[test]
        fn no_string_under_a_secret_key_survives(name in "[a-z]{0,3}_?(PassWord|Api-Key|token)[a-z]{0,3}", value in "needle[a-z]{4}") {
            let document = serde_json::json!({"a": [{name: {"b": [value]}}]}).to_string();
            prop_assert!(!masked(&document).unwrap().contains("needle"));
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = masked(&text);
        }
    }
}
