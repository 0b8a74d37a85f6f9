//! Graph's refusals by their real discriminator, `error.code` and `error.error_subcode`. The HTTP status is mostly 400
//! whatever happened, and throttles come as 400 and 403.

use domain::platform::Platform;
use serde_json::Value;

use super::{gate::UNNAMED, usage::Usage};
use crate::platforms::{Failure, words::quote};

/// Why Graph did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is dead; the subcode says why.
    DeadToken(Option<i64>),
    /// The object is not there, or not visible for this token.
    Gone,
    /// Everything else.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::DeadToken(subcode) => Failure::reauth(Platform::Facebook, dead(subcode)),
            Refusal::Gone => Failure::permanent(
                "platform_refused",
                "Facebook does not know what it was asked for, or the linked account may not see it. Check the Page and the linked account.",
            ),
            Refusal::Failed(failure) => failure,
        }
    }
}

impl Refusal {
    /// A server error with a code that says nothing of ours is no refusal: Facebook is not well.
    pub(super) fn of_a_broken_server(self, write: bool) -> Self {
        match self {
            Self::Failed(failure) if failure.code() == "platform_refused" => Self::Failed(away(write)),
            other => other,
        }
    }
}

/// Whose allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// The application's.
    App,
    /// The person's or Page's.
    Caller,
}

/// Classifies the `error` member of an answer. `write`: the call changes something.
pub(super) fn classify(error: &Value, usage: Usage, write: bool) -> (Refusal, Option<Throttle>) {
    let code = whole(&error["code"]);
    let subcode = whole(&error["error_subcode"]);
    if let Some(throttle) = throttle(code, usage) {
        let failure = Failure::rate_limited(Platform::Facebook, Some(usage.regain.unwrap_or(UNNAMED)));
        return (Refusal::Failed(failure), Some(throttle));
    }
    (refused(code, subcode, error, write), None)
}

/// 4, 341: the application; 17: the person; 32 and 80000 to 80014: a Page and other business use cases; 613: custom.
fn throttle(code: Option<i64>, usage: Usage) -> Option<Throttle> {
    match code? {
        // Seen for a single live video while the application's usage was low: then only this caller waits.
        4 | 341 if usage.app_percent >= 100 => Some(Throttle::App),
        4 | 17 | 32 | 341 | 613 | 80_000..=80_014 => Some(Throttle::Caller),
        _ => None,
    }
}

fn refused(code: Option<i64>, subcode: Option<i64>, error: &Value, write: bool) -> Refusal {
    let permanent = |code: &str, text: &str| Refusal::Failed(Failure::permanent(code, text));
    if matches!(subcode, Some(1_363_120 | 1_363_144)) {
        return permanent("account_not_eligible", not_eligible(subcode));
    }
    if error["code"].as_str() == Some("LIVE_VIDEO__NOT_EXIST") {
        return Refusal::Gone;
    }
    match (code, subcode) {
        (Some(190 | 102), _) => Refusal::DeadToken(subcode),
        (Some(1 | 2), _) => Refusal::Failed(away(write)),
        (Some(100), Some(33)) | (Some(803), _) => Refusal::Gone,
        (Some(3 | 10 | 200..=299), _) => permanent(
            "platform_permission_missing",
            &format!(
                "Facebook says that a permission is missing: {}. Sign in to Facebook again and agree to everything that is asked for; on a Page your role needs \"create content\".",
                words(error)
            ),
        ),
        (Some(368), _) => permanent(
            "platform_refused",
            "Facebook has blocked this account from posting for a while. Its Support Inbox says why and until when; start the destination again afterwards.",
        ),
        (Some(506), _) => permanent(
            "platform_refused",
            "Facebook refuses a post that is the same as one before. Change the title or the description, then start the destination again.",
        ),
        (Some(1000), _) => permanent(
            "platform_refused",
            "Facebook does not take the scheduled start: it must lie ahead, within the next 7 days.",
        ),
        _ if error["is_transient"] == true => Refusal::Failed(away(write)),
        _ => permanent("platform_refused", &format!("Facebook refused: {}.", words(error))),
    }
}

/// "An unknown error occurred" and "Service temporarily unavailable" don't say what became of a write.
fn away(write: bool) -> Failure {
    let message = "Facebook says that it is not able to do this at the moment. It is tried again by itself.";
    let failure = Failure::transient("platform_unavailable", message);
    if write { failure.ambiguous() } else { failure }
}

fn not_eligible(subcode: Option<i64>) -> &'static str {
    match subcode {
        Some(1_363_120) => {
            "Facebook lets an account go live when it is at least 60 days old; this one is too new. Use another account or Page, or wait."
        }
        _ => {
            "Facebook lets a Page or profile go live when it has at least 100 followers; this one has fewer. Use another Page, or go live when it has them."
        }
    }
}

/// Why a token is dead, in a sentence.
pub(super) fn dead(subcode: Option<i64>) -> &'static str {
    match subcode {
        Some(458) => "This application was removed from the Facebook account.",
        Some(459) => "Facebook wants you to log in on facebook.com and to pass a security check first.",
        Some(460) => "The password of the Facebook account was changed, or Facebook ended the session for safety.",
        Some(464) => "The Facebook account is not confirmed: log in on facebook.com first.",
        _ => "The sign-in to Facebook has expired or was taken back.",
    }
}

/// A number, or a number written as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The platform's own words, those for people first; nothing that could be a token or key.
fn words(error: &Value) -> String {
    let of = |name: &str| error[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    let text = of("error_user_msg").or_else(|| of("message")).unwrap_or("it gave no reason");
    quote(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn error(code: i64, subcode: Option<i64>) -> Value {
        json!({"message": "(#1) Text", "type": "OAuthException", "code": code, "error_subcode": subcode})
    }

    fn failure(code: i64, subcode: Option<i64>) -> Failure {
        classify(&error(code, subcode), Usage::default(), true).0.into()
    }

    #[test]
    fn a_server_error_with_an_unknown_code_is_tried_again() {
        let unknown = || classify(&error(503, None), Usage::default(), false).0;
        assert!(!Failure::from(unknown()).is_transient());
        assert!(Failure::from(unknown().of_a_broken_server(false)).is_transient());
        let dead = Refusal::DeadToken(None).of_a_broken_server(false);
        assert_eq!(dead, Refusal::DeadToken(None));
    }

    #[test]
    fn codes_decide() {
        for (code, subcode, expected, transient) in [
            (190, Some(460), "reauth_required", false),
            (102, None, "reauth_required", false),
            (1, None, "platform_unavailable", true),
            (2, None, "platform_unavailable", true),
            (3, None, "platform_permission_missing", false),
            (10, None, "platform_permission_missing", false),
            (200, None, "platform_permission_missing", false),
            (299, None, "platform_permission_missing", false),
            (200, Some(1_363_120), "account_not_eligible", false),
            (200, Some(1_363_144), "account_not_eligible", false),
            (4, None, "platform_rate_limited", true),
            (17, None, "platform_rate_limited", true),
            (32, None, "platform_rate_limited", true),
            (341, None, "platform_rate_limited", true),
            (613, None, "platform_rate_limited", true),
            (80_001, None, "platform_rate_limited", true),
            (100, None, "platform_refused", false),
            (100, Some(33), "platform_refused", false),
            (100, Some(36_009), "platform_refused", false),
            (368, None, "platform_refused", false),
            (506, None, "platform_refused", false),
            (1000, None, "platform_refused", false),
            (987_654, None, "platform_refused", false),
        ] {
            let failure = failure(code, subcode);
            assert_eq!((failure.code(), failure.is_transient()), (expected, transient), "{code}/{subcode:?}");
        }
    }

    #[test]
    fn a_write_that_met_an_unknown_error_may_have_been_done() {
        assert!(failure(1, None).ambiguous);
        assert!(!classify(&error(2, None), Usage::default(), false).0.eq(&Refusal::Failed(failure(2, None))));
        let mut told = error(987_654, None);
        told["is_transient"] = true.into();
        let failure: Failure = classify(&told, Usage::default(), true).0.into();
        assert!(failure.ambiguous && failure.is_transient());
    }

    #[test]
    fn throttles_wait_as_told() {
        let usage = Usage { percent: 100, app_percent: 0, regain: Some(Duration::from_secs(600)) };
        let (refusal, throttle) = classify(&error(80_001, None), usage, true);
        assert_eq!(Failure::from(refusal).after, usage.regain);
        assert_eq!(throttle, Some(Throttle::Caller));
        let quiet = Usage { percent: 6, app_percent: 6, regain: None };
        let (refusal, throttle) = classify(&error(4, None), quiet, false);
        assert_eq!(Failure::from(refusal).after, Some(UNNAMED));
        assert_eq!(throttle, Some(Throttle::Caller));
        let full = Usage { percent: 101, app_percent: 101, regain: None };
        assert_eq!(classify(&error(4, None), full, false).1, Some(Throttle::App));
    }

    #[test]
    fn a_token_that_facebook_repeats_is_not_repeated() {
        let token = format!("EAA{}", "x1Y".repeat(50));
        let told = json!({"code": 100, "message": format!("Malformed access token {token} \u{0}\n given.")});
        let failure: Failure = classify(&told, Usage::default(), false).0.into();
        assert_eq!(failure.fault.message, "Facebook refused: Malformed access token … given.");
    }

    #[test]
    fn codes_as_text_and_without_any() {
        let told = json!({"code": "190", "error_subcode": "463"});
        assert_eq!(classify(&told, Usage::default(), false).0, Refusal::DeadToken(Some(463)));
        let told = json!({"code": "LIVE_VIDEO__NOT_EXIST"});
        assert_eq!(classify(&told, Usage::default(), false).0, Refusal::Gone);
        for told in [json!(null), json!("x"), json!([]), json!({"code": {}, "message": 7})] {
            let failure: Failure = classify(&told, Usage::default(), true).0.into();
            assert_eq!(failure.code(), "platform_refused");
        }
    }
}
