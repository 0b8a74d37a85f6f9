//! Graph's error body; clients switch on `code` and `error_subcode`, not on the HTTP status.

use serde_json::json;

use crate::{http::Answer, oauth::Access};

/// Graph's trace id of every answer here.
pub(crate) const TRACE: &str = "AsimulatedTraceIdOfGraph";

/// An `OAuthException`.
pub(crate) fn oauth(status: u16, code: u32, subcode: Option<u32>, message: &str) -> Answer {
    typed(status, "OAuthException", code, subcode, message)
}

fn typed(status: u16, kind: &str, code: u32, subcode: Option<u32>, message: &str) -> Answer {
    let mut error = json!({"message": message, "type": kind, "code": code, "fbtrace_id": TRACE});
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    if let Some((title, text)) = for_people(subcode) {
        error["error_user_title"] = title.into();
        error["error_user_msg"] = text.into();
    }
    Answer::json(status, &json!({ "error": error }))
}

fn for_people(subcode: Option<u32>) -> Option<(&'static str, &'static str)> {
    match subcode? {
        1_363_120 => Some(("Account too new", "Your account must be at least 60 days old to go live.")),
        1_363_144 => Some(("Not enough followers", "You need at least 100 followers to go live.")),
        _ => None,
    }
}

/// 100: a parameter is wrong.
pub(super) fn parameter(message: &str) -> Answer {
    oauth(400, 100, None, &format!("(#100) {message}"))
}

/// 100/33: not there, or not visible.
pub(super) fn no_object(id: &str) -> Answer {
    let message = format!(
        "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
    );
    typed(400, "GraphMethodException", 100, Some(33), &message)
}

/// 190 with the reason as subcode.
pub(crate) fn dead_token(access: &Access) -> Answer {
    let (subcode, message) = match access.dead.map(|death| death.subcode) {
        None => (463, "Error validating access token: Session has expired."),
        Some(458) => (458, "Error validating access token: The user has not authorized application."),
        Some(459) => (459, "Error validating access token: The user is enrolled in a blocking, logged-in checkpoint"),
        Some(subcode) => (
            subcode,
            "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
        ),
    };
    oauth(400, 190, (subcode > 0).then_some(subcode), message)
}
