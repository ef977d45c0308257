//! Masking of personal data in text: e-mail addresses, phone numbers and numbers of payment cards.
//!
//! It is meant for agents that must be strict, so in doubt it masks: a phone number has no check digit, and a long
//! number that is none is masked as well. Ids and dates, which would read as numbers, are left alone.

mod number;

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What is looked at as a whole, in the order in which it is tried at each place.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?<email> [\p{L}\p{N}._%+'-]+ @ (?: [\p{L}\p{N}-]+ \. )+ \p{L}{2,} )
        | (?<id> \b [0-9a-fA-F]{8} (?: - [0-9a-fA-F]{4} ){3} - [0-9a-fA-F]{12} \b )
        | (?<date> \b [0-9]{4} - [0-9]{2} - [0-9]{2}
                   (?: [T\x20] [0-9]{2} : [0-9]{2} (?: : [0-9]{2} (?: \. [0-9]{1,9} )? )? )? \b )
        | (?<number> [0-9] (?: [\p{Zs}().\x2F\p{Pd}]{0,3} [0-9] )* )",
    )
    .ok()
});

/// The text with `[email]`, `[phone]` and `[card]` in place of what they name.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    // A pattern of ours is valid; if it were not, nothing may go out.
    let Some(token) = TOKEN.as_ref() else { return Cow::Owned("[masked]".to_owned()) };
    let mut masked = String::new();
    let mut copied = 0;
    for found in token.captures_iter(text) {
        let mut replace = |start: usize, end: usize, by: &str| {
            masked.push_str(text.get(copied..start).unwrap_or_default());
            masked.push_str(by);
            copied = end;
        };
        if let Some(email) = found.name("email") {
            replace(email.start(), email.end(), "[email]");
        } else if let Some(number) = found.name("number") {
            let start = with_sign(text, number.start());
            let run = text.get(start..number.end()).unwrap_or_default();
            for part in number::personal_parts(run, touches_a_word(text, start, number.end())) {
                replace(start + part.start, start + part.end, part.mask);
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(masked)
}

/// A JSON text with its strings masked; keys stay, and a number that is a card's becomes a string.
#[must_use]
pub fn mask_json(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, token) = rest.split_at(start);
        masked.push_str(before);
        let end = if token.starts_with('"') { end_of_string(token) } else { end_of_number(token) };
        let (token, after) = token.split_at(end);
        masked.push_str(&mask_token(token, after));
        rest = after;
    }
    masked.push_str(rest);
    masked
}

fn mask_token<'a>(token: &'a str, after: &str) -> Cow<'a, str> {
    let is_key = token.starts_with('"') && after.trim_start().starts_with(':');
    if is_key {
        return Cow::Borrowed(token);
    }
    if !token.starts_with('"') {
        let is_card = number::personal_parts(token, false).iter().any(|part| part.mask == "[card]");
        return if is_card { Cow::Borrowed("\"[card]\"") } else { Cow::Borrowed(token) };
    }
    let Ok(string) = serde_json::from_str::<String>(token) else { return Cow::Borrowed("\"[masked]\"") };
    match mask(&string) {
        Cow::Borrowed(_) => Cow::Borrowed(token),
        Cow::Owned(masked) => Cow::Owned(serde_json::Value::String(masked).to_string()),
    }
}

fn end_of_string(token: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in token.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    token.len()
}

fn end_of_number(token: &str) -> usize {
    token.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(token.len())
}

/// Where the plus or the parenthesis before a number begins, or else the number.
fn with_sign(text: &str, start: usize) -> usize {
    let before = text.get(..start).unwrap_or_default();
    let sign = before.bytes().rev().take(2).take_while(|byte| matches!(byte, b'+' | b'(')).count();
    start - sign
}

fn touches_a_word(text: &str, start: usize, end: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.get(..start).and_then(|before| before.chars().next_back()).is_some_and(is_word)
        || text.get(end..).and_then(|after| after.chars().next()).is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn personal_data_is_masked() {
        for (text, expected) in [
            ("Write to ada.lovelace+x@mail.example.co.uk!", "Write to [email]!"),
            ("zoë@münchen.example", "[email]"),
            ("<ada@example.com>,bob@example.org", "<[email]>,[email]"),
            ("Call +49 (0)30 123456-78 now", "Call [phone] now"),
            ("Call 555-123-4567, or (555) 123 4567.", "Call [phone], or [phone]."),
            ("030/1234567", "[phone]"),
            ("0041.44.668.18.00", "[phone]"),
            ("5551234567", "[phone]"),
            ("4111 1111 1111 1111", "[card]"),
            ("card 4111-1111-1111-1111, 12/27", "card [card], 12/27"),
            ("4111111111111111 123", "[card] 123"),
            ("no. 378282246310005", "no. [card]"),
            ("x4111111111111111x", "x[card]x"),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_personal_data_stays() {
        for text in [
            "",
            "Your table for 4 at 20:00 on 2024-10-01 is booked.",
            "Order 123456 costs 1,234.50 EUR",
            "2024-10-01T08:00:00.000001 and 2024-10-01 08:00",
            "018f0c7a-1234-7123-9123-123456789012",
            "version 10.0.19045.3324, 192.168.100.200",
            "@ada and a@b",
            "AB123456789, part-12345678901",
            "12345678901234567890123",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn json_is_masked_inside_its_strings_only() {
        let text = r#"{"ada@example.com": ["ada@example.com", {"n": 4111111111111111, "id": 12345678901234567890.12e5}], "t": "\"\\ call\n\u00e9 +49 30 1234567"}"#;
        let masked = r#"{"ada@example.com": ["[email]", {"n": "[card]", "id": 12345678901234567890.12e5}], "t": "\"\\ call\né [phone]"}"#;
        assert_eq!(mask_json(text), masked);
    }

    #[test]
    fn depth_and_length_do_not_matter() {
        let deep = format!("{}\"ada@example.com\"{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(mask_json(&deep).contains("\"[email]\""));
        let digits = "1 ".repeat(200_000);
        assert_eq!(mask(&digits).len(), digits.len());
    }

    /// The digit that makes a number pass Luhn's check.
    fn with_check_digit(digits: &str) -> String {
        (0..10).map(|check| format!("{digits}{check}")).find(|number| number::passes_luhn(number.bytes())).unwrap()
    }

    proptest! {
        #[test]
        fn every_card_number_is_masked(
            digits in "[3-6][0-9]{11,17}", separator in prop::sample::select(vec!["", " ", "-", "\u{a0}"]),
            before in "[a-z ,.:]{0,5}", after in "[a-z ,.:]{0,5}",
        ) {
            let number = with_check_digit(&digits);
            let groups: Vec<String> = number.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into()).collect();
            let text = format!("{before} {} {after}", groups.join(separator));
            prop_assert_eq!(mask(&text), format!("{before} [card] {after}"));
        }

        #[test]
        fn every_address_is_masked(name in "[a-z0-9][a-z0-9._+]{0,10}", host in "[a-z]{1,8}", domain in "[a-z]{2,6}", around in "[ ,;:<>()]") {
            let text = format!("to{around}{name}@{host}.{domain}{around}thanks");
            prop_assert_eq!(mask(&text), format!("to{around}[email]{around}thanks"));
        }

        #[test]
        fn every_international_number_is_masked(country in "[1-9][0-9]{0,2}", groups in prop::collection::vec("[0-9]{2,4}", 2..4)) {
            let text = format!("call +{country} {} please", groups.join(" "));
            prop_assume!(text.bytes().filter(u8::is_ascii_digit).count() >= 7);
            let masked = mask(&text);
            prop_assert!(masked == "call [phone] please" || masked == "call +[card] please", "{}", masked);
        }

        #[test]
        fn to_mask_again_changes_nothing(text in ".{0,80}") {
            let once = mask(&text).into_owned();
            prop_assert_eq!(mask(&once), once.as_str());
        }

        #[test]
        fn masked_json_is_json_of_the_same_shape(strings in prop::collection::vec("\\PC{0,30}", 0..6)) {
            let json = serde_json::json!({"a": strings, "b": {"c": strings.first(), "n": [1, -2.5e3, null, true]}});
            let masked: serde_json::Value = serde_json::from_str(&mask_json(&json.to_string())).unwrap();
            let expected: Vec<_> = strings.iter().map(|string| mask(string).into_owned()).collect();
            prop_assert_eq!(&masked["a"], &serde_json::json!(expected));
            prop_assert_eq!(&masked["b"]["n"], &json["b"]["n"]);
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = mask_json(&text);
        }
    }
}
