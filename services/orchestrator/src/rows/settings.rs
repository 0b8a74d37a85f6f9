//! A destination's settings, stored under their REST names.

use domain::settings::{Invalid, Settings};
use serde::{Deserialize, Serialize};

/// The JSON in the column `settings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    framerate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_start: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_reconnect: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
}

impl From<&Settings> for StoredSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            bitrate: settings.bitrate_kbps,
            resolution: settings.resolution.map(|r| r.to_string()),
            framerate: settings.framerate,
            preset: settings.preset.map(|p| p.as_str().to_owned()),
            auto_start: settings.auto_start,
            auto_reconnect: settings.auto_reconnect,
            max_retries: settings.max_retries,
        }
    }
}

impl TryFrom<&StoredSettings> for Settings {
    type Error = Invalid;

    fn try_from(stored: &StoredSettings) -> Result<Self, Invalid> {
        let settings = Self {
            bitrate_kbps: stored.bitrate,
            resolution: stored.resolution.as_deref().map(str::parse).transpose()?,
            framerate: stored.framerate,
            preset: stored.preset.as_deref().map(str::parse).transpose()?,
            auto_start: stored.auto_start,
            auto_reconnect: stored.auto_reconnect,
            max_retries: stored.max_retries,
        };
        settings.check()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use domain::settings::{Preset, Resolution};

    use super::*;

    #[test]
    fn settings_survive_storage_under_their_rest_names() {
        let settings = Settings {
            bitrate_kbps: Some(4_500),
            resolution: Some(Resolution { width: 1280, height: 720 }),
            framerate: Some(30),
            preset: Some(Preset::Fast),
            auto_start: Some(true),
            auto_reconnect: None,
            max_retries: Some(3),
        };
        let stored = StoredSettings::from(&settings);
        let json = serde_json::to_string(&stored).expect("JSON");
        assert!(json.starts_with(r#"{"bitrate":4500,"resolution":"1280x720","framerate":30"#), "{json}");
        let back: StoredSettings = serde_json::from_str(&json).expect("JSON");
        assert_eq!(Settings::try_from(&back), Ok(settings));
    }
}
