//! Secrets, which no conversion may copy: whole fields by their name, and tokens inside texts by their form.

/// What stands in a text where a secret stood.
pub(super) const REMOVED: &str = "[secret removed]";

/// Whether a field of this name holds a secret.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let marks = [
        "apikey",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "credential",
        "privatekey",
        "accesskey",
        "signingkey",
        "encryptionkey",
        "authorization",
        "bearer",
        "cookie",
        "connectionstring",
        "oauth",
    ];
    let cursors = ["pagetoken", "nexttoken", "synctoken", "continuationtoken"];
    marks.iter().any(|mark| key.contains(mark))
        || (key.ends_with("token") && !cursors.iter().any(|cursor| key.ends_with(cursor)))
        || matches!(key.as_str(), "auth" | "pwd" | "pat" | "jwt" | "pin" | "xapikey")
}

/// Whether a text is one reference and nothing else, which names a secret but does not hold it.
pub(super) fn is_only_a_reference(text: &str) -> bool {
    let text = text.trim();
    let inner = |open: &str, close: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    inner("{{", "}}").is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
        || inner("<", ">").is_some_and(|name| name.contains('.') && !name.contains(['<', '>', ' ']))
}

/// The text without the secrets in it, or `None` if it holds none.
pub(super) fn redact(text: &str) -> Option<String> {
    let mut kept = String::new();
    let mut copied = 0;
    let mut at = 0;
    let mut is_inside_word = false;
    let assigns = text.bytes().any(|byte| matches!(byte, b':' | b'='));
    while let Some(byte) = text.as_bytes().get(at) {
        let find = match byte {
            b'-' => Some(private_key as Find),
            b':' => Some(password_in_url as Find),
            byte if !is_inside_word && is_word(char::from(*byte)) => {
                Some(if assigns { token_or_assigned } else { token as Find })
            }
            _ => None,
        };
        // What is looked for begins with ASCII, so there is a boundary of characters.
        let found = find.and_then(|find| find(text.get(at..)?));
        if let Some((start, length)) = found {
            kept.push_str(text.get(copied..at + start).unwrap_or_default());
            kept.push_str(REMOVED);
            at += start + length;
            copied = at;
            is_inside_word = false;
            continue;
        }
        is_inside_word = is_word(char::from(*byte));
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    kept.push_str(text.get(copied..).unwrap_or_default());
    Some(kept)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where a secret begins that the text announces at its start, and how long it is.
type Find = fn(&str) -> Option<(usize, usize)>;

fn token_or_assigned(text: &str) -> Option<(usize, usize)> {
    token(text).or_else(|| assigned(text))
}

fn private_key(text: &str) -> Option<(usize, usize)> {
    if !text.starts_with("-----BEGIN ") {
        return None;
    }
    let head = text.get(..80).unwrap_or(text);
    if !head.contains("PRIVATE KEY-----") {
        return None;
    }
    let end = text.find("-----END ").and_then(|end| {
        let tail = text.get(end + 9..)?;
        tail.find("-----").map(|dashes| end + 9 + dashes + 5)
    });
    Some((0, end.unwrap_or(text.len())))
}

/// Prefixes of tokens, with the fewest characters that follow in a real one.
const TOKENS: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_live_", 10),
    ("sk_test_", 10),
    ("rk_live_", 10),
    ("pk_live_", 10),
    ("whsec_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxs-", 10),
    ("xapp-", 10),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("eyJ", 30),
    ("SG.", 20),
    ("hf_", 20),
    ("npm_", 20),
    ("Bearer ", 12),
    ("bearer ", 12),
    ("Basic ", 12),
];

fn token(text: &str) -> Option<(usize, usize)> {
    let first = text.as_bytes().first();
    // Few words begin like one, so the rest is rarely compared.
    TOKENS.iter().filter(|(prefix, _)| prefix.as_bytes().first() == first).find_map(|(prefix, fewest)| {
        let length = token_length(text.strip_prefix(prefix)?);
        let visible = if prefix.ends_with(' ') { prefix.len() } else { 0 };
        (length >= *fewest).then_some((visible, prefix.len() - visible + length))
    })
}

fn token_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.~+/=".contains(c))).unwrap_or(text.len())
}

/// `scheme://user:password@`.
fn password_in_url(text: &str) -> Option<(usize, usize)> {
    let rest = text.strip_prefix("://")?;
    let end = rest.find(|c: char| "/?# \"'<>{}\n".contains(c)).unwrap_or(rest.len());
    let user_info = rest.get(..end)?.rsplit_once('@')?.0;
    let (user, password) = user_info.split_once(':')?;
    (!password.is_empty()).then_some((3 + user.len() + 1, password.len()))
}

/// A name of a secret with its value: `api_key=…` in a URL, `"password": "…"` in JSON, `token = '…'` in code.
fn assigned(text: &str) -> Option<(usize, usize)> {
    let name_end = text.find(|c: char| !(is_word(c) || c == '-'))?;
    let name = text.get(..name_end)?;
    let after = text.get(name_end..)?;
    let sign = after.find(|c: char| !(c == '"' || c == '\'' || c == '\\' || c.is_ascii_whitespace()))?;
    // Few words are followed by a sign, so the name is looked at last.
    if !after.get(sign..)?.starts_with([':', '=']) || name_end > 64 || !is_secret_key(name) {
        return None;
    }
    if let Some(value) = after.strip_prefix('=') {
        let length = token_length(value);
        if length >= 6 {
            return Some((name_end + 1, length));
        }
    }
    let value = after.get(sign..)?.strip_prefix([':', '='])?;
    let quote = value.find(|c: char| !(c.is_ascii_whitespace() || c == '\\'))?;
    let mark = value.get(quote..)?.chars().next().filter(|c| ['"', '\'', '`'].contains(c))?;
    let content = value.get(quote + 1..)?;
    let length = content.find([mark, '\\', '\n'])?;
    let secret = content.get(..length)?;
    let is_reference = is_only_a_reference(secret) || secret.contains("{{") || secret.contains("${");
    (length >= 4 && !is_reference).then_some((name_end + sign + 1 + quote + 1, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_that_hold_secrets_are_known_by_name() {
        for key in
            ["apiKey", "api_key", "X-API-Key", "password", "accessToken", "botToken", "clientSecret", "credential"]
        {
            assert!(is_secret_key(key), "{key}");
        }
        for key in ["maxTokens", "slidingWindowTokens", "nextPageToken", "key", "url", "keyword", "author", "model"] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn secrets_in_texts_are_removed_and_nothing_else() {
        for (text, expected) in [
            ("use sk-abcdefghijklmnopqrst now", "use [secret removed] now"),
            ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [secret removed]"),
            ("postgres://bo:hunter2@db/x", "postgres://bo:[secret removed]@db/x"),
            ("https://x.test/?api_key=abcdef123&y=1", "https://x.test/?api_key=[secret removed]&y=1"),
            (r#"{"password": "hunter2", "n": 1}"#, r#"{"password": "[secret removed]", "n": 1}"#),
            ("const token = 'abcdefgh';", "const token = '[secret removed]';"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----.", "[secret removed]."),
        ] {
            assert_eq!(redact(text).as_deref(), Some(expected));
        }
        for text in [
            "the task-force",
            "const token = getToken(x);",
            r#"{"apiKey": "{{OPENAI_API_KEY}}"}"#,
            "Basic training",
            "https://x.test/a:b@c",
            "password: ask the user",
            "a sk-short",
            "",
        ] {
            assert_eq!(redact(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_is_not_the_secret_it_names() {
        for text in ["{{KEY}}", " {{ KEY }} ", "<start.token>"] {
            assert!(is_only_a_reference(text), "{text}");
        }
        for text in ["x{{KEY}}", "{{A}}{{B}}", "<b>", "hunter2", "{{}}"] {
            assert!(!is_only_a_reference(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn redacting_is_final(text in "\\PC{0,80}|[a-zA-Z:=/'\" _@-]{0,80}") {
            if let Some(kept) = redact(&text) {
                prop_assert!(kept.contains(REMOVED));
            }
        }
    }
}
