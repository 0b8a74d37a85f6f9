//! A live input as the API shows it, and as we want it.

use domain::platform_settings::PlatformSettings;
use secret::StreamKey;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// The member of `meta` that says whose input it is.
pub(super) const OWNER: &str = "exprsn_destination";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveInputs {
    #[serde(default)]
    pub live_inputs: Vec<LiveInput>,
}

/// No `Debug`: it holds the key.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveInput {
    pub uid: String,
    #[serde(default)]
    pub created: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default, deserialize_with = "object")]
    pub meta: Map<String, Value>,
    #[serde(default, deserialize_with = "object")]
    pub recording: Map<String, Value>,
    #[serde(default)]
    pub prefer_low_latency: bool,
    #[serde(default)]
    delete_recording_after_days: Value,
    #[serde(default)]
    default_creator: Value,
    #[serde(default)]
    rtmps: Option<Rtmps>,
    #[serde(default, rename = "webRTC")]
    web_rtc: Option<WebRtc>,
    #[serde(default)]
    pub status: Status,
}

fn yes() -> bool {
    true
}

/// Anything but an object counts as an empty one.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(members) => members,
        _ => Map::new(),
    })
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rtmps {
    url: String,
    stream_key: String,
}

#[derive(Clone, Deserialize)]
struct WebRtc {
    #[serde(default)]
    url: String,
}

/// The state of the connection to an input. The specification says a string, answers in the wild hold
/// `{"current": {"state": …}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// `connected`, `client_disconnect`, …
    pub word: Option<String>,
    /// `ERR_…`: what Cloudflare has against the stream.
    pub error: Option<String>,
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let current = value.get("current").unwrap_or(&value);
        let word = current.as_str().or_else(|| current.get("state").and_then(Value::as_str)).map(str::to_owned);
        let reasons = ["/error/code", "/errorCode", "/reason"].map(|at| current.pointer(at).and_then(Value::as_str));
        let error = reasons.into_iter().flatten().find(|reason| reason.starts_with("ERR_")).map(str::to_owned);
        Ok(Self { word, error })
    }
}

impl Status {
    /// Media arrives at Cloudflare.
    pub fn is_connected(&self) -> bool {
        matches!(self.word.as_deref(), Some("connected" | "reconnected" | "new_configuration_accepted"))
    }
}

impl LiveInput {
    /// Whether it was made for this destination.
    pub fn belongs_to(&self, destination: &str) -> bool {
        self.meta.get(OWNER).and_then(Value::as_str) == Some(destination)
    }

    /// Whether broadcasts are recorded, which is also what playback needs.
    pub fn records(&self) -> bool {
        self.recording.get("mode").and_then(Value::as_str) == Some("automatic")
    }

    /// The RTMPS address without a slash at its end, and the key.
    pub fn publish_to(&self) -> Option<(String, StreamKey)> {
        let rtmps = self.rtmps.as_ref()?;
        let key = StreamKey::new(rtmps.stream_key.clone()).ok()?;
        Some((rtmps.url.trim_end_matches('/').to_owned(), key))
    }

    /// Where WebRTC publishes to. A secret; its host has the customer code.
    pub fn web_rtc_url(&self) -> &str {
        self.web_rtc.as_ref().map_or("", |web_rtc| &web_rtc.url)
    }
}

/// What an input should be like.
pub(super) struct Wish<'a> {
    pub name: &'a str,
    pub destination: &'a str,
    pub settings: &'a PlatformSettings,
    pub enabled: bool,
}

impl Wish<'_> {
    fn mode(&self) -> &'static str {
        if self.settings.recording.unwrap_or(true) { "automatic" } else { "off" }
    }

    /// The body of a create.
    pub fn create(&self) -> Value {
        let mut body = json!({
            "meta": {"name": self.name, OWNER: self.destination}, "recording": {"mode": self.mode()},
            "enabled": self.enabled,
        });
        if let Some(low) = self.settings.low_latency {
            body["preferLowLatency"] = low.into();
        }
        body
    }

    /// Whether `input` is as wished.
    pub fn is_met_by(&self, input: &LiveInput) -> bool {
        input.enabled == self.enabled
            && input.belongs_to(self.destination)
            && input.meta.get("name").and_then(Value::as_str) == Some(self.name)
            && input.recording.get("mode").and_then(Value::as_str) == Some(self.mode())
            && self.settings.low_latency.is_none_or(|low| low == input.prefer_low_latency)
    }

    /// The body of a change. Complete: it is not documented whether members left out stay as they are, so what people
    /// have set in Cloudflare's dashboard goes back as it came.
    pub fn change(&self, input: &LiveInput) -> Value {
        let mut meta = input.meta.clone();
        meta.insert("name".to_owned(), self.name.into());
        meta.insert(OWNER.to_owned(), self.destination.into());
        let mut recording = input.recording.clone();
        recording.retain(|_, value| !value.is_null());
        recording.insert("mode".to_owned(), self.mode().into());
        let low = self.settings.low_latency.unwrap_or(input.prefer_low_latency);
        let mut body = json!({"meta": meta, "recording": recording, "enabled": self.enabled, "preferLowLatency": low});
        let kept = [
            ("deleteRecordingAfterDays", &input.delete_recording_after_days),
            ("defaultCreator", &input.default_creator),
        ];
        for (name, value) in kept.into_iter().filter(|(_, value)| !value.is_null()) {
            body[name] = value.clone();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_two_shapes() {
        let check = |status: Value, word: Option<&str>, error: Option<&str>| {
            let read: Status = serde_json::from_value(status).unwrap();
            assert_eq!((read.word.as_deref(), read.error.as_deref()), (word, error));
        };
        check(Value::Null, None, None);
        check(json!("connected"), Some("connected"), None);
        check(json!({"current": {"state": "connected", "reason": "connected"}}), Some("connected"), None);
        let unfit = json!({"current": {"state": "failed_to_connect", "reason": "ERR_GOP_OUT_OF_RANGE"}, "history": []});
        check(unfit, Some("failed_to_connect"), Some("ERR_GOP_OUT_OF_RANGE"));
        check(json!({"history": []}), None, None);
    }

    #[test]
    fn a_change_keeps_what_people_have_set() {
        let input: LiveInput = serde_json::from_value(json!({
            "uid": "u", "meta": {"name": "old", "team": "blue"}, "deleteRecordingAfterDays": 45,
            "recording": {"mode": "off", "requireSignedURLs": true, "allowedOrigins": null}, "preferLowLatency": true,
        }))
        .unwrap();
        let settings = PlatformSettings::default();
        let wish = Wish { name: "new", destination: "d", settings: &settings, enabled: true };
        assert!(!wish.is_met_by(&input));
        let body = wish.change(&input);
        let expected = json!({
            "meta": {"name": "new", "team": "blue", OWNER: "d"}, "deleteRecordingAfterDays": 45, "enabled": true,
            "recording": {"mode": "automatic", "requireSignedURLs": true}, "preferLowLatency": true,
        });
        assert_eq!(body, expected);
    }
}
