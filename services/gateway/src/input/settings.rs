//! A destination's `settings`.

use domain::{
    limits::objections,
    platform::Platform,
    settings::{BITRATE_KBPS, FRAMERATE, Invalid, MAX_RETRIES_LIMIT, Settings},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    codes::ABOVE_PLATFORM_LIMIT,
    error::{ApiError, FieldError},
    fields::Fields,
};

/// How a destination wants its stream. What is left out follows the source, as far as the platform takes it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Settings)]
#[allow(dead_code)] // the shape for the API description; `read` does the reading
pub struct SettingsBody {
    /// Video bitrate in kbps.
    #[schema(minimum = 500, maximum = 20000, example = 4500)]
    bitrate: Option<u32>,
    /// Width x height, even numbers.
    #[schema(pattern = r"^[0-9]{2,4}x[0-9]{2,4}$", example = "1920x1080")]
    resolution: Option<String>,
    /// Frames per second.
    #[schema(minimum = 15, maximum = 60, example = 30)]
    framerate: Option<u32>,
    /// Encoder speed, where the video is encoded: ultrafast, veryfast, fast, medium or slow.
    #[schema(example = "veryfast")]
    preset: Option<String>,
    /// Go live when the source connects. Default false.
    auto_start: Option<bool>,
    /// Reconnect when the connection is lost. Default true.
    auto_reconnect: Option<bool>,
    /// Consecutive reconnection attempts. Default 10.
    #[schema(minimum = 0, maximum = 1000, example = 3)]
    max_retries: Option<u32>,
}

/// Reads the fields of a `settings` object.
pub fn read(fields: &mut Fields<'_>) -> Settings {
    let sentence = |invalid: Invalid| invalid.to_string();
    Settings {
        bitrate_kbps: fields.whole("bitrate", BITRATE_KBPS, &sentence(Invalid::Bitrate)),
        resolution: fields.parsed("resolution", str::parse),
        framerate: fields.whole("framerate", FRAMERATE, &sentence(Invalid::Framerate)),
        preset: fields.parsed("preset", str::parse),
        auto_start: fields.boolean("auto_start"),
        auto_reconnect: fields.boolean("auto_reconnect"),
        max_retries: fields.whole("max_retries", 0..=MAX_RETRIES_LIMIT, &sentence(Invalid::MaxRetries)),
    }
}

/// Checks settings against what the platform takes.
///
/// # Errors
/// 422 with every setting above a limit.
pub fn check_platform(settings: &Settings, platform: Platform) -> Result<(), ApiError> {
    let fault = |(invalid, message): (Invalid, String)| FieldError {
        field: invalid.field().to_owned(),
        code: ABOVE_PLATFORM_LIMIT.to_owned(),
        message,
    };
    let faults: Vec<_> = objections(settings, platform).into_iter().map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(ApiError::validation(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_have_their_own_limits() {
        let settings = Settings {
            bitrate_kbps: Some(9_000),
            resolution: "2560x1440".parse().ok(),
            framerate: Some(60),
            ..Settings::default()
        };
        let faults = |platform| {
            let error = check_platform(&settings, platform).err();
            error.map_or(Vec::new(), |e| e.body("").error.fields.into_iter().map(|f| f.field).collect::<Vec<_>>())
        };
        assert_eq!(faults(Platform::RtmpCustom), Vec::<String>::new());
        assert_eq!(faults(Platform::Twitch), ["settings.bitrate", "settings.resolution"]);
        assert_eq!(faults(Platform::Facebook), ["settings.resolution"]);
    }
}
