//! Codec, rate and channels from audio tags.

/// What audio tags say about themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sound {
    pub codec: &'static str,
    pub rate_hz: u32,
    pub channels: u32,
}

/// ISO 14496-3 table 1.18.
const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// From a sequence header, or from any tag of a codec that has none. `None`: this tag does not say.
pub(super) fn parse(body: &[u8]) -> Option<Sound> {
    let first = *body.first()?;
    match first >> 4 {
        10 if *body.get(1)? == 0 => aac(body.get(2..)?),
        2 | 14 => Some(Sound { codec: "mp3", rate_hz: flv_rate(first), channels: 1 + u32::from(first & 1) }),
        9 if first & 0x0f == 0 => enhanced(body),
        _ => None,
    }
}

fn aac(config: &[u8]) -> Option<Sound> {
    let (a, b) = (u16::from(*config.first()?), u16::from(*config.get(1)?));
    let index = usize::from((a & 7) << 1 | b >> 7);
    let rate_hz = match index {
        15 => u32::from_be_bytes([0, *config.get(1)?, *config.get(2)?, *config.get(3)?]) >> 7 & 0xff_ffff,
        _ => *AAC_RATES.get(index)?,
    };
    let channels = match (b >> 3) & 15 {
        7 => 8,
        count => u32::from(count),
    };
    Some(Sound { codec: "aac", rate_hz, channels })
}

fn flv_rate(first: u8) -> u32 {
    [5_500, 11_025, 22_050, 44_100][usize::from(first >> 2 & 3)]
}

fn enhanced(body: &[u8]) -> Option<Sound> {
    match body.get(1..5)? {
        // The configuration is an OpusHead (RFC 7845 5.1): channel count at byte 9; decoding is always at 48 kHz.
        b"Opus" => Some(Sound { codec: "opus", rate_hz: 48_000, channels: u32::from(*body.get(5 + 9).unwrap_or(&2)) }),
        b"mp4a" => aac(body.get(5..)?),
        b"fLaC" => Some(Sound { codec: "flac", ..Sound::default() }),
        b"ac-3" => Some(Sound { codec: "ac3", ..Sound::default() }),
        b"ec-3" => Some(Sound { codec: "eac3", ..Sound::default() }),
        b".mp3" => Some(Sound { codec: "mp3", ..Sound::default() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_rates_and_channels() {
        let check = |body: &[u8], codec, rate_hz, channels| {
            assert_eq!(parse(body), Some(Sound { codec, rate_hz, channels }), "{body:?}");
        };
        check(&[0xaf, 0, 0x12, 0x10], "aac", 44_100, 2);
        check(&[0xaf, 0, 0x11, 0x90], "aac", 48_000, 2);
        check(&[0xaf, 0, 0x11, 0x88], "aac", 48_000, 1);
        check(&[0x2f, 1], "mp3", 44_100, 2);
        check(b"\x90OpusOpusHead\x01\x02", "opus", 48_000, 2);
        for silent in [&b""[..], b"\xaf", b"\xaf\x01\x21", b"\xaf\x00", b"\x91Opus", b"\x90abcd"] {
            assert_eq!(parse(silent), None, "{silent:?}");
        }
    }
}
