//! The body that ends a sign-in: what the platform sent the person back with, and the destination it is for.

use axum::http::StatusCode;
use domain::{ids::DestinationId, platform::Platform, platform_settings::PlatformSettings, settings::Settings};
use secret::SecretString;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    StreamName, Terms,
    destination::MAX_NAME_CHARS,
    platform_settings::{self, PlatformSettingsBody},
    settings::{self, SettingsBody},
};
use crate::{
    codes::{AUTHORIZATION_DENIED, INVALID, REQUIRED},
    error::{ApiError, NotFound},
    fields::Fields,
};

/// The longest code; Facebook's have some hundreds of characters.
const MAX_CODE_CHARS: usize = 4_096;
/// The longest state; ours are much shorter.
const MAX_STATE_CHARS: usize = 512;
/// What a platform says besides. It is taken, so that a client may pass on the whole answer, and not used.
const BESIDES: [&str; 10] = [
    "error_description",
    "error_message",
    "error_reason",
    "error_uri",
    "scope",
    "granted_scopes",
    "denied_scopes",
    "prompt",
    "hd",
    "iss",
];
/// Facebook's number beside `error`, the same: it may come as text or as a number.
const ERROR_CODE: &str = "error_code";
/// Google's number of the person among those who are signed in, the same.
const AUTHUSER: &str = "authuser";

/// The end of a sign-in: `code` (and `state`) as the platform sent them to the redirect URI.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ExchangeToken, example = json!({
    "code": "oauth_authorization_code", "state": "random_state_token",
    "stream_id": "0190b3c4-7a6e-7cc3-8a11-2f6f0a1b2c3d", "name": "My Platform Stream"
}))]
#[allow(dead_code)] // the shape for the API description; `Exchange::read` does the reading
pub struct ExchangeBody {
    /// What the platform sent to the redirect URI, URL-decoded. Usable once.
    #[schema(min_length = 1, max_length = 4096, write_only)]
    code: Option<String>,
    /// What came with it. May be left out while only one sign-in of yours is pending on this platform.
    #[schema(write_only)]
    state: Option<String>,
    /// Instead of `code`: what the platform sent when access was not allowed.
    #[schema(example = "access_denied")]
    error: Option<String>,
    /// The stream of the new destination.
    stream_id: Option<uuid::Uuid>,
    /// The new destination's name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Instead of a new destination: one that exists takes the account.
    destination_id: Option<uuid::Uuid>,
    /// Whether the next start includes the new destination. Default true.
    is_enabled: Option<bool>,
    /// How the new destination wants its stream.
    settings: Option<SettingsBody>,
    /// What the new destination asks of its platform.
    platform_settings: Option<PlatformSettingsBody>,
}

/// How a sign-in ended.
#[derive(Debug)]
pub enum Ended {
    /// With a code.
    Allowed(Exchange),
    /// With an error.
    Denied(Denied),
}

/// A sign-in that ended with an error. `Debug` hides the state.
#[derive(Debug)]
pub struct Denied {
    /// What came with the error.
    pub state: Option<SecretString>,
    /// 422 `authorization_denied`.
    pub answer: ApiError,
}

/// The end of a sign-in, checked. `Debug` hides code and state.
#[derive(Debug)]
pub struct Exchange {
    /// Usable once.
    pub code: SecretString,
    /// What came with it.
    pub state: Option<SecretString>,
    /// What becomes of the account.
    pub goal: Goal,
}

/// What a freshly linked account is for.
#[derive(Debug)]
pub enum Goal {
    /// A new destination.
    New {
        /// Of this stream.
        stream: StreamName,
        /// For people.
        name: String,
        /// Whether it takes part.
        is_enabled: bool,
        /// How.
        settings: Settings,
        /// What is asked of the platform.
        platform_settings: Box<PlatformSettings>,
    },
    /// One that exists.
    Existing {
        /// Which.
        destination: DestinationId,
        /// It must be of this stream, if the body says so.
        stream: Option<StreamName>,
        /// Its new name.
        name: Option<String>,
    },
}

impl Exchange {
    /// Reads a body for the platform that the path names. No answer ever repeats a code or a state.
    ///
    /// # Errors
    /// 422 with every field at fault; 404 when `destination_id` is no UUID.
    pub fn read(body: &Value, platform: Platform, terms: Terms) -> Result<Ended, ApiError> {
        let mut fields = Fields::of(body)?;
        for name in BESIDES {
            fields.string(name);
        }
        for name in [ERROR_CODE, AUTHUSER] {
            fields.anything(name);
        }
        let state = secret(&mut fields, "state", MAX_STATE_CHARS);
        let code = secret(&mut fields, "code", MAX_CODE_CHARS);
        let denied = fields.text("error", MAX_STATE_CHARS);
        if fields.has("error") && fields.has("code") {
            fields.refuse("error", INVALID, "can't be given together with code");
        }
        let goal = Goal::read(&mut fields);
        if !fields.has("error") {
            fields.require("code");
            goal.as_ref().map_or_else(|missing| missing.report(&mut fields), |_| ());
        }
        fields.finish()?;
        if denied.is_some() {
            return Ok(Ended::Denied(Denied { state, answer: refused(denied, platform) }));
        }
        let goal = goal.map_err(|_| ApiError::not_found(NotFound::Destination))?;
        goal.check(platform, terms)?;
        let code = code.ok_or_else(|| ApiError::field("code", REQUIRED, "is required"))?;
        Ok(Ended::Allowed(Self { code, state, goal }))
    }
}

/// Why there is no goal.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// Fields of a new destination are not there, or not valid.
    Fields,
    /// `destination_id` is no UUID, so it names nothing.
    Destination,
}

impl Missing {
    fn report(self, fields: &mut Fields<'_>) {
        if matches!(self, Self::Fields) {
            fields.require("stream_id");
            fields.require("name");
        }
    }
}

impl Goal {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Missing> {
        let stream = fields.string("stream_id").map(StreamName::of);
        let name = fields.text("name", MAX_NAME_CHARS).map(str::to_owned);
        if fields.has("destination_id") {
            let id = fields.string("destination_id").and_then(super::uuid);
            let destination = DestinationId(id.ok_or(Missing::Destination)?);
            return Ok(Self::Existing { destination, stream, name });
        }
        let is_enabled = fields.boolean("is_enabled").unwrap_or(true);
        let settings = fields.object("settings", settings::read).unwrap_or_default();
        let platform_settings = fields.object("platform_settings", platform_settings::read);
        let (stream, name) = (stream.ok_or(Missing::Fields)?, name.ok_or(Missing::Fields)?);
        let platform_settings = Box::new(platform_settings.unwrap_or_default());
        Ok(Self::New { stream, name, is_enabled, settings, platform_settings })
    }

    fn check(&self, platform: Platform, terms: Terms) -> Result<(), ApiError> {
        let Self::New { settings, platform_settings, .. } = self else { return Ok(()) };
        settings::check_platform(settings, platform)?;
        platform_settings::check(
            platform_settings,
            &PlatformSettings::default(),
            platform,
            "platform_settings",
            terms.now_s,
        )
    }
}

/// Visible ASCII, as RFC 6749 appendix A.11 has codes and A.5 states.
fn secret(fields: &mut Fields<'_>, name: &'static str, max_chars: usize) -> Option<SecretString> {
    let text = fields.string(name)?;
    if (1..=max_chars).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(SecretString::from(text));
    }
    fields.refuse(name, INVALID, format!("must be 1 to {max_chars} visible ASCII characters, as the platform sent it"));
    None
}

fn refused(error: Option<&str>, platform: Platform) -> ApiError {
    let message = if error == Some("access_denied") {
        format!("Access was not allowed at {platform}, so nothing is linked. Get a new auth-url and allow it there.")
    } else {
        format!("{platform} ended the sign-in with an error, so nothing is linked. Get a new auth-url and try again.")
    };
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, AUTHORIZATION_DENIED, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowed(body: &Value) -> Exchange {
        match Exchange::read(body, Platform::Youtube, Terms::default()) {
            Ok(Ended::Allowed(exchange)) => exchange,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn refusal(body: &Value) -> (String, Vec<String>) {
        let error = match Exchange::read(body, Platform::Youtube, Terms::default()) {
            Ok(Ended::Denied(denied)) => denied.answer,
            ended => ended.expect_err("refused"),
        };
        let body = error.body("").error;
        (body.code, body.fields.into_iter().map(|f| f.field).collect())
    }

    #[test]
    fn the_guides_body_is_taken() {
        let body = json!({"code": "oauth_authorization_code", "stream_id": "x", "name": "My Platform Stream"});
        let exchange = allowed(&body);
        assert!(matches!(&exchange.goal, Goal::New { name, is_enabled: true, .. } if name == "My Platform Stream"));
        assert!(!format!("{exchange:?}").contains("oauth_authorization_code"));
        let callback = json!({"code": "4/0A-x", "state": "s", "scope": "a b", "stream_id": "x", "name": "n"});
        allowed(&callback);
        let existing = json!({"code": "c", "destination_id": "0190b3c4-7a6e-7cc3-8a11-2f6f0a1b2c3d"});
        assert!(matches!(allowed(&existing).goal, Goal::Existing { stream: None, name: None, .. }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = json!({"code": "c", "stream_id": "x", "name": "n"});
        let with = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        let invalid = |body: &Value, fields: &[&str]| {
            assert_eq!(
                refusal(body),
                ("validation_failed".to_owned(), fields.iter().map(|f| (*f).to_owned()).collect()),
                "{body}"
            );
        };
        invalid(&json!({}), &["code", "stream_id", "name"]);
        invalid(&json!({"code": "c"}), &["stream_id", "name"]);
        invalid(&with("code", json!("")), &["code"]);
        invalid(&with("code", json!("a b")), &["code"]);
        invalid(&with("code", json!("x".repeat(4_097))), &["code"]);
        invalid(&with("code", json!(7)), &["code"]);
        invalid(&with("state", json!("")), &["state"]);
        invalid(&with("state", json!(null)), &["state"]);
        invalid(&with("error", json!("access_denied")), &["error"]);
        invalid(&with("redirect_uri", json!("https://evil.example")), &["redirect_uri"]);
        invalid(&with("settings", json!({"bitrate": 499})), &["settings.bitrate"]);
        invalid(&with("platform_settings", json!({"privacy": "friends"})), &["platform_settings.privacy"]);
        assert_eq!(refusal(&with("platform_settings", json!({"tags": []}))).0, "not_offered_by_platform");
        assert_eq!(refusal(&with("destination_id", json!("1"))).0, "destination_not_found");
        for error in ["access_denied", "server_error"] {
            assert_eq!(refusal(&json!({"error": error, "state": "s"})).0, "authorization_denied");
        }
        let facebook =
            json!({"error": "access_denied", "error_code": "200", "error_reason": "user_denied", "state": "s"});
        assert_eq!(refusal(&facebook).0, "authorization_denied");
        assert_eq!(refusal(&json!({"error": ""})).0, "validation_failed");
    }
}
