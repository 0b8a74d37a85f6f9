//! The platforms' own error bodies, for faults: what a product must tell apart by its real discriminator.
//!
//! ```
//! use platform_sim::{Fault, errors};
//! let blocked = Fault::on("POST", "/youtube/v3/liveBroadcasts")
//!     .answer(403, errors::youtube(403, "youtube.liveBroadcast", "livePermissionBlocked", "Blocked"));
//! let removed = Fault::on("GET", "/graph/*").answer(400, errors::facebook(190, Some(458), "App removed"));
//! # let _ = (blocked, removed);
//! ```

use serde_json::{Value, json};

/// `error.errors[0].reason` is what counts.
pub fn youtube(status: u16, domain: &str, reason: &str, message: &str) -> Value {
    let one = json!({"domain": domain, "reason": reason, "message": message});
    json!({"error": {"code": status, "message": message, "errors": [one]}})
}

/// The status and the message are all there is.
pub fn twitch(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        _ => "Error",
    };
    json!({"error": name, "status": status, "message": message})
}

/// `error.code` and `error.error_subcode` are what counts; the HTTP status is mostly 400.
pub fn facebook(code: u32, subcode: Option<u32>, message: &str) -> Value {
    let mut error = json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Asimulated"});
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    json!({ "error": error })
}

/// `errors[0].code` is what counts, in the envelope.
pub fn cloudflare(code: u32, message: &str) -> Value {
    json!({"success": false, "errors": [{"code": code, "message": message}], "messages": [], "result": null})
}

/// Google's token endpoint: `invalid_grant`, `invalid_client`, …
pub fn google_oauth(error: &str, description: &str) -> Value {
    json!({"error": error, "error_description": description})
}

/// Twitch's token endpoint.
pub fn twitch_oauth(status: u16, message: &str) -> Value {
    json!({"status": status, "message": message})
}
