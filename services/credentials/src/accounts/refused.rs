//! What a token endpoint means by refusing, by each platform's real discriminator.

use domain::platform::Platform;
use serde_json::Value;

use crate::{
    http::{Reply, Trouble},
    platforms::Failure,
};

/// Facebook's codes of a token that is dead: 190 with a subcode that says why, 102 for a session.
pub(super) const FACEBOOK_DEAD: [i64; 2] = [190, 102];
/// Facebook's codes of too many calls.
const FACEBOOK_THROTTLED: [i64; 5] = [4, 17, 32, 341, 613];
/// Business use cases, the same.
const FACEBOOK_BUSINESS: std::ops::RangeInclusive<i64> = 80_000..=80_014;
/// Facebook's subcodes about an authorization code (used, expired, another redirect URI), with code 100.
const FACEBOOK_BAD_CODE: std::ops::RangeInclusive<i64> = 36_007..=36_009;
/// Google's errors about the grant itself.
const GOOGLE_DEAD: [&str; 2] = ["invalid_grant", "admin_policy_enforced"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The grant is gone: a person must sign in again. For an authorization code: it is not taken.
    Dead,
    /// The authorization code is not taken.
    Code,
    /// Our registration is wrong: an operator must act.
    Ours,
    /// Not now. The grant is as it was.
    Later(Failure),
}

/// Reads a reply that holds no tokens, or its absence.
pub(super) fn refused(platform: Platform, reply: Result<&Reply, Trouble>) -> Refused {
    let reply = match reply {
        Ok(reply) => reply,
        Err(trouble) => return Refused::Later(Failure::trouble(platform, trouble)),
    };
    let status = reply.status.as_u16();
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let refused = match (platform, status) {
        (_, 429) => Some(Refused::Later(Failure::rate_limited(platform, reply.retry_after()))),
        (_, 400..=499) => match platform {
            Platform::Youtube => google(&body),
            Platform::Twitch => twitch(status, &body),
            _ => facebook(&body, reply),
        },
        // A server error with any other code is no word about our registration.
        (Platform::Facebook, 500..=599) => facebook(&body, reply).filter(|refused| !matches!(refused, Refused::Ours)),
        _ => None,
    }
    .unwrap_or_else(|| Refused::Later(Failure::trouble(platform, Trouble::Nonsense).after(reply.retry_after())));
    tracing::debug!(%platform, status, "a token endpoint refused");
    refused
}

fn google(body: &Value) -> Option<Refused> {
    match body["error"].as_str()? {
        error if GOOGLE_DEAD.contains(&error) => Some(Refused::Dead),
        "temporarily_unavailable" | "internal_failure" => None,
        _ => Some(Refused::Ours),
    }
}

/// Status and message are all there is. Not `invalid_grant`, as the standard has it.
fn twitch(status: u16, body: &Value) -> Option<Refused> {
    let message = body["message"].as_str()?.to_ascii_lowercase();
    Some(match status {
        400 | 401 if message.contains("invalid refresh token") => Refused::Dead,
        400 if message.contains("authorization code") => Refused::Code,
        _ => Refused::Ours,
    })
}

/// The status says nothing.
fn facebook(body: &Value, reply: &Reply) -> Option<Refused> {
    let code = body["error"]["code"].as_i64()?;
    let subcode = body["error"]["error_subcode"].as_i64().unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    match code {
        code if FACEBOOK_DEAD.contains(&code) => Some(Refused::Dead),
        100 if FACEBOOK_BAD_CODE.contains(&subcode) => Some(Refused::Code),
        code if FACEBOOK_THROTTLED.contains(&code) || FACEBOOK_BUSINESS.contains(&code) => {
            Some(Refused::Later(Failure::rate_limited(Platform::Facebook, reply.retry_after())))
        }
        // The same number as "unknown error", told apart by its words (recorded bodies).
        1 if message.contains("client secret") => Some(Refused::Ours),
        // 1 and 2 are "unknown" and "service down".
        1 | 2 => None,
        _ if body["error"]["is_transient"] == true => None,
        _ => Some(Refused::Ours),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};

    use super::*;

    fn check(platform: Platform, status: u16, body: &str, expected: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let reply = Reply { status, headers: HeaderMap::new(), body: body.to_owned().into() };
        let seen = match refused(platform, Ok(&reply)) {
            Refused::Dead => "dead",
            Refused::Code => "code",
            Refused::Ours => "ours",
            Refused::Later(failure) if failure.code() == "platform_rate_limited" => "slower",
            Refused::Later(_) => "later",
        };
        assert_eq!(seen, expected, "{platform} {status} {body}");
    }

    #[test]
    fn real_bodies() {
        use Platform::{Facebook, Twitch, Youtube};
        let revoked = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
        check(Youtube, 400, revoked, "dead");
        check(Youtube, 401, r#"{"error":"invalid_client"}"#, "ours");
        check(Youtube, 500, revoked, "later");
        check(Youtube, 400, "<html>", "later");
        check(Youtube, 302, "", "later");
        check(Youtube, 200, "{}", "later");
        check(Youtube, 403, r#"{"error":{"code":403}}"#, "later");
        check(Twitch, 400, r#"{"status":400,"message":"Invalid refresh token"}"#, "dead");
        check(Twitch, 400, r#"{"status":400,"message":"Invalid authorization code"}"#, "code");
        check(Twitch, 403, r#"{"status":403,"message":"invalid client secret"}"#, "ours");
        check(Twitch, 500, r#"{"status":500,"message":"Invalid refresh token"}"#, "later");
        check(Twitch, 429, "", "slower");
        check(Facebook, 400, r#"{"error":{"code":190,"error_subcode":460}}"#, "dead");
        check(Facebook, 401, r#"{"error":{"code":102}}"#, "dead");
        check(Facebook, 400, r#"{"error":{"code":100,"error_subcode":36009}}"#, "code");
        check(Facebook, 400, r#"{"error":{"code":4}}"#, "slower");
        check(Facebook, 500, r#"{"error":{"code":2}}"#, "later");
        check(Facebook, 400, r#"{"error":{"code":80001}}"#, "slower");
        check(Facebook, 400, r#"{"error":{"code":101}}"#, "ours");
        check(Facebook, 503, r#"{"error":{"code":101}}"#, "later");
        check(Facebook, 400, r#"{"error":{"code":101,"is_transient":true}}"#, "later");
        check(Facebook, 400, r#"{"error":{"code":1,"message":"Error validating client secret."}}"#, "ours");
    }

    #[test]
    fn no_answer_is_not_a_refusal() {
        assert!(matches!(refused(Platform::Twitch, Err(Trouble::Unknown)), Refused::Later(f) if f.is_transient()));
    }
}
