//! What a refusal of Cloudflare means: the HTTP status together with `errors[].code`.

use domain::platform::Platform;
use serde::Deserialize;

use crate::{
    http::Reply,
    platforms::{Failure, words::quote},
};

/// "Authentication error": 401 for a bad token, 403 for a good one without the permission.
const AUTHENTICATION: i64 = 10_000;
/// "Invalid access token" and malformed `Authorization` headers (unverified, from observed answers).
const BAD_TOKEN: [i64; 3] = [9_109, 6_003, 6_111];
/// "Could not route": an id that is none; "not found".
const UNKNOWN: [i64; 2] = [7_003, 10_003];

/// What an answer is.
pub(super) enum Verdict {
    /// It was done.
    Done(Reply),
    /// There is no such thing.
    Missing,
    /// The token is not accepted.
    Rejected(Failure),
    /// Anything else.
    Failed(Failure),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    success: Option<bool>,
    errors: Vec<Error>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Error {
    code: i64,
    message: String,
}

/// Classifies an answer; `write` when the call changes something.
pub(super) fn judge(reply: Reply, write: bool) -> Verdict {
    let status = reply.status.as_u16();
    // GraphQL answers carry no `success`, and a delete no body.
    let refusal: Refusal = if reply.body.is_empty() { Refusal::default() } else { reply.json().unwrap_or_default() };
    if reply.status.is_success() && refusal.success != Some(false) {
        return Verdict::Done(reply);
    }
    let has = |codes: &[i64]| refusal.errors.iter().any(|error| codes.contains(&error.code));
    let said = refusal.errors.first().map(|error| quote(&error.message)).filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| format!("HTTP {status}"));
    match status {
        429 => Verdict::Failed(Failure::rate_limited(Platform::Cloudflare, reply.retry_after())),
        500.. => {
            let failure = Failure::trouble(Platform::Cloudflare, crate::http::Trouble::NotSent);
            Verdict::Failed(if write { failure.ambiguous() } else { failure })
        }
        401 => Verdict::Rejected(bad_token()),
        _ if has(&BAD_TOKEN) => Verdict::Rejected(bad_token()),
        403 => Verdict::Failed(no_permission()),
        _ if has(&[AUTHENTICATION]) => Verdict::Failed(no_permission()),
        404 | 410 => Verdict::Missing,
        _ if has(&UNKNOWN) => Verdict::Missing,
        _ => Verdict::Failed(Failure::permanent("platform_refused", format!("Cloudflare refuses it: {said}."))),
    }
}

fn bad_token() -> Failure {
    let message = "Cloudflare does not accept the API token of this installation. Its operator must give a valid one \
                   (CLOUDFLARE_API_TOKEN); then start the destination again.";
    Failure::permanent("reauth_required", message)
}

/// The token is good for less than this.
pub(super) fn no_permission() -> Failure {
    let message = "The Cloudflare API token of this installation lacks a permission. Its operator must give it \
                   \"Stream: Edit\" (and \"Account Analytics: Read\" for analytics) in the Cloudflare dashboard.";
    Failure::permanent("platform_permission_missing", message)
}

/// Nothing is at the account's own path.
pub(super) fn no_account() -> Failure {
    let message = "Cloudflare knows no such account. The operator of this installation must check \
                   CLOUDFLARE_ACCOUNT_ID and that Stream is enabled there.";
    Failure::permanent("platform_refused", message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::{StatusCode, header::HeaderMap};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_code_decides() {
        let check = |status: u16, code: i64, expected: &str| {
            let errors = json!({"success": false, "errors": [{"code": code, "message": "Said so"}], "result": null});
            let body = Bytes::from(errors.to_string());
            let status = StatusCode::from_u16(status).unwrap();
            let told = match judge(Reply { status, headers: HeaderMap::new(), body }, true) {
                Verdict::Done(_) => "done".to_owned(),
                Verdict::Missing => "missing".to_owned(),
                Verdict::Rejected(failure) => format!("rejected {}", failure.code()),
                Verdict::Failed(failure) => format!("{}{}", failure.code(), if failure.ambiguous { " ?" } else { "" }),
            };
            assert_eq!(told, expected, "{status} {code}");
        };
        check(401, 10_000, "rejected reauth_required");
        check(403, 10_000, "platform_permission_missing");
        check(400, 9_109, "rejected reauth_required");
        check(400, 6_003, "rejected reauth_required");
        check(404, 10_003, "missing");
        check(400, 7_003, "missing");
        check(400, 10_005, "platform_refused");
        check(200, 10_005, "platform_refused");
        check(429, 10_429, "platform_rate_limited");
        check(502, 0, "platform_unavailable ?");
    }

    #[test]
    fn answers_without_an_envelope_are_answers() {
        for body in [Value::Null.to_string(), String::new(), json!({"data": {}}).to_string()] {
            let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
            assert!(matches!(judge(reply, true), Verdict::Done(_)));
        }
    }
}
