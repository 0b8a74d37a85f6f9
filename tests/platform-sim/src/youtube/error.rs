//! YouTube's error body; clients switch on `errors[].reason`.

use serde_json::json;

use crate::http::Answer;

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub domain: &'static str,
    pub reason: &'static str,
    pub message: &'static str,
    challenge: Option<&'static str>,
}

const BROADCAST: &str = "youtube.liveBroadcast";
const STREAM: &str = "youtube.liveStream";

const fn refusal(status: u16, domain: &'static str, reason: &'static str, message: &'static str) -> Refusal {
    Refusal { status, domain, reason, message, challenge: None }
}

/// 400 about a broadcast.
pub(super) const fn bad_broadcast(reason: &'static str, message: &'static str) -> Refusal {
    refusal(400, BROADCAST, reason, message)
}

/// 400 about a stream.
pub(super) const fn bad_stream(reason: &'static str, message: &'static str) -> Refusal {
    refusal(400, STREAM, reason, message)
}

/// 403 about a broadcast.
pub(super) const fn wrong_state(reason: &'static str, message: &'static str) -> Refusal {
    refusal(403, BROADCAST, reason, message)
}

/// 400 of the API's front, before any resource is looked at.
pub(super) const fn bad_request(reason: &'static str, message: &'static str) -> Refusal {
    refusal(400, "youtube.parameter", reason, message)
}

pub(super) const NOT_FOUND: Refusal = refusal(404, "global", "notFound", "Not Found");
pub(super) const LOGIN_REQUIRED: Refusal = Refusal {
    challenge: Some("Bearer realm=\"https://accounts.google.com/\""),
    ..refusal(401, "global", "authorizationRequired", "Login Required.")
};
pub(super) const INVALID_TOKEN: Refusal = Refusal {
    challenge: Some("Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\""),
    ..refusal(401, "global", "authError", "Invalid Credentials")
};
pub(super) const SIGNUP_REQUIRED: Refusal =
    refusal(401, "youtube.header", "youtubeSignupRequired", "Unauthorized: a YouTube channel is required");
pub(super) const INSUFFICIENT_SCOPE: Refusal = Refusal {
    challenge: Some(
        "Bearer realm=\"https://accounts.google.com/\", error=\"insufficient_scope\", \
         scope=\"https://www.googleapis.com/auth/youtube https://www.googleapis.com/auth/youtube.force-ssl\"",
    ),
    ..refusal(403, "global", "insufficientPermissions", "Request had insufficient authentication scopes.")
};
pub(super) const LIVE_NOT_ENABLED: Refusal =
    refusal(403, BROADCAST, "liveStreamingNotEnabled", "The user is not enabled for live streaming.");
pub(super) const QUOTA: Refusal = refusal(
    403,
    "youtube.quota",
    "quotaExceeded",
    "The request cannot be completed because you have exceeded your <a href=\"/youtube/v3/getting-started#quota\">quota</a>.",
);
pub(super) const FORBIDDEN: Refusal = refusal(403, "global", "forbidden", "Forbidden");
pub(super) const NO_BROADCAST: Refusal = refusal(404, BROADCAST, "liveBroadcastNotFound", "Broadcast not found");
pub(super) const NO_STREAM: Refusal = refusal(404, STREAM, "liveStreamNotFound", "Stream not found");
pub(super) const NO_VIDEO: Refusal = refusal(404, "youtube.video", "videoNotFound", "Video not found");
pub(super) const NO_CHAT: Refusal = refusal(404, "youtube.liveChat", "liveChatNotFound", "Live chat not found");
pub(super) const CHAT_ENDED: Refusal =
    refusal(403, "youtube.liveChat", "liveChatEnded", "The specified live chat is no longer live.");
pub(super) const STREAM_IN_USE: Refusal =
    refusal(403, STREAM, "liveStreamDeletionNotAllowed", "The stream is bound to a broadcast that is not complete");
pub(super) const CDN_FIXED: Refusal =
    refusal(403, STREAM, "liveStreamModificationNotAllowed", "The cdn settings cannot be modified");
pub(super) const TOO_MANY: Refusal = refusal(
    403,
    BROADCAST,
    "userBroadcastsExceedLimit",
    "The user has too many live or scheduled broadcasts and must stop or delete some.",
);
pub(super) const NO_MEDIA_BODY: Refusal =
    refusal(400, "youtube.thumbnail", "mediaBodyRequired", "The request does not include the image content.");
pub(super) const BAD_IMAGE: Refusal =
    refusal(400, "youtube.thumbnail", "invalidImage", "The provided image content is invalid.");
pub(super) const IMAGE_TOO_LARGE: Refusal =
    refusal(413, "global", "uploadTooLarge", "Media is larger than limit: 2097152");

impl Refusal {
    pub fn into_answer(self) -> Answer {
        let one = json!({
            "domain": self.domain, "reason": self.reason, "message": self.message,
            "extendedHelp": "https://developers.google.com/youtube/v3/live/docs/errors",
        });
        let body = json!({"error": {"code": self.status, "message": self.message, "errors": [one]}});
        let answer = Answer::json(self.status, &body);
        match self.challenge {
            Some(challenge) => answer.with("www-authenticate", challenge),
            None => answer,
        }
    }
}
