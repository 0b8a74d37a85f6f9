//! What each platform takes, and what it recommends. One table, with the source of each figure.
//!
//! Figures were read in October 2026. Where a platform publishes none, the comment says so and the product's own ranges hold.

use crate::{
    platform::Platform,
    settings::{BITRATE_KBPS, Invalid, Preset, Resolution, Settings},
};

/// The most a platform takes. `None` means that it publishes no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Video codecs by FFmpeg's names.
    pub video_codecs: &'static [&'static str],
    /// Video bitrate in kbit/s.
    pub video_kbps: u32,
    /// Video and audio together in kbit/s.
    pub total_kbps: Option<u32>,
    /// Longer side, pixels.
    pub long_side: u32,
    /// Shorter side, pixels.
    pub short_side: u32,
    /// Frames per second.
    pub fps: u32,
    /// Longest distance between keyframes, ms.
    pub gop_ms: Option<u32>,
    /// Shortest distance between keyframes, ms.
    pub gop_min_ms: Option<u32>,
    /// Audio codecs by FFmpeg's names.
    pub audio_codecs: &'static [&'static str],
    /// Audio bitrate in kbit/s.
    pub audio_kbps: Option<u32>,
    /// Whether the platform refuses a stream without audio.
    pub audio_required: bool,
}

/// What a platform publishes for pictures up to one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    /// Shorter side, pixels: the rung is for pictures up to it.
    short_side: u32,
    /// Recommended video kbit/s: up to 30 frames per second, and above.
    recommended: [u32; 2],
}

/// What we encode with when nothing else is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommended {
    /// Picture size.
    pub resolution: Resolution,
    /// Frames per second.
    pub framerate: u32,
    /// Video kbit/s, constant.
    pub video_kbps: u32,
    /// Encoder speed.
    pub preset: Preset,
    /// Distance between keyframes, ms: every platform recommends two seconds.
    pub gop_ms: u32,
    /// Audio kbit/s, AAC-LC.
    pub audio_kbps: u32,
}

/// Our own encodes have a keyframe this often: what all four platforms take and three of them recommend.
pub const GOP_MS: u32 = 2_000;
/// Our own audio encodes: what all four platforms recommend.
pub const AUDIO_KBPS: u32 = 128;
/// The product guide's sample; every platform takes it.
const DEFAULT_RESOLUTION: Resolution = Resolution { width: 1920, height: 1080 };
/// See [`DEFAULT_RESOLUTION`].
const DEFAULT_FRAMERATE: u32 = 30;
/// Above this, the platforms' tables use their column for 60 frames per second.
const HIGH_FPS: u32 = 30;

/// H.264 over classic FLV, which every RTMP server takes.
const H264: &[&str] = &["h264"];
/// What Enhanced RTMP servers take as well.
const ENHANCED: &[&str] = &["h264", "hevc", "av1"];
const AAC: &[&str] = &["aac"];
const AAC_MP3: &[&str] = &["aac", "mp3"];
/// developers.cloudflare.com/stream/stream-live: "2-14 Mbps total" (an older copy says 12).
const CLOUDFLARE_TOTAL_KBPS: u32 = 14_000;

/// The limits of a platform.
pub const fn limits(platform: Platform) -> Limits {
    match platform {
        // support.google.com/youtube/answer/2853702: H.264, HEVC, AV1 over RTMP(S); keyframe 2 s, at most 4 s; AAC or MP3.
        // No hard bitrate cap is published (OBS uses 51 Mbps); the product's own range ends at 20 Mbps. The page's largest row is 2160p60.
        Platform::Youtube => Limits {
            video_codecs: ENHANCED,
            video_kbps: 20_000,
            total_kbps: None,
            long_side: 3840,
            short_side: 2160,
            fps: 60,
            gop_ms: Some(4_000),
            gop_min_ms: None,
            audio_codecs: AAC_MP3,
            audio_kbps: None,
            audio_required: true,
        },
        // help.twitch.tv/s/article/broadcasting-guidelines: H.264, 6000 kbps, 1080p60, AAC-LC up to 160 kbps. A keyframe
        // every 2 s is the recommendation; 4 s works and is where the others end.
        Platform::Twitch => Limits {
            video_codecs: H264,
            video_kbps: 6_000,
            total_kbps: None,
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(4_000),
            gop_min_ms: None,
            audio_codecs: AAC,
            audio_kbps: Some(160),
            audio_required: false,
        },
        // developers.facebook.com/docs/live-video-api/reference: H.264 level 4.2 (1080p60), keyframe 2 s, at most 4 s, AAC
        // 128 kbps, at most 256, audio mandatory. OBS's services.json: 9000 kbps.
        Platform::Facebook => Limits {
            video_codecs: H264,
            video_kbps: 9_000,
            total_kbps: None,
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(4_000),
            gop_min_ms: None,
            audio_codecs: AAC,
            audio_kbps: Some(256),
            audio_required: true,
        },
        // developers.cloudflare.com/stream/stream-live: H.264 + AAC, keyframe 2 to 10 s. Size and rate are not published:
        // what its player shows.
        Platform::Cloudflare => Limits {
            video_codecs: H264,
            video_kbps: CLOUDFLARE_TOTAL_KBPS - AUDIO_KBPS,
            total_kbps: Some(CLOUDFLARE_TOTAL_KBPS),
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(10_000),
            gop_min_ms: Some(2_000),
            audio_codecs: AAC,
            audio_kbps: None,
            audio_required: true,
        },
        // Only the product's own ranges. What the server cannot take, it refuses itself.
        Platform::RtmpCustom => Limits {
            video_codecs: ENHANCED,
            video_kbps: 20_000,
            total_kbps: None,
            long_side: 3840,
            short_side: 2160,
            fps: 60,
            gop_ms: None,
            gop_min_ms: None,
            audio_codecs: AAC_MP3,
            audio_kbps: None,
            audio_required: false,
        },
    }
}

/// The same page as in [`limits`], the row "recommended" for H.264; the largest sizes end at the product's own 20 Mbps.
const YOUTUBE: &[Rung] = &[
    Rung { short_side: 480, recommended: [4_000, 4_000] },
    Rung { short_side: 720, recommended: [8_000, 8_000] },
    Rung { short_side: 1080, recommended: [14_000, 17_000] },
    Rung { short_side: 2160, recommended: [20_000, 20_000] },
];
/// The same page as in [`limits`]; it has nothing below 720p, where the common ladder holds.
const TWITCH: &[Rung] = &[
    Rung { short_side: 360, recommended: [800, 1_000] },
    Rung { short_side: 480, recommended: [1_500, 2_000] },
    Rung { short_side: 720, recommended: [3_000, 4_500] },
    Rung { short_side: 1080, recommended: [4_500, 6_000] },
];
/// The same page as in [`limits`] gives ranges: 1080p60 4.5-9, 1080p30 3-6, 720p60 2.25-6, 720p30 1.5-4, 480p30 0.6-2,
/// 360p 0.4-1 Mbps. We recommend their upper ends; only the largest is refused above.
const FACEBOOK: &[Rung] = &[
    Rung { short_side: 360, recommended: [1_000, 1_000] },
    Rung { short_side: 480, recommended: [2_000, 2_000] },
    Rung { short_side: 720, recommended: [4_000, 6_000] },
    Rung { short_side: 1080, recommended: [6_000, 9_000] },
];
/// Nobody publishes these for Cloudflare and for servers that we don't know: the guide's 4500 kbps for 1080p30, Twitch's
/// figures below 1080p60, and twice as many bits for twice as many pixels above.
const COMMON: &[Rung] = &[
    Rung { short_side: 360, recommended: [800, 1_000] },
    Rung { short_side: 480, recommended: [1_500, 2_000] },
    Rung { short_side: 720, recommended: [3_000, 4_500] },
    Rung { short_side: 1080, recommended: [4_500, 6_000] },
    Rung { short_side: 1440, recommended: [9_000, 12_000] },
    Rung { short_side: 2160, recommended: [18_000, 20_000] },
];

const fn ladder(platform: Platform) -> &'static [Rung] {
    match platform {
        Platform::Youtube => YOUTUBE,
        Platform::Twitch => TWITCH,
        Platform::Facebook => FACEBOOK,
        Platform::Cloudflare | Platform::RtmpCustom => COMMON,
    }
}

/// The row for a picture: the first that is large enough, or the largest.
fn rung(platform: Platform, size: Resolution) -> &'static Rung {
    let short = size.width.min(size.height);
    let ladder = ladder(platform);
    ladder.iter().find(|rung| short <= rung.short_side).unwrap_or(&ladder[ladder.len() - 1])
}

/// What we encode with for `platform`, as far as it is not asked for.
pub fn recommended(platform: Platform, resolution: Option<Resolution>, framerate: Option<u32>) -> Recommended {
    let limits = limits(platform);
    let resolution = resolution.unwrap_or(DEFAULT_RESOLUTION);
    let framerate = framerate.unwrap_or(DEFAULT_FRAMERATE).min(limits.fps);
    let kbps = rung(platform, resolution).recommended[usize::from(framerate > HIGH_FPS)];
    Recommended {
        resolution,
        framerate,
        video_kbps: kbps.clamp(*BITRATE_KBPS.start(), limits.video_kbps),
        preset: Preset::Veryfast,
        gop_ms: GOP_MS,
        audio_kbps: AUDIO_KBPS,
    }
}

/// What of `settings` the platform does not take: the field, and the sentence with the limit.
pub fn objections(settings: &Settings, platform: Platform) -> Vec<(Invalid, String)> {
    let limits = limits(platform);
    let mut found = Vec::new();
    if let Some(asked) = settings.bitrate_kbps {
        found.extend(bitrate_objection(platform, &limits, asked).map(|sentence| (Invalid::Bitrate, sentence)));
    }
    if settings.framerate.is_some_and(|fps| fps > limits.fps) {
        found.push((Invalid::Framerate, format!("{platform} takes at most {} frames per second", limits.fps)));
    }
    let too_large =
        |r: Resolution| r.width.max(r.height) > limits.long_side || r.width.min(r.height) > limits.short_side;
    if settings.resolution.is_some_and(too_large) {
        let sentence = format!("{platform} takes at most {}x{}", limits.long_side, limits.short_side);
        found.push((Invalid::Resolution, sentence));
    }
    found
}

fn bitrate_objection(platform: Platform, limits: &Limits, asked: u32) -> Option<String> {
    let most = limits.video_kbps;
    if asked <= most {
        return None;
    }
    Some(match limits.total_kbps {
        Some(total) => format!("{platform} takes at most {total} kbps with the audio: at most {most} kbps of video"),
        None => format!("{platform} takes at most {most} kbps"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Option<Resolution> {
        text.parse().ok()
    }

    #[test]
    fn recommendations_are_the_platforms() {
        let kbps = |platform, text: &str, fps| recommended(platform, size(text), fps).video_kbps;
        assert_eq!(kbps(Platform::Youtube, "1920x1080", Some(60)), 17_000);
        assert_eq!(kbps(Platform::Youtube, "3840x2160", Some(60)), 20_000);
        assert_eq!(kbps(Platform::Twitch, "1920x1080", Some(60)), 6_000);
        assert_eq!(kbps(Platform::Twitch, "1280x720", Some(30)), 3_000);
        assert_eq!(kbps(Platform::Facebook, "1280x720", Some(30)), 4_000);
        assert_eq!(kbps(Platform::Cloudflare, "1080x1920", None), 4_500);
        assert_eq!(kbps(Platform::RtmpCustom, "900x600", Some(25)), 3_000);
        assert_eq!(kbps(Platform::RtmpCustom, "128x72", Some(25)), 800);
        assert_eq!(kbps(Platform::RtmpCustom, "nothing", None), 4_500);
    }

    /// What we recommend is never what we refuse.
    #[test]
    fn recommendations_are_within_the_limits() {
        for platform in Platform::ALL {
            for text in ["640x360", "854x480", "1280x720", "1920x1080", "1080x1920"] {
                for framerate in [None, Some(24), Some(30), Some(60)] {
                    let recommended = recommended(platform, size(text), framerate);
                    let settings = Settings {
                        bitrate_kbps: Some(recommended.video_kbps),
                        resolution: Some(recommended.resolution),
                        framerate: Some(recommended.framerate),
                        ..Settings::default()
                    };
                    assert_eq!(objections(&settings, platform), [], "{platform} {text} {framerate:?}");
                    assert_eq!(settings.check(), Ok(()));
                }
            }
        }
    }

    #[test]
    fn objections_name_the_limit() {
        let check = |platform, kbps, text: &str, framerate, expected: &str| {
            let settings =
                Settings { bitrate_kbps: Some(kbps), resolution: size(text), framerate, ..Settings::default() };
            let found = objections(&settings, platform);
            let sentences: Vec<_> = found.iter().map(|(_, sentence)| sentence.as_str()).collect();
            assert_eq!(sentences.join("; "), expected, "{platform} {kbps} {text}");
        };
        check(Platform::Twitch, 6_001, "", None, "twitch takes at most 6000 kbps");
        check(Platform::Twitch, 6_000, "1280x720", Some(30), "");
        check(Platform::Facebook, 9_000, "", Some(30), "");
        check(Platform::Facebook, 9_000, "1920x1080", None, "");
        check(Platform::Facebook, 9_001, "1920x1080", Some(60), "facebook takes at most 9000 kbps");
        let cloudflare = "cloudflare takes at most 14000 kbps with the audio: at most 13872 kbps of video";
        check(Platform::Cloudflare, 13_873, "", None, cloudflare);
        check(Platform::Cloudflare, 13_872, "1920x1080", Some(60), "");
        check(
            Platform::Twitch,
            7_000,
            "2560x1440",
            Some(60),
            "twitch takes at most 6000 kbps; twitch takes at most 1920x1080",
        );
        check(Platform::RtmpCustom, 20_000, "3840x2160", Some(60), "");
    }

    /// The samples of the product guide.
    #[test]
    fn the_guides_settings_are_taken() {
        for (platform, kbps, text, fps) in [
            (Platform::Youtube, 6_000, "1920x1080", 60),
            (Platform::Youtube, 4_500, "1920x1080", 30),
            (Platform::Twitch, 4_500, "1920x1080", 60),
            (Platform::Facebook, 4_000, "1280x720", 30),
            (Platform::RtmpCustom, 3_500, "1280x720", 30),
        ] {
            let settings = Settings {
                bitrate_kbps: Some(kbps),
                resolution: size(text),
                framerate: Some(fps),
                ..Settings::default()
            };
            assert_eq!(objections(&settings, platform), [], "{platform}");
        }
    }
}
