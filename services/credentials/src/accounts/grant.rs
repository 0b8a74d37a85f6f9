//! What a token endpoint answers, in the three dialects.

use std::{fmt, time::Duration};

use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse, basic::BasicTokenType};
use secret::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Longer than any token that is known (Google says up to 2048 bytes).
const MAX_TOKEN_BYTES: usize = 8_192;
/// Nobody grants longer; a larger number is a mistake of somebody's.
const MAX_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A pair of tokens. `Debug` shows none.
#[derive(Clone)]
pub(super) struct Grant {
    pub access: SecretString,
    /// Facebook has none; Google leaves it out of a refresh.
    pub refresh: Option<SecretString>,
    /// `None`: never expires, or the platform does not say.
    pub expires_in: Option<Duration>,
    /// `None`: as asked for, or the platform does not say.
    pub scopes: Option<Vec<String>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant(*** {:?})", self.expires_in)
    }
}

/// The answer as it is sent. `scope` is a text (Google) or a list (Twitch, which documents both).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    access_token: AccessToken,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, deserialize_with = "scopes")]
    scope: Option<Vec<Scope>>,
    /// Always bearer here; spelled in every way.
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl Answer {
    /// `None` when a token can't be one.
    pub(super) fn into_grant(self) -> Option<Grant> {
        let usable = |token: &str| {
            !token.is_empty() && token.len() <= MAX_TOKEN_BYTES && token.bytes().all(|b| (0x21..0x7f).contains(&b))
        };
        let refresh = self.refresh_token.map(RefreshToken::into_secret).filter(|token| !token.is_empty());
        let fit = usable(self.access_token.secret()) && refresh.as_deref().is_none_or(usable);
        fit.then(|| Grant {
            access: SecretString::from(self.access_token.into_secret()),
            refresh: refresh.map(SecretString::from),
            expires_in: self.expires_in.filter(|life| !life.is_zero()).map(|life| life.min(MAX_LIFE)),
            scopes: self.scope.map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
        })
    }
}

impl TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scope.as_ref()
    }
}

/// A number, or a number as text.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let value = Option::<Value>::deserialize(from)?;
    let seconds = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    Ok(seconds.map(Duration::from_secs))
}

fn scopes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Scope>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scopes {
        Text(String),
        List(Vec<String>),
    }
    let list = |scopes| match scopes {
        Scopes::Text(text) => text.split([' ', ',']).filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        Scopes::List(list) => list,
    };
    let scopes: Option<Vec<String>> = Option::<Scopes>::deserialize(from)?.map(list);
    Ok(scopes.map(|scopes| scopes.into_iter().map(Scope::new).collect()))
}

/// A refusal is read from the kept reply, where its discriminator is; the crate's copy of it says nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorAnswer {}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl oauth2::ErrorResponse for ErrorAnswer {}

#[cfg(test)]
mod tests {
    use secret::ExposeSecret;
    use serde_json::json;

    use super::*;

    /// Token, life in seconds, scopes.
    type Seen = (&'static str, Option<u64>, Option<&'static [&'static str]>);

    fn check(body: Value, expected: Option<Seen>) {
        let answer: Result<Answer, _> = serde_json::from_value(body.clone());
        let grant = answer.ok().and_then(Answer::into_grant);
        assert_eq!(grant.is_some(), expected.is_some(), "{body}");
        let (Some(grant), Some((token, life, scopes))) = (grant, expected) else { return };
        assert_eq!(grant.access.expose_secret(), token, "{body}");
        assert_eq!(grant.expires_in.map(|life| life.as_secs()), life, "{body}");
        let scopes = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>());
        assert_eq!(grant.scopes, scopes, "{body}");
    }

    #[test]
    fn the_dialects() {
        check(
            json!({"access_token": "a", "expires_in": 3599, "scope": "x y", "token_type": "Bearer"}),
            Some(("a", Some(3599), Some(&["x", "y"]))),
        );
        check(
            json!({"access_token": "a", "scope": ["x", "y"], "token_type": "bearer"}),
            Some(("a", None, Some(&["x", "y"]))),
        );
        check(json!({"access_token": "a", "expires_in": 0, "scope": null}), Some(("a", None, None)));
        check(json!({"access_token": "a", "expires_in": "5"}), Some(("a", Some(5), None)));
        check(json!({"access_token": "a", "expires_in": u64::MAX}), Some(("a", Some(MAX_LIFE.as_secs()), None)));
        check(json!({"access_token": "a", "expires_in": -1}), Some(("a", None, None)));
    }

    #[test]
    fn no_tokens() {
        check(json!({"access_token": ""}), None);
        check(json!({"access_token": "a b"}), None);
        check(json!({"access_token": "a\n"}), None);
        check(json!({"access_token": "a".repeat(MAX_TOKEN_BYTES + 1)}), None);
        check(json!({"access_token": "a", "refresh_token": "b\r\n"}), None);
        check(json!({"token_type": "bearer"}), None);
        check(json!([]), None);
    }

    #[test]
    fn shows_no_token() {
        let answer: Answer =
            serde_json::from_value(json!({"access_token": "s3cret", "refresh_token": "s3cret"})).expect("fits");
        let shown = format!("{answer:?}");
        let grant = answer.into_grant().expect("fits");
        assert!(!format!("{shown}{grant:?}").contains("s3cret"), "{shown}");
    }
}
