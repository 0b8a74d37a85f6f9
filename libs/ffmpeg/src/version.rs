//! What an FFmpeg binary is and can do, from `ffmpeg -version` and `ffmpeg -encoders`.

use std::fmt;

/// The oldest FFmpeg whose options this crate uses (`-fps_mode`).
pub const OLDEST: Version = Version { major: 5, minor: 1 };
/// From here on the FLV demuxer and muxer know Enhanced RTMP; 5.1 misreads it (measured).
pub const ENHANCED_SINCE: Version = Version { major: 6, minor: 1 };

/// A release number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A binary as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Its release; `None` for builds between releases (`N-12345-g…`), which are taken for the newest.
    pub version: Option<Version>,
    /// The version as FFmpeg writes it.
    pub text: String,
}

/// Why a binary is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The output is not FFmpeg's.
    #[error("it does not answer like FFmpeg")]
    NotFfmpeg,
    /// Older than [`OLDEST`].
    #[error("FFmpeg {0} is too old, {OLDEST} or newer is needed")]
    TooOld(Version),
    /// An encoder is not built in.
    #[error("FFmpeg is built without the encoder {0}")]
    NoEncoder(&'static str),
}

impl Binary {
    /// Reads the output of `ffmpeg -version`.
    ///
    /// # Errors
    /// [`Unfit::NotFfmpeg`] and [`Unfit::TooOld`].
    pub fn parse(output: &str) -> Result<Self, Unfit> {
        let rest =
            output.lines().next().and_then(|line| line.strip_prefix("ffmpeg version ")).ok_or(Unfit::NotFfmpeg)?;
        let text = rest.split_whitespace().next().ok_or(Unfit::NotFfmpeg)?;
        let version = number(text);
        match version {
            Some(old) if old < OLDEST => Err(Unfit::TooOld(old)),
            _ => Ok(Self { version, text: text.to_owned() }),
        }
    }

    /// Whether it reads and writes Enhanced RTMP (HEVC, AV1 in FLV).
    pub fn enhanced_rtmp(&self) -> bool {
        self.version.is_none_or(|version| version >= ENHANCED_SINCE)
    }
}

/// `5.1.9-0+deb12u1`, `n9.0.2-17-g2a571b6068`, `6.0`; a bare git build (`N-109542-gabc`, `2024-01-01-git-…`) has none.
fn number(text: &str) -> Option<Version> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    let mut parts = digits.split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = digits.split_once('.').and_then(|_| parts.next()?.parse().ok()).unwrap_or(0);
    (major < 1_000).then_some(Version { major, minor })
}

/// Checks the output of `ffmpeg -encoders` for what the product needs.
///
/// # Errors
/// [`Unfit::NoEncoder`].
pub fn check_encoders(output: &str) -> Result<(), Unfit> {
    let has = |name: &str| output.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    ["libx264", "aac"].into_iter().find(|name| !has(name)).map_or(Ok(()), |name| Err(Unfit::NoEncoder(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u32, u32)>, enhanced: bool) {
        let binary = Binary::parse(&format!("ffmpeg version {text} Copyright (c) 2000-2026\nbuilt with")).unwrap();
        assert_eq!(binary.version, expected.map(|(major, minor)| Version { major, minor }), "{text}");
        assert_eq!(binary.enhanced_rtmp(), enhanced, "{text}");
    }

    #[test]
    fn builds_in_the_wild_are_read() {
        check("5.1.9-0+deb12u1", Some((5, 1)), false);
        check("n9.0.2-17-g2a571b6068-20260930", Some((9, 0)), true);
        check("6.0", Some((6, 0)), false);
        check("6.1-static", Some((6, 1)), true);
        check("7", Some((7, 0)), true);
        check("N-109542-g1bf1beb532", None, true);
        check("2024-03-01-git-abc", None, true);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(Binary::parse("ffmpeg version 4.4.2 Copyright"), Err(Unfit::TooOld(Version { major: 4, minor: 4 })));
        assert_eq!(Binary::parse("avconv version 12"), Err(Unfit::NotFfmpeg));
        assert_eq!(Binary::parse(""), Err(Unfit::NotFfmpeg));
    }

    #[test]
    fn encoders_are_found() {
        let list = " V..... = Video\n V....D libx264              libx264 H.264\n A....D aac                  AAC";
        assert_eq!(check_encoders(list), Ok(()));
        assert_eq!(check_encoders(" A....D aac  AAC"), Err(Unfit::NoEncoder("libx264")));
        assert_eq!(check_encoders(" V....D libx264  x"), Err(Unfit::NoEncoder("aac")));
    }
}
