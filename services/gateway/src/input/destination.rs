//! The bodies that make and change a destination.

use domain::{
    platform::Platform,
    platform_settings::PlatformSettings,
    settings::Settings,
    target::{RtmpUrl, TargetPolicy},
};
use secret::StreamKey;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    AccountName, StreamName, Terms,
    platform_settings::{self, PlatformSettingsBody},
    settings,
};
use crate::{codes::INVALID, error::ApiError, fields::Fields, platforms};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// What only the server sets.
const SERVER_OWNED: &[&str] = &[
    "id",
    "owner",
    "tenant_id",
    "status",
    "health",
    "issues",
    "error",
    "viewer_count",
    "playback_url",
    "reconnects",
    "retry_at",
    "mode",
    "created_at",
    "connected_at",
    "platform_state",
    "effective_settings",
    "platform_changes",
];

/// A new destination.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewDestination, example = json!({
    "stream_id": "0190b3c4-7a6e-7cc3-8a11-2f6f0a1b2c3d", "platform": "rtmp_custom", "name": "Custom RTMP Server",
    "rtmp_url": "rtmp://custom-server.com/live", "stream_key": "xxxx-xxxx-xxxx-xxxx",
    "settings": {"bitrate": 3500, "resolution": "1280x720", "framerate": 30}
}))]
#[allow(dead_code)] // the shape for the API description; `New::read` does the reading
pub struct NewDestinationBody {
    /// The stream it belongs to. Not needed where the path names the stream.
    stream_id: Option<uuid::Uuid>,
    /// youtube, twitch, facebook, cloudflare or rtmp_custom.
    platform: String,
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Whether the next start includes it. Default true.
    is_enabled: Option<bool>,
    /// How it wants its stream.
    settings: Option<settings::SettingsBody>,
    /// youtube, twitch, facebook: which linked account; the only one when left out.
    account_id: Option<uuid::Uuid>,
    /// What it asks of its platform.
    platform_settings: Option<PlatformSettingsBody>,
    /// rtmp_custom: where to publish, without the key.
    #[schema(example = "rtmps://live.example.com/app")]
    rtmp_url: Option<String>,
    /// rtmp_custom: the key. Stored encrypted, never shown again.
    #[schema(min_length = 1, max_length = 512, write_only)]
    stream_key: Option<String>,
}

/// A change of a destination. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangedDestination, example = json!({"name": "Backup server", "is_enabled": false}))]
#[allow(dead_code)] // the shape for the API description; `Change::read` does the reading
pub struct ChangedDestinationBody {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Whether the next start includes it.
    is_enabled: Option<bool>,
    /// Replaces all settings.
    settings: Option<settings::SettingsBody>,
    /// youtube, twitch, facebook: another linked account, from the next start on.
    account_id: Option<uuid::Uuid>,
    /// Replaces all that it asks of its platform.
    platform_settings: Option<PlatformSettingsBody>,
    /// rtmp_custom: where to publish, without the key.
    rtmp_url: Option<String>,
    /// rtmp_custom: the new key. A running session takes it at once.
    #[schema(min_length = 1, max_length = 512, write_only)]
    stream_key: Option<String>,
}

/// A new destination, checked.
#[derive(Debug)]
pub struct New {
    /// As the body names it; `None` when it does not.
    pub stream: Option<StreamName>,
    /// Where.
    pub platform: Platform,
    /// For people.
    pub name: String,
    /// Whether it takes part.
    pub is_enabled: bool,
    /// How.
    pub settings: Settings,
    /// Where it goes.
    pub place: Place,
}

/// Where a destination goes.
#[derive(Debug)]
pub enum Place {
    /// To a server that the person names.
    Server {
        /// Where to publish.
        target: RtmpUrl,
        /// With which key.
        key: StreamKey,
    },
    /// To a platform that says itself where to publish.
    Platform {
        /// With which linked account.
        account: Option<AccountName>,
        /// What is asked of it.
        settings: PlatformSettings,
    },
}

impl New {
    /// Reads a body. `path_names_stream`: the field `stream_id` may be left out.
    ///
    /// # Errors
    /// 422 with every field at fault.
    pub fn read(body: &Value, path_names_stream: bool, terms: Terms) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let stream = fields.string("stream_id").map(StreamName::of);
        if !path_names_stream {
            fields.require("stream_id");
        }
        let platform: Option<Platform> = fields.parsed("platform", str::parse);
        fields.require("platform");
        let name = fields.text("name", MAX_NAME_CHARS);
        fields.require("name");
        let is_enabled = fields.boolean("is_enabled").unwrap_or(true);
        let settings = fields.object("settings", settings::read).unwrap_or_default();
        let wishes = Wishes::read(&mut fields, terms.policy);
        if platform == Some(Platform::RtmpCustom) {
            fields.require("rtmp_url");
            fields.require("stream_key");
        }
        fields.server_owned(SERVER_OWNED);
        fields.finish()?;
        let platform = platform.ok_or_else(|| ApiError::field("platform", INVALID, "is required"))?;
        settings::check_platform(&settings, platform)?;
        wishes.check_platform(platform, &PlatformSettings::default(), terms)?;
        let Some(name) = name else { return Err(ApiError::field("name", INVALID, "is required")) };
        Ok(Self { stream, platform, name: name.to_owned(), is_enabled, settings, place: wishes.place()? })
    }
}

impl New {
    /// The same destination with a linked account.
    #[must_use]
    pub fn with_account(mut self, name: AccountName) -> Self {
        if let Place::Platform { account, .. } = &mut self.place {
            *account = Some(name);
        }
        self
    }
}

/// The fields that only some platforms have.
#[derive(Debug)]
pub struct Wishes {
    /// Where to publish.
    pub target: Option<RtmpUrl>,
    /// With which key.
    pub key: Option<StreamKey>,
    /// With which linked account.
    pub account: Option<AccountName>,
    /// What is asked of the platform.
    pub settings: Option<PlatformSettings>,
}

impl Wishes {
    fn read(fields: &mut Fields<'_>, policy: TargetPolicy) -> Self {
        Self {
            target: target(fields, policy),
            key: stream_key(fields),
            account: fields.string("account_id").map(AccountName::of),
            settings: fields.object("platform_settings", platform_settings::read),
        }
    }

    fn check_platform(&self, platform: Platform, before: &PlatformSettings, terms: Terms) -> Result<(), ApiError> {
        let own_server = platform == Platform::RtmpCustom;
        for (field, given) in [("rtmp_url", self.target.is_some()), ("stream_key", self.key.is_some())] {
            if given && !own_server {
                return Err(ApiError::field(field, INVALID, format!("is given by {platform}, it can't be set")));
            }
        }
        if self.account.is_some() && !platforms::has_accounts(platform) {
            return Err(ApiError::field("account_id", INVALID, format!("{platform} has no accounts to sign in to")));
        }
        let settings = self.settings.as_ref();
        settings.map_or(Ok(()), |s| platform_settings::check(s, before, platform, "platform_settings", terms.now_s))
    }

    /// Where a new destination goes. The fields have been checked.
    fn place(self) -> Result<Place, ApiError> {
        match (self.target, self.key) {
            (Some(target), Some(key)) => Ok(Place::Server { target, key }),
            (None, None) => Ok(Place::Platform { account: self.account, settings: self.settings.unwrap_or_default() }),
            _ => Err(ApiError::field("", INVALID, "rtmp_url and stream_key are required")),
        }
    }
}

/// A change of a destination, checked as far as it can be without knowing the destination.
#[derive(Debug)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// Whether it takes part.
    pub is_enabled: Option<bool>,
    /// All settings anew.
    pub settings: Option<Settings>,
    /// What only some platforms have.
    pub wishes: Wishes,
}

impl Change {
    /// Reads a body.
    ///
    /// # Errors
    /// 422 with every field at fault.
    pub fn read(body: &Value, terms: Terms) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let name = fields.text("name", MAX_NAME_CHARS).map(str::to_owned);
        let is_enabled = fields.boolean("is_enabled");
        let settings = fields.object("settings", settings::read);
        let wishes = Wishes::read(&mut fields, terms.policy);
        fields.server_owned(SERVER_OWNED);
        fields.server_owned(&["stream_id", "platform"]);
        fields.finish()?;
        Ok(Self { name, is_enabled, settings, wishes })
    }

    /// Checks what depends on the platform, and on what is stored `before`.
    ///
    /// # Errors
    /// 422 with the fields at fault.
    pub fn check_platform(&self, platform: Platform, before: &PlatformSettings, terms: Terms) -> Result<(), ApiError> {
        if let Some(settings) = &self.settings {
            settings::check_platform(settings, platform)?;
        }
        self.wishes.check_platform(platform, before, terms)
    }
}

fn target(fields: &mut Fields<'_>, policy: TargetPolicy) -> Option<RtmpUrl> {
    match RtmpUrl::parse(fields.string("rtmp_url")?, policy) {
        Ok(url) => Some(url),
        Err(e) => {
            fields.refuse("rtmp_url", e.code(), e.to_string());
            None
        }
    }
}

/// The error says what is wrong and never repeats the key.
fn stream_key(fields: &mut Fields<'_>) -> Option<StreamKey> {
    match StreamKey::new(fields.string("stream_key")?.to_owned()) {
        Ok(key) => Some(key),
        Err(e) => {
            fields.refuse("stream_key", INVALID, e.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(json!("rtmp_custom")),
            Just(json!("twitch")),
            Just(json!("rtmp://example.com/live")),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            let name = prop_oneof![
                Just("settings".to_owned()),
                Just("bitrate".to_owned()),
                Just("platform".to_owned()),
                Just("rtmp_url".to_owned()),
                Just("stream_key".to_owned()),
                Just("name".to_owned()),
                Just("platform_settings".to_owned()),
                Just("tags".to_owned()),
                Just("account_id".to_owned()),
                ".{0,10}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn guide() -> Value {
        json!({"stream_id": "x", "platform": "rtmp_custom", "name": "n", "rtmp_url": "rtmp://example.com/live",
            "stream_key": "secret-key-0123", "settings": {"bitrate": 4500}})
    }

    #[test]
    fn what_is_read_is_what_was_sent() {
        let new = New::read(&guide(), false, Terms::default()).unwrap();
        assert_eq!((new.name.as_str(), new.is_enabled), ("n", true));
        let Place::Server { target, key } = &new.place else { panic!("{new:?}") };
        assert_eq!((target.to_string().as_str(), key.expose()), ("rtmp://example.com/live", "secret-key-0123"));
        assert!(!format!("{new:?}").contains("secret-key"));
    }

    proptest! {
        /// Any body is taken or refused with 422, and a refusal never repeats a key.
        #[test]
        fn any_body_is_taken_or_refused(body in any_json(), field in "[a-z_]{1,12}", value in any_json()) {
            let terms = Terms::default();
            let mut changed = guide();
            changed[field] = value;
            for body in [&body, &changed] {
                for refused in [New::read(body, false, terms).err(), Change::read(body, terms).err()].into_iter().flatten() {
                    prop_assert_eq!(refused.status(), 422);
                    let text = serde_json::to_string(&refused.body("r")).unwrap();
                    prop_assert!(!text.contains("secret-key"), "{}", text);
                }
            }
        }
    }
}
