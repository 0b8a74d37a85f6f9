//! A destination's settings: what the REST contract calls `settings`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bitrates a person may ask for, in kbit/s (product guide).
pub const BITRATE_KBPS: std::ops::RangeInclusive<u32> = 500..=20_000;
/// Frame rates a person may ask for (product guide).
pub const FRAMERATE: std::ops::RangeInclusive<u32> = 15..=60;
/// Reconnection attempts when nothing else is said. The guide's samples say 3, which full jitter may use up within a second;
/// ten cover an outage of a minute and a half on average.
pub const DEFAULT_MAX_RETRIES: u32 = 10;
/// The most reconnection attempts a person may ask for.
pub const MAX_RETRIES_LIMIT: u32 = 1_000;

/// Picture size in pixels, written `1920x1080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolution {
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// libx264's speed presets that the product offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Fastest, largest.
    Ultrafast,
    /// The default.
    Veryfast,
    /// Slower.
    Fast,
    /// Slower still.
    Medium,
    /// Slowest.
    Slow,
}

impl Preset {
    /// The name FFmpeg and the REST contract use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Veryfast => "veryfast",
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Slow => "slow",
        }
    }
}

impl FromStr for Preset {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Ultrafast, Self::Veryfast, Self::Fast, Self::Medium, Self::Slow]
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or(Invalid::Preset)
    }
}

/// What a destination asked for. A field left out means "the best this platform takes".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Video bitrate in kbit/s.
    pub bitrate_kbps: Option<u32>,
    /// Picture size.
    pub resolution: Option<Resolution>,
    /// Frames per second.
    pub framerate: Option<u32>,
    /// Encoder speed, if there is an encode.
    pub preset: Option<Preset>,
    /// Go live when the source connects. Default false.
    pub auto_start: Option<bool>,
    /// Reconnect when the connection is lost. Default true.
    pub auto_reconnect: Option<bool>,
    /// Consecutive reconnection attempts. Default [`DEFAULT_MAX_RETRIES`].
    pub max_retries: Option<u32>,
}

/// Why settings are refused. `Display` is the sentence for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Outside [`BITRATE_KBPS`].
    #[error("bitrate must be a whole number of kbps from 500 to 20000")]
    Bitrate,
    /// Not `WIDTHxHEIGHT` with even numbers from 128x72 to 3840x2160.
    #[error("resolution must be WIDTHxHEIGHT with even numbers, from 128x72 to 3840x2160")]
    Resolution,
    /// Outside [`FRAMERATE`].
    #[error("framerate must be a whole number from 15 to 60")]
    Framerate,
    /// Not one of the five.
    #[error("preset must be one of ultrafast, veryfast, fast, medium, slow")]
    Preset,
    /// Above [`MAX_RETRIES_LIMIT`].
    #[error("max_retries must be a whole number from 0 to 1000")]
    MaxRetries,
}

impl Invalid {
    /// The field of `settings` at fault, by its REST name.
    pub fn field(self) -> &'static str {
        match self {
            Self::Bitrate => "settings.bitrate",
            Self::Resolution => "settings.resolution",
            Self::Framerate => "settings.framerate",
            Self::Preset => "settings.preset",
            Self::MaxRetries => "settings.max_retries",
        }
    }
}

impl FromStr for Resolution {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (width, height) = text.split_once('x').ok_or(Invalid::Resolution)?;
        let side = |s: &str| -> Result<u32, Invalid> {
            let plain = !s.is_empty() && s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit()) && !s.starts_with('0');
            if plain { s.parse().map_err(|_| Invalid::Resolution) } else { Err(Invalid::Resolution) }
        };
        let size = Self { width: side(width)?, height: side(height)? };
        let fits = (128..=3840).contains(&size.width.max(size.height))
            && (72..=2160).contains(&size.width.min(size.height))
            && size.width.is_multiple_of(2)
            && size.height.is_multiple_of(2);
        if fits { Ok(size) } else { Err(Invalid::Resolution) }
    }
}

impl Settings {
    /// Checks the ranges that hold on every platform.
    ///
    /// # Errors
    /// The first field out of range.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.bitrate_kbps.is_some_and(|b| !BITRATE_KBPS.contains(&b)) {
            return Err(Invalid::Bitrate);
        }
        if self.framerate.is_some_and(|f| !FRAMERATE.contains(&f)) {
            return Err(Invalid::Framerate);
        }
        if self.max_retries.is_some_and(|n| n > MAX_RETRIES_LIMIT) {
            return Err(Invalid::MaxRetries);
        }
        Ok(())
    }
}
