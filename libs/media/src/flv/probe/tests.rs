//! Configurations written by x264, x265, libaom and SVT-AV1 through FFmpeg 5.1, and sources made of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::rtmp::amf::Value;

const AVC_1080_MAIN: &str = "014d4028ffe1001a674d4028eca03c0113f2e022000003000200000300781e30632c01000468ce3c80";
const AVC_718_HIGH: &str = "0164001fffe1001a6764001facd9405005bfac0440000003004000000c83c60c658001000468ef8fcbfdf8f800";
const HEVC_718: &str = "0101600000009000000000005df000fcfdf8f800000f03200001001840010c01ffff0160000003009000000300000300\
    5d959809210001002c42010101600000030090000003000003005da00280802d1f596566924caf016808000003000800000300c840220001\
    00074401c172b46240";
const AV1_AOM_718: &str = "81050c000a0b0000002d4cffb35fff9804";
const AV1_SVT_718: &str = "81050c000a0b0000002d4cffb3402f8004";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn tag(kind: TagKind, ts: u32, data: Vec<u8>) -> Tag {
    Tag { kind, ts, data: Bytes::from(data) }
}

fn sequence(prefix: &[u8], record: &str) -> Tag {
    tag(TagKind::Video, 0, [prefix, &hex(record)].concat())
}

#[test]
fn sizes_and_profiles() {
    let check = |prefix: &[u8], record, codec: &str, profile: &str, width, height, enhanced| {
        let mut probe = SourceProbe::new();
        assert!(probe.push(&sequence(prefix, record)));
        let info = probe.info();
        assert_eq!((info.video_codec.as_str(), info.video_profile.as_str()), (codec, profile));
        assert_eq!((info.width, info.height, info.enhanced), (width, height, enhanced), "{codec}");
    };
    check(b"\x17\0\0\0\0", AVC_1080_MAIN, "h264", "main", 1920, 1080, false);
    check(b"\x17\0\0\0\0", AVC_718_HIGH, "h264", "high", 1280, 718, false);
    check(b"\x90avc1", AVC_718_HIGH, "h264", "high", 1280, 718, true);
    check(b"\x90hvc1", HEVC_718, "hevc", "main", 1280, 718, true);
    check(b"\x1c\0\0\0\0", HEVC_718, "hevc", "main", 1280, 718, false);
    check(b"\x90av01", AV1_AOM_718, "av1", "main", 1280, 718, true);
    check(b"\x90av01", AV1_SVT_718, "av1", "main", 1280, 718, true);
    check(b"\x90av01", "00", "av1", "", 0, 0, true);
}

/// 30 fps with a keyframe each `gop` frames, 2000 bytes a frame, AAC at 48 kHz.
fn run(probe: &mut SourceProbe, frames: u32, gop: u32, composition: impl Fn(u32) -> u8) {
    probe.push(&sequence(b"\x17\0\0\0\0", AVC_1080_MAIN));
    probe.push(&tag(TagKind::Audio, 0, vec![0xaf, 0, 0x11, 0x90]));
    for n in 0..frames {
        let mut data = vec![0; 2000];
        data[..5].copy_from_slice(&[if n % gop == 0 { 0x17 } else { 0x27 }, 1, 0, 0, composition(n)]);
        probe.push(&tag(TagKind::Video, n * 100 / 3, data));
    }
    for n in 0..frames * 1000 / 30 * 48 / 1024 {
        probe.push(&tag(TagKind::Audio, n * 1024 / 48, vec![0xaf; 342]));
    }
}

#[test]
fn rates_gops_and_b_frames() {
    let mut probe = SourceProbe::new();
    run(&mut probe, 300, 60, |_| 0);
    let info = probe.info();
    assert!((info.fps - 30.0).abs() < 0.1, "{}", info.fps);
    assert_eq!((info.gop_ms, info.video_kbps, info.b_frames), (2000, 480, false));
    assert_eq!((info.audio_codec.as_str(), info.audio_rate_hz, info.audio_channels), ("aac", 48_000, 2));
    assert!((126..=130).contains(&info.audio_kbps), "{}", info.audio_kbps);

    let mut probe = SourceProbe::new();
    run(&mut probe, 300, 60, |n| [0, 100, 33][n as usize % 3]);
    assert!(probe.info().b_frames);

    let mut probe = SourceProbe::new();
    run(&mut probe, 300, 1000, |_| 0);
    assert_eq!(probe.info().gop_ms, 9966, "an unfinished GOP counts as long as it is");
}

#[test]
fn what_the_encoder_says_stands_in_until_it_is_measured() {
    let mut probe = SourceProbe::new();
    let said = [("width", 1.0), ("framerate", 25.0), ("videodatarate", 6000.0), ("audiodatarate", 160.0)];
    let said = said.map(|(key, number)| (key.to_owned(), Value::Number(number)));
    assert!(probe.push(&metadata::write(said.to_vec())));
    assert_eq!(probe.info(), SourceInfo::default(), "metadata alone is no media");
    probe.push(&sequence(b"\x17\0\0\0\0", AVC_1080_MAIN));
    let info = probe.info();
    assert_eq!((info.width, info.fps, info.video_kbps, info.audio_kbps), (1920, 25.0, 6000, 0));
    run(&mut probe, 60, 60, |_| 0);
    assert!((probe.info().fps - 30.0).abs() < 0.1);
}

proptest! {
    #[test]
    fn random_configurations_never_panic(
        prefix in prop::sample::select(vec![&b"\x17\0\0\0\0"[..], b"\x1c\0\0\0\0", b"\x90hvc1", b"\x90av01", b"\x90Opus", b"\x91hvc1"]),
        start in prop::sample::select(vec![AVC_1080_MAIN, AVC_718_HIGH, HEVC_718, AV1_AOM_718, ""]),
        keep in 0usize..60,
        tail in prop::collection::vec(any::<u8>(), 0..120),
        ts in any::<u32>(),
    ) {
        let record = hex(start);
        let body = [prefix, &record[..keep.min(record.len())], &tail].concat();
        let mut probe = SourceProbe::new();
        for kind in [TagKind::Video, TagKind::Audio, TagKind::Script] {
            probe.push(&tag(kind, ts, body.clone()));
            probe.push(&tag(kind, 7, body.clone()));
        }
        let _ = probe.info();
    }
}
