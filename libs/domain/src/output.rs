//! What leaves for a destination: the source as it is, or an encode.
//!
//! Numbers a person asked for are ceilings: a source that stays below them is passed through, because enlarging a
//! picture or inventing frames costs a core and improves nothing. Sizes are never scaled up.

use crate::{
    limits::{Limits, limits, recommended},
    platform::Platform,
    settings::{Preset, Resolution, Settings},
    source::SourceInfo,
};

/// Measured bitrates swing around the encoder's target; up to a tenth above is still "that bitrate".
const BITRATE_TOLERANCE: f64 = 1.10;
/// 29.97 against 30 is the same rate.
const FPS_TOLERANCE: f64 = 0.5;
/// Keyframes land a frame or two late.
const GOP_TOLERANCE_MS: u32 = 200;
/// AAC encoders swing more than video encoders do.
const AUDIO_TOLERANCE: f64 = 1.25;

/// What FFmpeg does with the video.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Video {
    /// `-c:v copy`.
    Copy,
    /// libx264.
    Encode(Encode),
    /// The source has none.
    None,
}

/// Settings of a video encode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Encode {
    /// kbit/s, constant.
    pub kbps: u32,
    /// Scale into this box, keep the aspect, pad the rest; `None` keeps the source's size.
    pub size: Option<Resolution>,
    /// Frames per second; `None` keeps the source's.
    pub fps: Option<u32>,
    /// Encoder speed.
    pub preset: Preset,
}

/// What FFmpeg does with the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audio {
    /// `-c:a copy`.
    Copy,
    /// AAC 128 kbit/s, 48 kHz, stereo.
    Encode,
    /// The source has none: a silent AAC track.
    Silence,
}

/// What leaves for a destination, and why it is not the source as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Video.
    pub video: Video,
    /// Audio.
    pub audio: Audio,
    /// Empty for a pass-through.
    pub reasons: Vec<Reason>,
}

impl Output {
    /// `copy` when no video is encoded, else `encode`.
    pub fn mode(&self) -> &'static str {
        match self.video {
            Video::Encode(_) => "encode",
            Video::Copy | Video::None => "copy",
        }
    }

    /// Frames per second that should arrive at the destination, when known.
    pub fn expected_fps(&self, source: &SourceInfo) -> Option<f64> {
        let own = (source.fps > 0.0).then_some(source.fps);
        match &self.video {
            Video::Encode(Encode { fps: Some(fps), .. }) => Some(f64::from(*fps)),
            Video::Encode(_) | Video::Copy => own,
            Video::None => None,
        }
    }

    /// Video kbit/s that should arrive at the destination, when known.
    pub fn expected_kbps(&self, source: &SourceInfo) -> Option<u32> {
        match &self.video {
            Video::Encode(encode) => Some(encode.kbps),
            Video::Copy => (source.video_kbps > 0).then_some(source.video_kbps),
            Video::None => None,
        }
    }
}

/// Why a source is not passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The destination does not take the codec.
    Codec,
    /// Larger than asked for, or than the platform takes.
    Size,
    /// More frames than asked for, or than the platform takes.
    Fps,
    /// More bits than asked for, or than the platform takes.
    Bitrate,
    /// Keyframes too far apart.
    Gop,
    /// The audio codec, rate or channels.
    Audio,
    /// No audio.
    NoAudio,
}

/// Decides what leaves for a destination on `platform` with `settings`, given a measured source.
///
/// Facts the relay has not measured yet (zero) speak for a pass-through.
pub fn decide(source: &SourceInfo, settings: &Settings, platform: Platform) -> Output {
    let limits = limits(platform);
    let mut reasons = video_reasons(source, settings, &limits);
    let video = match (source.video_codec.is_empty(), reasons.is_empty()) {
        (true, _) => {
            reasons.clear();
            Video::None
        }
        (false, true) => Video::Copy,
        (false, false) => Video::Encode(encode(source, settings, platform, &limits)),
    };
    let audio = audio(source, &limits);
    match audio {
        Audio::Copy => {}
        Audio::Encode => reasons.push(Reason::Audio),
        Audio::Silence => reasons.push(Reason::NoAudio),
    }
    Output { video, audio, reasons }
}

fn video_reasons(source: &SourceInfo, settings: &Settings, limits: &Limits) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !limits.video_codecs.contains(&source.video_codec.as_str()) {
        reasons.push(Reason::Codec);
    }
    if !fits(source, box_of(settings, limits, source)) {
        reasons.push(Reason::Size);
    }
    if source.fps > f64::from(max_fps(settings, limits)) + FPS_TOLERANCE {
        reasons.push(Reason::Fps);
    }
    let above = |kbps: u32, most: u32| f64::from(kbps) > f64::from(most) * BITRATE_TOLERANCE;
    let total = source.video_kbps.saturating_add(source.audio_kbps);
    if above(source.video_kbps, max_kbps(settings, limits)) || limits.total_kbps.is_some_and(|most| above(total, most))
    {
        reasons.push(Reason::Bitrate);
    }
    let too_long = limits.gop_ms.is_some_and(|most| source.gop_ms > most + GOP_TOLERANCE_MS);
    let too_short =
        limits.gop_min_ms.is_some_and(|least| source.gop_ms > 0 && source.gop_ms + GOP_TOLERANCE_MS < least);
    if too_long || too_short {
        reasons.push(Reason::Gop);
    }
    reasons
}

fn audio(source: &SourceInfo, limits: &Limits) -> Audio {
    if source.audio_codec.is_empty() {
        return Audio::Silence;
    }
    let codec = limits.audio_codecs.contains(&source.audio_codec.as_str());
    let rate = matches!(source.audio_rate_hz, 0 | 44_100 | 48_000);
    let channels = source.audio_channels <= 2;
    let fits = |most: u32| f64::from(source.audio_kbps) <= f64::from(most) * AUDIO_TOLERANCE;
    let bitrate = limits.audio_kbps.is_none_or(fits);
    if codec && rate && channels && bitrate { Audio::Copy } else { Audio::Encode }
}

/// What is left out is filled in with the platform's recommendation for the picture that leaves. More bits than the source
/// has would add nothing, unless its codec is one that needs fewer.
fn encode(source: &SourceInfo, settings: &Settings, platform: Platform, limits: &Limits) -> Encode {
    let size = box_of(settings, limits, source);
    let fps = max_fps(settings, limits);
    let scaled = !fits(source, size);
    let leaves = if scaled { size } else { Resolution { width: source.width, height: source.height } };
    let known = source.width > 0 && source.height > 0;
    let rate = if source.fps > 0.0 { source.fps.min(f64::from(fps)).round() as u32 } else { fps };
    let filled = recommended(platform, known.then_some(leaves), Some(rate));
    let source_kbps = Some(source.video_kbps).filter(|kbps| *kbps > 0 && source.video_codec == "h264");
    let kbps = settings
        .bitrate_kbps
        .unwrap_or_else(|| source_kbps.map_or(filled.video_kbps, |own| own.min(filled.video_kbps)));
    Encode {
        kbps: kbps.clamp(*crate::settings::BITRATE_KBPS.start(), limits.video_kbps),
        size: scaled.then_some(size),
        fps: (source.fps > f64::from(fps) + FPS_TOLERANCE).then_some(fps),
        preset: settings.preset.unwrap_or(filled.preset),
    }
}

fn max_kbps(settings: &Settings, limits: &Limits) -> u32 {
    settings.bitrate_kbps.unwrap_or(limits.video_kbps).min(limits.video_kbps)
}

fn max_fps(settings: &Settings, limits: &Limits) -> u32 {
    settings.framerate.unwrap_or(limits.fps).min(limits.fps)
}

/// The box the picture must fit in: what was asked for, or the platform's largest in the source's orientation.
fn box_of(settings: &Settings, limits: &Limits, source: &SourceInfo) -> Resolution {
    let portrait = source.height > source.width;
    let (width, height) =
        if portrait { (limits.short_side, limits.long_side) } else { (limits.long_side, limits.short_side) };
    settings.resolution.unwrap_or(Resolution { width, height })
}

fn fits(source: &SourceInfo, size: Resolution) -> bool {
    source.width <= size.width && source.height <= size.height
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SourceInfo {
        SourceInfo {
            video_codec: "h264".into(),
            width: 1920,
            height: 1080,
            fps: 30.0,
            video_kbps: 6_000,
            gop_ms: 2_000,
            audio_codec: "aac".into(),
            audio_rate_hz: 48_000,
            audio_channels: 2,
            ..SourceInfo::default()
        }
    }

    fn check(source: &SourceInfo, settings: &Settings, platform: Platform, expected: &[Reason]) -> Output {
        let output = decide(source, settings, platform);
        assert_eq!(output.reasons, expected);
        output
    }

    #[test]
    fn settings_left_out_pass_the_source_through() {
        for platform in Platform::ALL {
            let output = check(&source(), &Settings::default(), platform, &[]);
            assert_eq!((output.video.clone(), output.audio, output.mode()), (Video::Copy, Audio::Copy, "copy"));
        }
    }

    #[test]
    fn numbers_are_ceilings() {
        let wide = Settings { bitrate_kbps: Some(9_000), framerate: Some(60), ..Settings::default() };
        check(&source(), &wide, Platform::RtmpCustom, &[]);
        let small = SourceInfo { width: 640, height: 360, video_kbps: 900, ..source() };
        let asked = Settings {
            bitrate_kbps: Some(4_500),
            resolution: Some(Resolution { width: 1920, height: 1080 }),
            framerate: Some(30),
            ..Settings::default()
        };
        check(&small, &asked, Platform::RtmpCustom, &[]);
    }

    #[test]
    fn too_much_is_encoded_down() {
        let asked = Settings {
            bitrate_kbps: Some(2_500),
            resolution: Some(Resolution { width: 1280, height: 720 }),
            framerate: Some(25),
            ..Settings::default()
        };
        let output = check(&source(), &asked, Platform::RtmpCustom, &[Reason::Size, Reason::Fps, Reason::Bitrate]);
        let size = Some(Resolution { width: 1280, height: 720 });
        assert_eq!(output.video, Video::Encode(Encode { kbps: 2_500, size, fps: Some(25), preset: Preset::Veryfast }));
        assert_eq!(output.expected_fps(&source()), Some(25.0));
        assert_eq!(output.expected_kbps(&source()), Some(2_500));
    }

    #[test]
    fn the_platforms_limit_holds_without_settings() {
        let heavy = SourceInfo { video_kbps: 8_000, ..source() };
        let output = check(&heavy, &Settings::default(), Platform::Twitch, &[Reason::Bitrate]);
        assert!(matches!(output.video, Video::Encode(Encode { kbps: 4_500, size: None, fps: None, .. })));
        let smooth = SourceInfo { fps: 59.94, ..heavy };
        let output = check(&smooth, &Settings::default(), Platform::Twitch, &[Reason::Bitrate]);
        assert!(matches!(output.video, Video::Encode(Encode { kbps: 6_000, size: None, fps: None, .. })));
        let total = SourceInfo { video_kbps: 15_200, audio_kbps: 320, ..source() };
        check(&total, &Settings::default(), Platform::Cloudflare, &[Reason::Bitrate]);
        let dense = SourceInfo { gop_ms: 1_000, ..source() };
        check(&dense, &Settings::default(), Platform::Cloudflare, &[Reason::Gop]);
        check(&dense, &Settings::default(), Platform::Youtube, &[]);
        let sparse = SourceInfo { gop_ms: 8_000, ..source() };
        check(&sparse, &Settings::default(), Platform::Youtube, &[Reason::Gop]);
        check(&sparse, &Settings::default(), Platform::RtmpCustom, &[]);
        let hevc = SourceInfo { video_codec: "hevc".into(), enhanced: true, ..source() };
        check(&hevc, &Settings::default(), Platform::Twitch, &[Reason::Codec]);
        check(&hevc, &Settings::default(), Platform::RtmpCustom, &[]);
    }

    #[test]
    fn measured_rates_may_swing() {
        let swinging = SourceInfo { video_kbps: 6_500, fps: 30.3, gop_ms: 4_100, ..source() };
        check(&swinging, &Settings { framerate: Some(30), ..Settings::default() }, Platform::Twitch, &[]);
    }

    #[test]
    fn audio_is_made_to_fit_without_touching_the_video() {
        let silent = SourceInfo { audio_codec: String::new(), audio_rate_hz: 0, audio_channels: 0, ..source() };
        let output = check(&silent, &Settings::default(), Platform::RtmpCustom, &[Reason::NoAudio]);
        assert_eq!((output.video, output.audio), (Video::Copy, Audio::Silence));
        let loud = SourceInfo { audio_kbps: 320, ..source() };
        assert_eq!(decide(&loud, &Settings::default(), Platform::Twitch).audio, Audio::Encode);
        assert_eq!(decide(&loud, &Settings::default(), Platform::Youtube).audio, Audio::Copy);
        let surround = SourceInfo { audio_channels: 6, ..source() };
        assert_eq!(decide(&surround, &Settings::default(), Platform::Youtube).audio, Audio::Encode);
    }

    #[test]
    fn what_is_left_out_of_an_encode_is_the_platforms_recommendation() {
        let small = Settings { resolution: "1280x720".parse().ok(), ..Settings::default() };
        let kbps = |source: &SourceInfo, platform| match decide(source, &small, platform).video {
            Video::Encode(encode) => encode.kbps,
            other => panic!("{other:?}"),
        };
        assert_eq!(kbps(&source(), Platform::Facebook), 4_000);
        assert_eq!(kbps(&source(), Platform::Twitch), 3_000);
        assert_eq!(kbps(&source(), Platform::Youtube), 6_000, "no more than the source has");
        let hevc = SourceInfo { video_codec: "hevc".into(), enhanced: true, video_kbps: 2_000, ..source() };
        assert_eq!(kbps(&hevc, Platform::Facebook), 4_000, "a better codec needs fewer bits");
        let fresh = SourceInfo { video_codec: "hevc".into(), ..SourceInfo::default() };
        let video = decide(&fresh, &Settings::default(), Platform::Twitch).video;
        assert!(matches!(video, Video::Encode(Encode { kbps: 6_000, .. })), "{video:?}");
    }

    #[test]
    fn an_unmeasured_source_is_passed_through() {
        let fresh = SourceInfo { video_codec: "h264".into(), audio_codec: "aac".into(), ..SourceInfo::default() };
        let asked = Settings { bitrate_kbps: Some(500), ..Settings::default() };
        check(&fresh, &asked, Platform::Twitch, &[]);
    }

    #[test]
    fn portrait_fits_a_portrait_box() {
        let portrait = SourceInfo { width: 1080, height: 1920, ..source() };
        check(&portrait, &Settings::default(), Platform::Twitch, &[]);
    }
}
