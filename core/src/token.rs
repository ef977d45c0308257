//! Signed tokens (JWT, RFC 7519) that say in which workspace somebody acts, and who.
//!
//! What signs is `jsonwebtoken`; what it says is checked here: that crate reads numbers in a way that the
//! `arbitrary_precision` of `serde_json` breaks. The key decides the algorithm, never the token.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Number, Value};
use std::collections::HashSet;

/// The longest token, in bytes.
pub const LONGEST_TOKEN: usize = 8192;
/// How far the clocks of the issuer and the database may differ, in seconds.
pub const LEEWAY: f64 = 5.0;
/// The most keys that are accepted at a time.
pub const MOST_KEYS: usize = 32;

/// The keys with which tokens may be signed.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Whom a token lets act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    User(String),
    Customer(String),
}

/// What a token says, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub workspace_id: String,
    pub bearer: Bearer,
}

impl Keys {
    /// Reads a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// What is wrong with it, and with which key; nothing of the key itself.
    pub fn parse(text: &str) -> Result<Keys, String> {
        if text.trim().is_empty() {
            return Ok(Keys::default());
        }
        let set: Value = serde_json::from_str(text).map_err(|error| format!("It is no JSON: {error}."))?;
        let Some(keys) = set.get("keys").and_then(Value::as_array) else {
            return Err("It is no JSON Web Key Set: an object with an array \"keys\".".to_owned());
        };
        if keys.len() > MOST_KEYS {
            return Err(format!("It has {} keys, more than {MOST_KEYS}.", keys.len()));
        }
        let mut ids = HashSet::new();
        let keys = keys.iter().enumerate().map(|(at, key)| {
            let key = Key::parse(key).map_err(|fault| format!("Key {at}: {fault}."))?;
            if ids.insert(key.id.clone()) { Ok(key) } else { Err(format!("Key {at}: its kid is that of another.")) }
        });
        Ok(Keys(keys.collect::<Result<_, _>>()?))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether whoever reads a key could sign with it.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.0.iter().any(|key| key.algorithm == Algorithm::HS256)
    }
}

impl Key {
    fn parse(key: &Value) -> Result<Key, String> {
        let part = |name: &str| key.get(name).and_then(Value::as_str).ok_or_else(|| format!("it has no {name}"));
        let id = part("kid")?.to_owned();
        if key.get("d").is_some() {
            return Err("it holds a private key, with which whoever reads it could sign".to_owned());
        }
        let bytes = |name: &str| decoded_length(part(name)?).ok_or_else(|| format!("its {name} is no base64url"));
        let (algorithm, key) = match (part("alg")?, part("kty")?) {
            ("HS256", "oct") => {
                if bytes("k")? < 32 {
                    return Err("its k has less than 32 bytes".to_owned());
                }
                let secret = jsonwebtoken::jwk::OctetKeyParameters {
                    key_type: jsonwebtoken::jwk::OctetKeyType::Octet,
                    value: part("k")?.to_owned(),
                };
                let jwk = jsonwebtoken::jwk::Jwk {
                    common: jsonwebtoken::jwk::CommonParameters::default(),
                    algorithm: jsonwebtoken::jwk::AlgorithmParameters::OctetKey(secret),
                };
                (Algorithm::HS256, DecodingKey::from_jwk(&jwk))
            }
            ("RS256", "RSA") => {
                if !(256..=512).contains(&bytes("n")?) {
                    return Err("its n has not 2048 to 4096 bits".to_owned());
                }
                (Algorithm::RS256, DecodingKey::from_rsa_components(part("n")?, part("e")?))
            }
            ("ES256", "EC") if part("crv")? == "P-256" => {
                if (bytes("x")?, bytes("y")?) != (32, 32) {
                    return Err("its x and y have not 32 bytes".to_owned());
                }
                (Algorithm::ES256, DecodingKey::from_ec_components(part("x")?, part("y")?))
            }
            ("EdDSA", "OKP") if part("crv")? == "Ed25519" => {
                if bytes("x")? != 32 {
                    return Err("its x has not 32 bytes".to_owned());
                }
                (Algorithm::EdDSA, DecodingKey::from_ed_components(part("x")?))
            }
            _ => {
                return Err("its alg and kty are none of HS256 and oct, RS256 and RSA, ES256 and EC with crv P-256, \
                            EdDSA and OKP with crv Ed25519"
                    .to_owned());
            }
        };
        Ok(Key { id, algorithm, key: key.map_err(|error| error.to_string())? })
    }
}

/// The length of what base64url without padding stands for.
fn decoded_length(text: &str) -> Option<usize> {
    let is_base64url = text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    (is_base64url && text.len() % 4 != 1).then_some(text.len() / 4 * 3 + [0, 0, 1, 2][text.len() % 4])
}

/// Believes a token, or tells the reason not to, which is for the server's log and not for whoever sent it.
///
/// # Errors
/// In a few words.
pub fn verify(token: &str, keys: &Keys, audience: &str, now: f64) -> Result<Grant, &'static str> {
    if token.len() > LONGEST_TOKEN {
        return Err("oversized token");
    }
    let header = decode_header(token).map_err(|_| "malformed token")?;
    if header.crit.is_some() {
        return Err("token with critical extensions");
    }
    let key = match (&header.kid, keys.0.as_slice()) {
        (Some(kid), keys) => keys.iter().find(|key| key.id == *kid).ok_or("token of an unknown key")?,
        (None, [only]) => only,
        (None, _) => return Err("token without kid"),
    };
    if header.alg != key.algorithm {
        return Err("token with another algorithm than its key's");
    }
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => "token with a wrong signature",
        _ => "malformed token",
    })?;
    claims.claims.granted(audience, now)
}

/// The claims, each at most once: two of a name would be one thing to us and another to somebody else.
struct Claims(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Claims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Claims;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Claims {
    fn granted(&self, audience: &str, now: f64) -> Result<Grant, &'static str> {
        let expires = self.time("exp")?.ok_or("token without exp")?;
        if expires + LEEWAY <= now {
            return Err("expired token");
        }
        if self.time("nbf")?.is_some_and(|begins| begins - LEEWAY > now) {
            return Err("token that is not valid yet");
        }
        let is_for_us = match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one == audience),
            _ => false,
        };
        if !is_for_us {
            return Err("token for another audience");
        }
        let workspace_id = self.id("workspace_id")?.ok_or("token without workspace_id")?;
        let bearer = match (self.id("user_id")?, self.id("customer_id")?) {
            (Some(user), None) => Bearer::User(user),
            (None, Some(customer)) => Bearer::Customer(customer),
            _ => return Err("token without exactly one of user_id and customer_id"),
        };
        Ok(Grant { workspace_id, bearer })
    }

    fn time(&self, name: &str) -> Result<Option<f64>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(time)) => {
                let time = Number::as_f64(time).filter(|time| time.is_finite() && *time >= 0.0);
                time.map(Some).ok_or("token with a time that is none")
            }
            Some(_) => Err("token with a time that is none"),
        }
    }

    fn id(&self, name: &str) -> Result<Option<String>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(id)) if (1..=255).contains(&id.chars().count()) && !id.contains('\0') => {
                Ok(Some(id.clone()))
            }
            Some(_) => Err("token with an id that is none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: f64 = 1_800_000_000.0;
    const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
    const ED: &str = "MC4CAQAwBQYDK2VwBCIEIJMEXWbJkrqR8V4OiLUYV84g2yOdPw8wJqcuHB4AlR2u";
    const EC: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgttwRE+KwejwXCyNWkKaBfNK+9fHTusqRQvlYWXcY/0uhRANCAARF\
        kZWzWgAt7Nw08HB3Q/uDhY+ykMTcWeFUCdOfGSPe+3lqoRG9DzbaZ3CPUeqED9iqXhHxF8dax7sqmHw4F/va";
    const RSA: &str = "MIIEpAIBAAKCAQEArA7znSAFWKbTbaasV8Uzx6pY7hrGscuSWG+1DlKFf7hTpst5St0qWv3LM0CCbFMIQER5OoaQB7KaExgIWaNW\
        TCmsYfLAYEJ5bHpkYEHxrNiEKOf6luHCT2ppMEF6GYSobwgay5epmO5GmiCWPau/88ARFrdj/c5qIcuI8nKSGda3/LmV2abvzn6m\
        r9DTmLaD8FiSaRoW9FRdMVa3KPumI14V5r6sOjkip0DJvuIsqkzkm70JlyCCtQckDQ++K12KCuYzetSDhDVzWmwDZ3ejq22V5tVs\
        Q25zbNb+M4d+11PvLWWY5UhgqIJCfTCbIMFmMErXbkAPSMecusmk7g8gRQIDAQABAoIBAAXlaJrDUfuU5/I+KnIYNhXgXrYgy8X5\
        pxUJwEdyiNRKIZpkfE5roCZzGQdeGA9p6a1OILtiiMVYF6iSLm29R66fek1MT3myUs08BSbj9koJN2oxcj3BFHK6lPU24TNw/4FN\
        N/cvG3w7+hu7ryUDjDXoUzhB5kF4f9w9ndP1HNBEJCKb4Htet33i+dtbgu8MGOwsJGUc6PJu22WzKIA7S1JIQGOe5U9O8bqRv255\
        EQ1yIikVhgbTcYY2O2u3v1FK1gpiWtHJzEC1h+vACekZVV02nhIlwZdFNL9230hHqCY52tBt/tUFVV65yMqL5FRTyYeZng6jYrFC\
        YnctG5A4O8cCgYEA5lsajXCX9TjvMmAhLXuH30D+BV1SQRe6O4onfbODXNpYNRrFsbhRnm39qj5399SCsBjgMWb1H9tEPG5/zHTb\
        tWkMN5Ff87k/9yCb17sGPzJn/5ZEHYYKxc/KbJ7nDpGamuZXQJtUyTlRKdswEDKdAM61+idl4EdQjSyzPCTGmh8CgYEAvzZurBbZ\
        kmL41Ar8HwfOROdQm3SdmH8icYil68TeEoE/yK8GYVI1hMXoe5k1KSF+yhPpWgUHMVe/L1yyD5LPpaTKBXh/ex89h8hcYKmpD62+\
        aB54X7O+Ebu3qCbrWzd+bi133mUZmatcPTRcqOwddYEjwB+b0CGofL/atXalQRsCgYEA1EdcXr9Fqbu/4iJoMKvH+FrCPFtVc5rU\
        Cg40ekg1ZBnqc3WqfS4oOOGPg5VxpLb3gCRMZfpFJghAB5ikuNtvpOubUJHtZIJwieJI+zLkfNSMtiHZv4NI5iWomxSMRQa0/M4L\
        1gPOzGi/fNz6m9KokJftZwtrfJT7jD2HJoOVaW0CgYB8SP8qsDd/ZQFjojg6WzKBqvDD+sqs4oYa0b03QGEwGf7BjLJS88KBqLny\
        DKV3NKRa6RJWRspkEircuB2s7bo2aqQ9ZhNGjgnKhjs1QVH4NPB8cMHBQu2aTS+VBqcYRTvSlY9CaOh4798mkTBhRAfp5qS8Lk9y\
        u03uuC2KobHMXQKBgQDfsmNpq6XFPM6GOZ7sKjn5PqBHM1hzW4oXIwxosDfZf5Q+NtdaH0a682zinNu4ZsHGzV3KWS0D0dXU8MLN\
        J0Yr+Z9RHme1hyj3uydZJX3uA8b474Zj8KDplfCU9kuQMXNnOqQbJHuQ7/XW54bXVeUcs+VIno4rOq0W6keyVBzxsw==";

    fn key_set() -> Value {
        json!({"keys": [
            {"kid": "hs", "alg": "HS256", "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)},
            {"kid": "ed", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": "LzQW7nRP7EHqry4IukC7rvYSQjt_Cm4lxmLNEYot5Dk"},
            {"kid": "ec", "alg": "ES256", "kty": "EC", "crv": "P-256",
             "x": "RZGVs1oALezcNPBwd0P7g4WPspDE3FnhVAnTnxkj3vs", "y": "eWqhEb0PNtpncI9R6oQP2KpeEfEXx1rHuyqYfDgX-9o"},
            {"kid": "rs", "alg": "RS256", "kty": "RSA", "e": "AQAB", "use": "sig", "nbf": 1, "n": "rA7znSAFWKbTbaasV8Uzx6pY7hrGscuSWG-1DlKFf7hTpst5St0qWv3LM0CCbFMIQER5OoaQB7KaExgIWaNWTCmsYfLAYEJ5bHpk\
        YEHxrNiEKOf6luHCT2ppMEF6GYSobwgay5epmO5GmiCWPau_88ARFrdj_c5qIcuI8nKSGda3_LmV2abvzn6mr9DTmLaD8FiSaRoW\
        9FRdMVa3KPumI14V5r6sOjkip0DJvuIsqkzkm70JlyCCtQckDQ--K12KCuYzetSDhDVzWmwDZ3ejq22V5tVsQ25zbNb-M4d-11Pv\
        LWWY5UhgqIJCfTCbIMFmMErXbkAPSMecusmk7g8gRQ"},
        ]})
    }

    fn keys() -> Keys {
        Keys::parse(&key_set().to_string()).unwrap()
    }

    fn claims() -> Value {
        json!({"workspace_id": "acme", "user_id": "ann", "aud": "parlant", "exp": NOW + 60.0, "nbf": NOW - 60.0})
    }

    fn with(changes: Value) -> Value {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn header(kid: Option<&str>, algorithm: Algorithm) -> Header {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        header
    }

    fn der(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    fn signed(kid: &str, claims: &Value) -> String {
        let (algorithm, key) = match kid {
            "hs" => (Algorithm::HS256, EncodingKey::from_secret(SECRET)),
            "ed" => (Algorithm::EdDSA, EncodingKey::from_ed_der(&der(ED))),
            "ec" => (Algorithm::ES256, EncodingKey::from_ec_der(&der(EC))),
            _ => (Algorithm::RS256, EncodingKey::from_rsa_der(&der(RSA))),
        };
        encode(&header(Some(kid), algorithm), claims, &key).unwrap()
    }

    fn judge(token: &str) -> Result<Grant, &'static str> {
        verify(token, &keys(), "parlant", NOW)
    }

    fn granted(bearer: Bearer) -> Result<Grant, &'static str> {
        Ok(Grant { workspace_id: "acme".to_owned(), bearer })
    }

    /// A token of these parts as they are, signed with the secret.
    fn handmade(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = EncodingKey::from_secret(SECRET);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn a_good_token_of_each_algorithm_is_believed() {
        for kid in ["hs", "ed", "ec", "rs"] {
            assert_eq!(judge(&signed(kid, &claims())), granted(Bearer::User("ann".to_owned())), "{kid}");
        }
        let mut customer = without("user_id");
        customer["customer_id"] = json!("ada");
        assert_eq!(judge(&signed("ed", &customer)), granted(Bearer::Customer("ada".to_owned())));
        assert!(judge(&signed("ed", &with(json!({"aud": ["other", "parlant"]})))).is_ok());
        assert!(judge(&signed("ed", &with(json!({"exp": NOW + 0.5})))).is_ok());
        assert!(judge(&signed("ed", &without("nbf"))).is_ok());
    }

    #[test]
    fn claims_that_are_wrong_are_refused() {
        for (claims, reason) in [
            (with(json!({"exp": NOW - 5.0})), "expired token"),
            (with(json!({"exp": 0})), "expired token"),
            (with(json!({"exp": "1900000000"})), "token with a time that is none"),
            (with(json!({"exp": null})), "token with a time that is none"),
            (with(json!({"exp": -1})), "token with a time that is none"),
            (without("exp"), "token without exp"),
            (with(json!({"nbf": NOW + 6.0})), "token that is not valid yet"),
            (with(json!({"nbf": "0"})), "token with a time that is none"),
            (with(json!({"aud": "other"})), "token for another audience"),
            (with(json!({"aud": []})), "token for another audience"),
            (with(json!({"aud": {"parlant": true}})), "token for another audience"),
            (without("aud"), "token for another audience"),
            (without("workspace_id"), "token without workspace_id"),
            (with(json!({"workspace_id": ""})), "token with an id that is none"),
            (with(json!({"workspace_id": ["acme"]})), "token with an id that is none"),
            (with(json!({"user_id": "x".repeat(256)})), "token with an id that is none"),
            (with(json!({"user_id": "a\0"})), "token with an id that is none"),
            (without("user_id"), "token without exactly one of user_id and customer_id"),
            (with(json!({"customer_id": "ada"})), "token without exactly one of user_id and customer_id"),
        ] {
            assert_eq!(judge(&signed("ed", &claims)), Err(reason), "{claims}");
        }
        let huge = claims().to_string().replace("1800000060.0", "1e400");
        assert_eq!(judge(&handmade(r#"{"alg":"HS256","kid":"hs"}"#, &huge)), Err("token with a time that is none"));
        let twice = claims().to_string().replacen('{', r#"{"workspace_id":"rival","#, 1);
        assert_eq!(judge(&handmade(r#"{"alg":"HS256","kid":"hs"}"#, &twice)), Err("malformed token"));
    }

    #[test]
    fn the_key_decides_the_algorithm() {
        let claims = claims().to_string();
        for (header, reason) in [
            (r#"{"alg":"none","kid":"hs"}"#, "malformed token"),
            (r#"{"alg":"None","kid":"hs"}"#, "malformed token"),
            (r#"{"kid":"hs"}"#, "malformed token"),
            (r#"{"alg":"HS512","kid":"hs"}"#, "token with another algorithm than its key's"),
            (r#"{"alg":"HS256","kid":"rs"}"#, "token with another algorithm than its key's"),
            (r#"{"alg":"RS256","kid":"hs"}"#, "token with another algorithm than its key's"),
            (r#"{"alg":"EdDSA","kid":"ed"}"#, "token with a wrong signature"),
            (r#"{"alg":"HS256","kid":"unknown"}"#, "token of an unknown key"),
            (r#"{"alg":"HS256"}"#, "token without kid"),
            (r#"{"alg":"HS256","kid":"hs","crit":["exp"]}"#, "token with critical extensions"),
        ] {
            assert_eq!(judge(&handmade(header, &claims)), Err(reason), "{header}");
        }
        // The public key of RS256 as the secret of HS256.
        let key = EncodingKey::from_secret(key_set()["keys"][3]["n"].as_str().unwrap().as_bytes());
        let confused = encode(&header(Some("rs"), Algorithm::HS256), &self::claims(), &key).unwrap();
        assert_eq!(judge(&confused), Err("token with another algorithm than its key's"));
        // A key that the token brings along.
        let brought = format!(r#"{{"alg":"HS256","kid":"ed","jwk":{}}}"#, key_set()["keys"][0]);
        assert!(judge(&handmade(&brought, &claims)).is_err());
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let token = signed("ed", &claims());
        let parts: Vec<_> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(with(json!({"workspace_id": "rival"})).to_string());
        for (changed, reason) in [
            (format!("{}.{other}.{}", parts[0], parts[2]), "token with a wrong signature"),
            (format!("{}.{}.", parts[0], parts[1]), "token with a wrong signature"),
            (format!("{}.{}", parts[0], parts[1]), "malformed token"),
            (format!("{token}.{}", parts[2]), "malformed token"),
            (format!(" {token}"), "malformed token"),
            (String::new(), "malformed token"),
            ("..".to_owned(), "malformed token"),
            ("a".repeat(LONGEST_TOKEN + 1), "oversized token"),
        ] {
            assert_eq!(judge(&changed), Err(reason), "{changed}");
        }
    }

    #[test]
    fn a_token_without_kid_is_for_the_only_key() {
        let only = json!({"keys": [key_set()["keys"][1]]}).to_string();
        let token = encode(&header(None, Algorithm::EdDSA), &claims(), &EncodingKey::from_ed_der(&der(ED))).unwrap();
        assert!(verify(&token, &Keys::parse(&only).unwrap(), "parlant", NOW).is_ok());
        assert_eq!(judge(&token), Err("token without kid"));
        assert_eq!(verify(&token, &Keys::default(), "parlant", NOW), Err("token without kid"));
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_without_being_told() {
        let mut secret_names = Vec::new();
        for (at, changes, fault) in [
            (0, json!({"k": "c2hvcnQ"}), "its k has less than 32 bytes"),
            (0, json!({"k": "not base64!"}), "its k is no base64url"),
            (0, json!({"alg": "none"}), "its alg and kty are none of"),
            (0, json!({"alg": "RS256"}), "its alg and kty are none of"),
            (0, json!({"kid": null}), "it has no kid"),
            (0, json!({"kid": "ed"}), "its kid is that of another"),
            (1, json!({"d": "x"}), "it holds a private key"),
            (1, json!({"x": "AAAA"}), "its x has not 32 bytes"),
            (1, json!({"crv": "Ed448"}), "its alg and kty are none of"),
            (2, json!({"crv": "P-384"}), "its alg and kty are none of"),
            (2, json!({"y": "AAAA"}), "its x and y have not 32 bytes"),
            (3, json!({"n": "AAAA"}), "its n has not 2048 to 4096 bits"),
        ] {
            let mut set = key_set();
            for (name, value) in changes.as_object().unwrap() {
                set["keys"][at][name] = value.clone();
            }
            let found = Keys::parse(&set.to_string()).unwrap_err();
            assert!(found.contains(fault), "{changes}: {found}");
            secret_names.push(found);
        }
        let secret = URL_SAFE_NO_PAD.encode(SECRET);
        assert!(secret_names.iter().all(|fault| !fault.contains(&secret)));
        for text in ["{", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": ["x"]}"#] {
            assert!(Keys::parse(text).is_err(), "{text}");
        }
        let many = json!({"keys": vec![key_set()["keys"][0].clone(); MOST_KEYS + 1]}).to_string();
        assert!(Keys::parse(&many).unwrap_err().contains("more than"));
        assert!(Keys::parse(" ").unwrap().is_empty());
        assert!(keys().has_secrets());
    }

    proptest! {
        #[test]
        fn no_token_panics(token in "[A-Za-z0-9_.=-]{0,300}") {
            prop_assert!(judge(&token).is_err());
        }

        #[test]
        fn no_change_of_a_token_is_believed(at in 0usize..200, byte in proptest::char::range('!', '~')) {
            let token = signed("ed", &claims());
            let at = at % token.len();
            let mut changed = token.clone().into_bytes();
            changed[at] = byte as u8;
            let changed = String::from_utf8(changed).unwrap();
            // The last character of a part has bits that decode to nothing.
            prop_assume!(changed != token);
            if let Ok(grant) = judge(&changed) {
                prop_assert_eq!(Ok(grant), judge(&token));
            }
        }

        #[test]
        fn no_claims_panic(claims in "\\PC{0,200}", header in "\\PC{0,60}") {
            let _ = judge(&handmade(&header, &claims));
            let _ = judge(&handmade(r#"{"alg":"HS256","kid":"hs"}"#, &claims));
            let _ = Keys::parse(&claims);
        }
    }
}
