//! The platforms a destination can be on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a destination lives. The names are those of the REST contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// YouTube Live.
    Youtube,
    /// Twitch.
    Twitch,
    /// Facebook Live.
    Facebook,
    /// Cloudflare Stream.
    Cloudflare,
    /// Any RTMP(S) server.
    RtmpCustom,
}

impl Platform {
    /// All platforms, in the order people see them.
    pub const ALL: [Self; 5] = [Self::Youtube, Self::Twitch, Self::Facebook, Self::Cloudflare, Self::RtmpCustom];

    /// The name in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Youtube => "youtube",
            Self::Twitch => "twitch",
            Self::Facebook => "facebook",
            Self::Cloudflare => "cloudflare",
            Self::RtmpCustom => "rtmp_custom",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of youtube, twitch, facebook, cloudflare, rtmp_custom")]
pub struct UnknownPlatform;

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or(UnknownPlatform)
    }
}
