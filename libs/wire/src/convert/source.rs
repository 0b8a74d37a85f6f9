//! What a live source is made of.

use domain::source::SourceInfo;

use crate::v1;

impl From<SourceInfo> for v1::SourceInfo {
    fn from(info: SourceInfo) -> Self {
        Self {
            video_codec: info.video_codec,
            video_profile: info.video_profile,
            width: info.width,
            height: info.height,
            fps: info.fps,
            video_kbps: info.video_kbps,
            gop_ms: info.gop_ms,
            audio_codec: info.audio_codec,
            audio_rate_hz: info.audio_rate_hz,
            audio_channels: info.audio_channels,
            audio_kbps: info.audio_kbps,
            enhanced: info.enhanced,
            b_frames: info.b_frames,
        }
    }
}

/// Total: empty and zero already mean "not known". A frame rate that is no number becomes 0.
impl From<v1::SourceInfo> for SourceInfo {
    fn from(info: v1::SourceInfo) -> Self {
        Self {
            video_codec: info.video_codec,
            video_profile: info.video_profile,
            width: info.width,
            height: info.height,
            fps: if info.fps.is_finite() && info.fps > 0.0 { info.fps } else { 0.0 },
            video_kbps: info.video_kbps,
            gop_ms: info.gop_ms,
            audio_codec: info.audio_codec,
            audio_rate_hz: info.audio_rate_hz,
            audio_channels: info.audio_channels,
            audio_kbps: info.audio_kbps,
            enhanced: info.enhanced,
            b_frames: info.b_frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::source::SourceInfo;

    use crate::v1;

    #[test]
    fn a_source_survives_the_way_there_and_back() {
        let info = SourceInfo {
            video_codec: "h264".into(),
            video_profile: "high".into(),
            width: 1920,
            height: 1080,
            fps: 29.97,
            video_kbps: 6000,
            gop_ms: 2000,
            audio_codec: "aac".into(),
            audio_rate_hz: 48_000,
            audio_channels: 2,
            audio_kbps: 128,
            enhanced: true,
            b_frames: true,
        };
        assert_eq!(SourceInfo::from(v1::SourceInfo::from(info.clone())), info);
    }

    #[test]
    fn a_frame_rate_that_is_no_number_is_unknown() {
        for fps in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(SourceInfo::from(v1::SourceInfo { fps, ..Default::default() }).fps, 0.0);
        }
    }
}
