//! Real FFmpeg on both sides.

use testkit::{LiveSource, live_source, wait};

use crate::rig::{DEADLINE, End, KEY, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_publishes_and_its_stream_is_whole() {
    let rig = Rig::new().await;
    let options = live_source::Options { b_frames: 2, ..live_source::Options::default() };
    let source = LiveSource::start_with(&rig.rtmp_url(KEY), &options).unwrap();
    wait::until_true("a live source", DEADLINE, async || !rig.orchestrator.state().reports.is_empty()).await.unwrap();
    let mut reader = rig.read().await;
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while video.len() < 120 {
        let tag = reader.next().await.unwrap();
        match tag.kind {
            media::flv::TagKind::Video if !tag.is_sequence_header() => video.push(tag.ts),
            media::flv::TagKind::Audio if !tag.is_sequence_header() => audio.push(tag.ts),
            _ => {}
        }
    }
    let largest = |times: &[u32]| times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).max();
    assert!(largest(&video) <= Some(50) && largest(&audio) <= Some(30), "{:?} {:?}", largest(&video), largest(&audio));
    let info = rig.read().await.info;
    assert_eq!((info.width, info.height, info.gop_ms, info.b_frames), (1280, 720, 2000, true));
    assert!((info.fps - 30.0).abs() < 0.5 && (1500..3500).contains(&info.video_kbps), "{info:?}");
    assert_eq!((info.audio_codec.as_str(), info.audio_channels), ("aac", 2));
    source.finish();
    assert_eq!(reader.until_end().await, End::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_ffmpeg_shows_why() {
    let rig = Rig::new().await;
    let source = LiveSource::start(&rig.rtmp_url("not-a-key-of-ours")).unwrap();
    wait::until_true("FFmpeg ends", DEADLINE, async || !source.alive()).await.unwrap();
    let log = source.proc().log_tail();
    assert!(log.contains("Server error: unknown stream key"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_encoder_ends_the_source_and_may_come_back() {
    let rig = Rig::new().await;
    let source = LiveSource::start(&rig.rtmp_url(KEY)).unwrap();
    wait::until_true("a live source", DEADLINE, async || !rig.orchestrator.state().reports.is_empty()).await.unwrap();
    let mut reader = rig.read().await;
    reader.next().await.unwrap();
    source.kill();
    assert_eq!(reader.until_end().await, End::Clean);
    source.restart().unwrap();
    wait::until_true("live again", DEADLINE, async || {
        rig.orchestrator.state().reports.iter().any(|report| report.connected && report.source_epoch == 2)
    })
    .await
    .unwrap();
    rig.read().await.next().await.unwrap();
}
