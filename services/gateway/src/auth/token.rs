//! Judges one bearer token: signature, times, issuer, audience, scope.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use domain::ids::TenantId;

/// What every token must fit.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `iss` must be this, when set.
    pub issuer: Option<String>,
    /// `aud` must contain this, when set.
    pub audience: Option<String>,
}

/// The longest token that is looked at, in bytes. Large identity providers' tokens stay below 4 kB.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far the clocks of the issuer and ours may be apart.
pub const LEEWAY_S: i64 = 30;
/// The longest `sub` that is taken, in bytes.
const MAX_SUB_BYTES: usize = 255;

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who owns what the caller makes.
    pub tenant: TenantId,
    /// What the caller may do.
    pub scope: Scope,
    /// When the token ends, in seconds since 1970.
    pub expires_at_s: i64,
}

/// What a caller may do. Ordered: each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nothing: the token has a `scope` claim without ours.
    None,
    /// `live:read`: look, without seeing secrets.
    Read,
    /// `live`, or no `scope` claim at all: everything.
    Full,
}

/// The token is not valid. Which rule it broke is for our log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not three parts of base64url JSON, too long, or with a header we don't understand.
    #[error("malformed")]
    Malformed,
    /// Signed with an algorithm the key is not for, or not signed.
    #[error("algorithm")]
    Algorithm,
    /// No key of the issuer fits.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("signature")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("claims")]
    Claims,
    /// Past `exp`.
    #[error("expired")]
    Expired,
    /// Before `nbf`.
    #[error("not yet valid")]
    NotYetValid,
    /// Another issuer.
    #[error("issuer")]
    Issuer,
    /// Meant for somebody else.
    #[error("audience")]
    Audience,
}

/// A repeated claim is an error of the derive; unknown claims are the issuer's business.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: serde_json::Number,
    nbf: Option<serde_json::Number>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
    scope: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn items(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// The `kid` and algorithm a token claims, before anything is verified.
///
/// # Errors
/// [`Invalid::Malformed`], also for a header with `crit`: RFC 7515 §4.1.11 says not to accept what is not understood.
pub fn peek(token: &str) -> Result<(Option<String>, Algorithm), Invalid> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Invalid::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Invalid::Malformed)?;
    if header.crit.is_some() {
        return Err(Invalid::Malformed);
    }
    Ok((header.kid, header.alg))
}

/// Verifies a token with a key that serves exactly one algorithm.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    policy: &Policy,
    now_s: i64,
) -> Result<Identity, Invalid> {
    let (_, claimed) = peek(token)?;
    if claimed != algorithm {
        return Err(Invalid::Algorithm);
    }
    // Times, issuer and audience are judged below, against our own clock and with absence as a fault.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|e| match e.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) => Invalid::Claims,
        jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Invalid::Algorithm,
        jsonwebtoken::errors::ErrorKind::InvalidSignature => Invalid::Signature,
        _ => Invalid::Malformed,
    })?;
    judge(&claims.claims, policy, now_s)
}

fn judge(claims: &Claims, policy: &Policy, now_s: i64) -> Result<Identity, Invalid> {
    let sub_is_good =
        !claims.sub.trim().is_empty() && claims.sub.len() <= MAX_SUB_BYTES && !claims.sub.chars().any(char::is_control);
    if !sub_is_good {
        return Err(Invalid::Claims);
    }
    let expires_at_s = seconds(&claims.exp)?;
    if now_s >= expires_at_s.saturating_add(LEEWAY_S) {
        return Err(Invalid::Expired);
    }
    if let Some(nbf) = &claims.nbf
        && now_s.saturating_add(LEEWAY_S) < seconds(nbf)?
    {
        return Err(Invalid::NotYetValid);
    }
    if policy.issuer.is_some() && claims.iss != policy.issuer {
        return Err(Invalid::Issuer);
    }
    if let Some(wanted) = &policy.audience
        && !claims.aud.as_ref().is_some_and(|aud| aud.items().contains(wanted))
    {
        return Err(Invalid::Audience);
    }
    Ok(Identity { tenant: TenantId(claims.sub.clone()), scope: scope(claims.scope.as_ref()), expires_at_s })
}

/// RFC 7519 NumericDate: seconds, possibly with a fraction.
fn seconds(number: &serde_json::Number) -> Result<i64, Invalid> {
    if let Some(whole) = number.as_i64() {
        return Ok(whole);
    }
    if number.as_u64().is_some() {
        return Ok(i64::MAX);
    }
    // `as` saturates, and a JSON number is never NaN.
    number.as_f64().map(|s| s as i64).ok_or(Invalid::Claims)
}

fn scope(claim: Option<&OneOrMany>) -> Scope {
    let Some(claim) = claim else { return Scope::Full };
    claim
        .items()
        .iter()
        .flat_map(|text| text.split_ascii_whitespace())
        .map(|word| match word {
            "live" => Scope::Full,
            "live:read" => Scope::Read,
            _ => Scope::None,
        })
        .max()
        .unwrap_or(Scope::None)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::ring_provider;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_800_000_000;

    fn sign(header: Value, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(&header.to_string()), part(claims));
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn judge_token(token: &str, policy: &Policy) -> Result<Identity, Invalid> {
        ring_provider::install();
        verify(token, &DecodingKey::from_secret(SECRET), Algorithm::HS256, policy, NOW)
    }

    fn check(claims: Value, policy: &Policy, expected: Result<Scope, Invalid>) {
        let token = sign(json!({"alg": "HS256", "typ": "JWT"}), &claims.to_string());
        assert_eq!(judge_token(&token, policy).map(|i| i.scope), expected, "{claims}");
    }

    #[test]
    fn claims() {
        let open = Policy::default();
        let strict = Policy { issuer: Some("us".into()), audience: Some("live".into()) };
        let exp = NOW + 60;
        check(json!({"sub": "a", "exp": exp}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": exp, "aud": "any", "iss": "any"}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": NOW - LEEWAY_S + 1}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": NOW - LEEWAY_S}), &open, Err(Invalid::Expired));
        check(json!({"sub": "a", "exp": NOW as f64 + 60.5}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": u64::MAX}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": exp.to_string()}), &open, Err(Invalid::Claims));
        check(json!({"sub": "a"}), &open, Err(Invalid::Claims));
        check(json!({"exp": exp}), &open, Err(Invalid::Claims));
        check(json!({"sub": "", "exp": exp}), &open, Err(Invalid::Claims));
        check(json!({"sub": 7, "exp": exp}), &open, Err(Invalid::Claims));
        check(json!({"sub": "a\u{0}", "exp": exp}), &open, Err(Invalid::Claims));
        check(json!({"sub": "a".repeat(256), "exp": exp}), &open, Err(Invalid::Claims));
        check(json!({"sub": "a", "exp": exp, "nbf": NOW + LEEWAY_S}), &open, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": exp, "nbf": NOW + LEEWAY_S + 1}), &open, Err(Invalid::NotYetValid));
        check(json!({"sub": "a", "exp": exp, "iss": "us", "aud": ["x", "live"]}), &strict, Ok(Scope::Full));
        check(json!({"sub": "a", "exp": exp, "aud": "live"}), &strict, Err(Invalid::Issuer));
        check(json!({"sub": "a", "exp": exp, "iss": "them", "aud": "live"}), &strict, Err(Invalid::Issuer));
        check(json!({"sub": "a", "exp": exp, "iss": "us"}), &strict, Err(Invalid::Audience));
        check(json!({"sub": "a", "exp": exp, "iss": "us", "aud": "x"}), &strict, Err(Invalid::Audience));
        for (scope, granted) in [
            (json!("live"), Scope::Full),
            (json!("openid live:read live"), Scope::Full),
            (json!("live:read"), Scope::Read),
            (json!(["live:read", "x"]), Scope::Read),
            (json!("alive live:write"), Scope::None),
            (json!(""), Scope::None),
            (json!([]), Scope::None),
        ] {
            check(json!({"sub": "a", "exp": exp, "scope": scope}), &open, Ok(granted));
        }
        check(json!({"sub": "a", "exp": exp, "scope": 7}), &open, Err(Invalid::Claims));
    }

    #[test]
    fn forms() {
        let open = Policy::default();
        let claims = json!({"sub": "a", "exp": NOW + 60}).to_string();
        let good = sign(json!({"alg": "HS256"}), &claims);
        let check = |token: &str, expected: Invalid| assert_eq!(judge_token(token, &open), Err(expected), "{token}");
        assert!(judge_token(&good, &open).is_ok());
        check("", Invalid::Malformed);
        check("a.b.c", Invalid::Malformed);
        check(&format!("{good}.x"), Invalid::Malformed);
        let other = sign(json!({"alg": "HS256"}), &json!({"sub": "b", "exp": NOW + 60}).to_string());
        let (message, tag) = (other.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
        check(&format!("{message}.{tag}"), Invalid::Signature);
        check(&format!("{}.", good.rsplit_once('.').unwrap().0), Invalid::Signature);
        check(&sign(json!({"alg": "none"}), &claims), Invalid::Malformed);
        check(&sign(json!({"alg": "HS384"}), &claims), Invalid::Algorithm);
        check(&sign(json!({"alg": "RS256"}), &claims), Invalid::Algorithm);
        check(&sign(json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &claims), Invalid::Malformed);
        check(&sign(json!({"alg": "HS256"}), r#"{"sub":"a","sub":"b","exp":1900000000}"#), Invalid::Claims);
        check(&sign(json!({"alg": "HS256"}), "[]"), Invalid::Claims);
        check(&"a".repeat(64 * 1024), Invalid::Malformed);
    }
}
