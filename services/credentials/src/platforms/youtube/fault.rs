//! What a refusal of YouTube means, by `error.errors[].reason`. Status and text are not looked at where there is a
//! reason: the API's pages and recorded answers disagree on them.

use domain::platform::Platform;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    http::{Reply, Trouble},
    platforms::Failure,
};

/// A refusal, with YouTube's own word for it.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub failure: Failure,
    /// Empty when YouTube gave none.
    pub reason: String,
}

impl Problem {
    pub fn is(&self, reasons: &[&str]) -> bool {
        reasons.contains(&self.reason.as_str())
    }

    /// What was named is not there (any more).
    pub fn is_missing(&self) -> bool {
        self.is(&["liveBroadcastNotFound", "liveStreamNotFound", "videoNotFound", "notFound"])
    }

    pub fn is_quota(&self) -> bool {
        self.failure.code() == "platform_quota_exceeded"
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { failure, reason: String::new() }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        problem.failure
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Error,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Error {
    errors: Vec<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    reason: String,
}

/// Longest reason that is shown; the longest of YouTube's has 45 letters.
const LONGEST: usize = 60;
const LONGEST_WORD: usize = 16;
/// The project's units of today are gone. The caller knows when they come back.
pub(super) const QUOTA: [&str; 2] = ["quotaExceeded", "dailyLimitExceeded"];
/// YouTube can't tell the person's account from any other that has no channel: another token does not help.
pub(super) const NO_CHANNEL: &str = "youtubeSignupRequired";

/// The reason that a refusal gives; empty when it gives none.
pub(super) fn reason(reply: &Reply) -> String {
    let body: Body = reply.json().unwrap_or_default();
    body.error.errors.into_iter().next().map(|detail| detail.reason).unwrap_or_default()
}

/// What a refusal means.
pub(super) fn read(reply: &Reply) -> Problem {
    let reason = reason(reply);
    let failure = by_reason(&reason, reply).unwrap_or_else(|| by_status(reply.status, &reason, reply));
    Problem { failure, reason }
}

fn by_reason(reason: &str, reply: &Reply) -> Option<Failure> {
    Some(match reason {
        "authError" | "authorizationRequired" => reauth(),
        NO_CHANNEL => Failure::permanent(
            "account_not_eligible",
            "This Google account has no YouTube channel. Create one at youtube.com, then link the account again.",
        ),
        "insufficientPermissions" | "insufficientLivePermissions" | "forbidden" => permission(),
        "liveStreamingNotEnabled" | "livePermissionBlocked" => Failure::permanent(
            "live_streaming_not_enabled",
            "Live streaming is not enabled on this channel: enable it at youtube.com/features; this takes up to 24 hours.",
        ),
        "rateLimitExceeded" | "userRateLimitExceeded" | "userRequestsExceedRateLimit" | "uploadRateLimitExceeded" => {
            Failure::rate_limited(Platform::Youtube, reply.retry_after())
        }
        "userBroadcastsExceedLimit" | "concurrentBroadcastsExceedLimit" | "sharedIngestionBroadcastsExceedLimit" => {
            Failure::permanent(
                "broadcast_limit_reached",
                "The channel has as many live or scheduled broadcasts as YouTube allows. End or delete some in YouTube \
                 Studio, then start again.",
            )
        }
        "liveBroadcastNotFound" | "liveStreamNotFound" | "videoNotFound" => {
            Failure::permanent("broadcast_ended", "The broadcast is not at YouTube any more: somebody deleted it.")
        }
        "invalidImage" | "mediaBodyRequired" | "uploadTooLarge" => Failure::permanent(
            "thumbnail_invalid",
            "YouTube does not take this thumbnail: it must be a JPEG or PNG of at most 2 MiB.",
        ),
        "invalidTitle" => refused("the title. Change it, then start again"),
        "invalidDescription" => refused("the description. Change it, then start again"),
        "invalidScheduledStartTime" => refused("the announced start: it must lie ahead"),
        "backendError" | "internalError" | "errorExecutingTransition" => unclear(reply),
        _ => return None,
    })
}

fn by_status(status: StatusCode, reason: &str, reply: &Reply) -> Failure {
    match status {
        StatusCode::UNAUTHORIZED => reauth(),
        StatusCode::TOO_MANY_REQUESTS => Failure::rate_limited(Platform::Youtube, reply.retry_after()),
        StatusCode::FORBIDDEN if reason.is_empty() => permission(),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::permanent("thumbnail_invalid", "YouTube says: too large."),
        StatusCode::REQUEST_TIMEOUT => unclear(reply),
        status if status.is_server_error() => unclear(reply),
        status => refused(&format!("this ({} {})", status.as_u16(), word(reason))),
    }
}

/// A reason as it may be shown and logged: words joined by capitals, as all of YouTube's are. Anything else may be a
/// token that is repeated to us.
pub(super) fn word(reason: &str) -> &str {
    let is_word = |part: &str| part.len() <= LONGEST_WORD;
    let capitals = reason.chars().filter(char::is_ascii_uppercase).count();
    let words = reason.split(|c: char| c.is_ascii_uppercase());
    let is_plain = reason.chars().all(|c| c.is_ascii_alphabetic())
        && reason.len() <= LONGEST
        && capitals * 3 <= reason.len()
        && words.into_iter().all(is_word);
    if is_plain { reason } else { "..." }
}

fn reauth() -> Failure {
    Failure::reauth(Platform::Youtube, "YouTube does not accept the account's sign-in any more.")
}

fn permission() -> Failure {
    Failure::permanent(
        "platform_permission_missing",
        "YouTube does not let us do this with the account: a permission is missing. Link the account again and agree to \
         everything that is asked for.",
    )
}

fn refused(what: &str) -> Failure {
    Failure::permanent("platform_refused", format!("YouTube does not take {what}."))
}

/// It may have been done or not.
fn unclear(reply: &Reply) -> Failure {
    Failure::trouble(Platform::Youtube, Trouble::Unknown).after(reply.retry_after())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(status: u16, body: &[u8]) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, headers: Default::default(), body: body.to_vec().into() }
    }

    #[test]
    fn without_a_reason_the_status_counts() {
        let check = |status: u16, code: &str, ambiguous: bool| {
            let failure = read(&reply(status, b"<html>")).failure;
            assert_eq!((failure.code(), failure.ambiguous), (code, ambiguous), "{status}");
        };
        check(400, "platform_refused", false);
        check(401, "reauth_required", false);
        check(403, "platform_permission_missing", false);
        check(429, "platform_rate_limited", false);
        check(500, "platform_unavailable", true);
        check(503, "platform_unavailable", true);
    }

    #[test]
    fn a_reason_counts_more_than_the_status() {
        for status in [400, 403, 429, 500] {
            let body = br#"{"error":{"errors":[{"reason":"liveStreamingNotEnabled"}]}}"#;
            assert_eq!(read(&reply(status, body)).failure.code(), "live_streaming_not_enabled");
        }
    }

    #[test]
    fn only_words_are_shown() {
        let check = |reason: &str, shown: &str| assert_eq!(word(reason), shown);
        check("enableContentEncryptionModificationNotAllowed", "enableContentEncryptionModificationNotAllowed");
        check("", "");
        check("ya29", "...");
        check("wvvsgdintwktcqvwbwitqeanjqpfhm", "...");
        check("aBcDeFgHiJkLmNoPqR", "...");
    }

    proptest! {
        /// What YouTube says is shown to people only as far as it is a plain word.
        #[test]
        fn any_answer_is_read(status in 400_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), reason in ".{0,80}") {
            let _ = read(&reply(status, &body));
            let body = serde_json::json!({"error": {"errors": [{"reason": reason}]}}).to_string();
            let problem = read(&reply(status, body.as_bytes()));
            prop_assert!(problem.failure.fault.message.is_ascii());
        }
    }
}
