//! Keeps secrets out of the journal.

use serde_json::Value;

use crate::options::{Headers, Pairs};

/// What stands in for a secret.
pub(crate) const MASK: &str = "***";

/// Names of members, parameters and form fields that hold a secret, on any platform.
const SECRET: &[&str] = &[
    "access_token",
    "appsecret_proof",
    "client_secret",
    "code",
    "code_verifier",
    "dash_ingest_url",
    "fb_exchange_token",
    "input_token",
    "passphrase",
    "refresh_token",
    "secure_stream_url",
    "secure_stream_secondary_urls",
    "streamKey",
    "streamName",
    "stream_key",
    "stream_secondary_urls",
    "stream_url",
    "token",
];

/// A header that holds a secret loses its value; the scheme of `Authorization` stays.
pub(crate) fn headers(headers: &Headers) -> Headers {
    let masked = |name: &str, value: &str| match name {
        "authorization" => format!("{} {MASK}", value.split(' ').next().unwrap_or_default()),
        "cookie" | "set-cookie" => MASK.to_owned(),
        "location" => location(value),
        _ => value.to_owned(),
    };
    headers.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect()
}

fn location(value: &str) -> String {
    let Ok(mut url) = url::Url::parse(value) else { return value.to_owned() };
    let query = pairs(&url.query_pairs().into_owned().collect());
    url.query_pairs_mut().clear().extend_pairs(query);
    url.into()
}

/// Pairs with the secret ones masked.
pub(crate) fn pairs(pairs: &Pairs) -> Pairs {
    let masked = |key: &str, value: &str| if SECRET.contains(&key) { MASK.to_owned() } else { value.to_owned() };
    pairs.iter().map(|(key, value)| (key.clone(), masked(key, value))).collect()
}

/// JSON with the strings of secret members masked. Numbers stay: an error's `code` is none.
pub(crate) fn json(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.clone(), if is_secret(&key) { mask(value) } else { json(value) }))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        other => other,
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.contains(&key)
}

fn mask(value: Value) -> Value {
    match value {
        Value::String(_) => Value::String(MASK.to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(mask).collect()),
        other => json(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let before = json!({"access_token": "a", "error": {"code": 190}, "data": [{"stream_key": "k", "id": "1"}]});
        let after = json!({"access_token": "***", "error": {"code": 190}, "data": [{"stream_key": "***", "id": "1"}]});
        assert_eq!(json(before), after);
        let of = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())].into())[name].clone();
        assert_eq!(of("authorization", "Bearer abc"), "Bearer ***");
        assert_eq!(of("location", "http://x/cb?code=abc&state=s"), "http://x/cb?code=***&state=s");
    }
}
