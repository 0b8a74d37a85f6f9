//! Encoders that not every machine has. Run them where GStreamer (with the "ugly" and "bad" plugins) and a curl with
//! librtmp are installed: `cargo nextest run -p relay --run-ignored only`.

#![allow(clippy::print_stdout, reason = "run by hand, to be read")]

use std::path::Path;

use media::flv::TagKind;
use testkit::{
    proc::{End, Proc, Spec},
    wait,
};

use crate::rig::{DEADLINE, KEY, Reader, Rig};

fn run(program: &str, arguments: &[String]) -> (Proc, tempfile::TempDir) {
    let held = tempfile::tempdir().unwrap();
    let mut spec = Spec::new(program, Path::new("/usr/bin").join(program), held.path().join("log"))
        .args(arguments.iter().cloned());
    spec.end = End::Kill;
    (Proc::spawn(spec).unwrap(), held)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Watches five seconds of media: both kinds flow without a hole, and stay together.
async fn watch(rig: &Rig, encoder: &Proc, most_apart_ms: i64) {
    wait::until_true("a live source", DEADLINE, async || {
        assert!(encoder.alive(), "{}", encoder.log_tail());
        !rig.orchestrator.state().reports.is_empty()
    })
    .await
    .unwrap();
    let mut reader = rig.read().await;
    let (video, audio) = collect(&mut reader, 5_000).await;
    let gap = |times: &[u32]| times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).max().unwrap();
    let apart = |times: (&[u32], &[u32])| i64::from(*times.0.last().unwrap()) - i64::from(*times.1.last().unwrap());
    let info = rig.read().await.info;
    let seen = (gap(&video), gap(&audio), apart((&video, &audio)));
    assert!(seen.0 <= 100 && seen.1 <= 100 && seen.2.abs() <= most_apart_ms, "video gap, audio gap, apart: {seen:?}");
    assert!(info.width > 0 && info.fps > 20.0 && !info.audio_codec.is_empty(), "{info:?}");
}

async fn collect(reader: &mut Reader, span_ms: u32) -> (Vec<u32>, Vec<u32>) {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    loop {
        let tag = reader.next().await.unwrap();
        match tag.kind {
            _ if tag.is_sequence_header() => {}
            TagKind::Video => video.push(tag.ts),
            TagKind::Audio => audio.push(tag.ts),
            TagKind::Script => {}
        }
        if video.last().zip(video.first()).is_some_and(|(last, first)| last - first >= span_ms) {
            return (video, audio);
        }
    }
}

fn gstreamer(sink: &str) -> Vec<String> {
    words(&format!(
        "-q flvmux name=mux streamable=true ! {sink} \
         videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! \
         x264enc tune=zerolatency bitrate=1000 key-int-max=60 ! h264parse ! mux. \
         audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! mux."
    ))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs GStreamer"]
async fn gstreamer_rtmp2sink() {
    let rig = Rig::new().await;
    let (encoder, _held) = run("gst-launch-1.0", &gstreamer(&format!("rtmp2sink location={}", rig.rtmp_url(KEY))));
    watch(&rig, &encoder, 120).await;
    encoder.terminate();
    ended(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs GStreamer"]
async fn gstreamer_rtmpsink() {
    let rig = Rig::new().await;
    let (encoder, _held) = run("gst-launch-1.0", &gstreamer(&format!("rtmpsink location={}", rig.rtmp_url(KEY))));
    watch(&rig, &encoder, 120).await;
    encoder.terminate();
    ended(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a curl with librtmp"]
async fn librtmp_through_curl() {
    let rig = Rig::new().await;
    let held = tempfile::tempdir().unwrap();
    let file = held.path().join("clip.flv");
    let make = words(
        "-v error -f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=r=48000 -t 12 -c:v libx264 -preset ultrafast \
         -g 60 -b:v 1M -minrate 1M -maxrate 1M -bufsize 500k -c:a aac -ac 2 -f flv",
    );
    let (maker, _log) = run("ffmpeg", &[make, vec![file.display().to_string()]].concat());
    wait::until_true("the clip is made", DEADLINE, async || !maker.alive()).await.unwrap();
    let upload = words(&format!("-sS --limit-rate 150k -T {} {}", file.display(), rig.rtmp_url(KEY)));
    let (encoder, _log) = run("curl", &upload);
    watch(&rig, &encoder, 1_000).await; // curl sends as fast as the limit lets it: kinds come in bursts
    wait::until_true("curl ends", DEADLINE * 2, async || !encoder.alive()).await.unwrap();
    assert!(encoder.exit_status().unwrap().success(), "{}", encoder.log_tail());
    ended(&rig).await;
}

async fn ended(rig: &Rig) {
    let end = wait::until("the end", DEADLINE, async || {
        rig.orchestrator.state().reports.iter().find(|report| !report.connected).cloned()
    });
    assert_eq!(end.await.unwrap().reason, "closed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the newest FFmpeg, and encodes"]
async fn enhanced_rtmp_from_the_newest_ffmpeg() {
    for (encoder, options, codec) in [
        ("libx265", "-preset ultrafast -x265-params log-level=none:bframes=0:keyint=30", "hevc"),
        ("libsvtav1", "-preset 12 -g 30", "av1"),
    ] {
        let rig = Rig::new().await;
        let ffmpeg = testkit::tools::newest_ffmpeg::need().unwrap();
        let held = tempfile::tempdir().unwrap();
        let arguments = words(&format!(
            "-v error -re -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=r=48000 -c:v {encoder} {options} \
             -pix_fmt yuv420p -b:v 300k -c:a aac -ac 2 -f flv {}",
            rig.rtmp_url(KEY)
        ));
        let mut spec = Spec::new("newest ffmpeg", ffmpeg, held.path().join("log")).args(arguments);
        spec.end = End::Kill;
        let publisher = Proc::spawn(spec).unwrap();
        wait::until_true("a live source", DEADLINE, async || {
            assert!(publisher.alive(), "{}", publisher.log_tail());
            !rig.orchestrator.state().reports.is_empty()
        })
        .await
        .unwrap();
        let mut reader = rig.read().await;
        let (video, audio) = collect(&mut reader, 3_000).await;
        assert!(video.len() >= 85 && audio.len() > 100, "{} {}", video.len(), audio.len());
        let info = rig.read().await.info;
        assert_eq!((info.video_codec.as_str(), info.enhanced, info.width, info.height), (codec, true, 320, 180));
        assert!((info.fps - 30.0).abs() < 1.0 && info.gop_ms >= 900, "{info:?}");
    }
}
