//! What a refusal of Twitch means: the status, and for 401 the message, are all there is.

use std::time::Duration;

use domain::platform::Platform;
use serde::Deserialize;

use crate::{
    http::{Reply, Trouble},
    platforms::{Failure, words::quote},
};

/// The bucket fills within a minute; longer than this is not believed.
const LONGEST_PAUSE_S: i64 = 120;
/// When a 429 does not say how long: until the bucket is full.
const PAUSE: Duration = Duration::from_secs(60);

/// What an answer is.
pub(super) enum Verdict {
    /// It was done.
    Done(Reply),
    /// The token is not accepted; another one may be.
    Rejected(Failure),
    /// Anything else.
    Refused(Refused),
}

/// Why it was not done.
#[derive(Debug)]
pub(super) enum Refused {
    /// Twitch does not want it so.
    Said {
        /// 400, 403, 409, …
        status: u16,
        /// In Twitch's words.
        said: String,
    },
    /// Classified already.
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed(failure) => failure,
            Refused::Said { status: 403, said } => {
                let message = format!("Twitch does not allow it for this channel: {said}.");
                Self::permanent("platform_permission_missing", message)
            }
            Refused::Said { said, .. } => Self::permanent("platform_refused", format!("Twitch refuses it: {said}.")),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: String,
    error: String,
}

/// How long to ask nothing more, for a 429.
pub(super) fn pause(reply: &Reply, now_ms: i64) -> Option<Duration> {
    if reply.status.as_u16() != 429 {
        return None;
    }
    let reset_s = reply.header("ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
    let seconds = reset_s.map(|reset_s| (reset_s - now_ms / 1_000).clamp(1, LONGEST_PAUSE_S));
    Some(seconds.map_or(PAUSE, |seconds| Duration::from_secs(seconds.unsigned_abs())))
}

/// Classifies an answer.
pub(super) fn judge(reply: Reply, pause: Option<Duration>) -> Verdict {
    if reply.status.is_success() {
        return Verdict::Done(reply);
    }
    let status = reply.status.as_u16();
    let body: Body = reply.json().unwrap_or_default();
    let said = [&body.message, &body.error].into_iter().map(|text| quote(text)).find(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| format!("HTTP {status}"));
    match status {
        401 => unauthorized(&said),
        429 => Verdict::Refused(Failure::rate_limited(Platform::Twitch, pause).into()),
        // Every write of ours may be sent twice, so none of them is ambiguous.
        500.. => Verdict::Refused(Failure::trouble(Platform::Twitch, Trouble::NotSent).into()),
        _ => Verdict::Refused(Refused::Said { status, said }),
    }
}

/// 401 stands for a dead token, and also for what no other token of the account would change.
fn unauthorized(said: &str) -> Verdict {
    let lower = said.to_lowercase();
    if lower.contains("scope") {
        let message = format!(
            "Twitch was not allowed what is needed ({said}). Sign in to Twitch again and agree to everything that is \
             asked for, then start the destination again."
        );
        return Verdict::Refused(Failure::permanent("scope_missing", message).into());
    }
    if lower.contains("broadcaster") || lower.contains("must match the user") {
        let why = "The sign-in belongs to another Twitch channel than this destination.";
        return Verdict::Refused(Failure::reauth(Platform::Twitch, why).into());
    }
    if lower.contains("client id") && lower.contains("match") {
        let why = "The sign-in was made for another application than this installation's.";
        return Verdict::Refused(Failure::reauth(Platform::Twitch, why).into());
    }
    Verdict::Rejected(Failure::reauth(Platform::Twitch, "Twitch does not accept the sign-in any more."))
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};
    use serde_json::json;

    use super::*;

    fn reply(status: u16, message: &str, reset: Option<i64>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(reset) = reset {
            headers.insert("ratelimit-reset", reset.into());
        }
        let body = json!({"error": "X", "status": status, "message": message}).to_string().into();
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, body }
    }

    #[test]
    fn the_status_and_the_message_decide() {
        let check = |status: u16, message: &str, expected: &str| {
            let told = match judge(reply(status, message, None), None) {
                Verdict::Done(_) => "done".to_owned(),
                Verdict::Rejected(failure) => format!("renew {}", failure.code()),
                Verdict::Refused(refused) => Failure::from(refused).fault.code,
            };
            assert_eq!(told, expected, "{status} {message}");
        };
        check(204, "", "done");
        check(401, "Invalid OAuth token", "renew reauth_required");
        check(401, "OAuth token is missing", "renew reauth_required");
        check(401, "Missing scope: channel:read:stream_key", "scope_missing");
        check(
            401,
            "The ID in broadcaster_id must match the user ID found in the request's OAuth token.",
            "reauth_required",
        );
        check(401, "Client ID and OAuth token do not match", "reauth_required");
        check(403, "Finish two-factor setup", "platform_permission_missing");
        check(400, "Invalid game_id", "platform_refused");
        check(409, "too often", "platform_refused");
        check(429, "Too Many Requests", "platform_rate_limited");
        check(503, "", "platform_unavailable");
    }

    #[test]
    fn a_pause_lasts_until_the_reset() {
        let check = |reset: Option<i64>, seconds: u64| {
            assert_eq!(pause(&reply(429, "", reset), 100_000), Some(Duration::from_secs(seconds)));
        };
        check(Some(107), 7);
        check(Some(90), 1);
        check(Some(9_999), 120);
        check(None, 60);
        assert_eq!(pause(&reply(200, "", Some(107)), 100_000), None);
    }
}
