//! Both ends of the FFmpeg versions that workers may have, and Enhanced RTMP through them.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use media::flv::{self, Decoder, Tag, TagKind};
use serde_json::json;
use testkit::{
    LiveSource, ffprobe_bytes, live_source,
    sink::{Seen, Sink},
    stack::Options,
    tools::newest_ffmpeg,
    wait,
};

/// The newest FFmpeg; says loudly that a test is skipped when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
fn newest() -> Option<PathBuf> {
    newest_ffmpeg::need().inspect_err(|error| eprintln!("SKIPPED, nothing was tested: {error:#}")).ok()
}

fn hevc(ffmpeg: PathBuf) -> live_source::Options {
    live_source::Options {
        size: "640x360".to_owned(),
        kbps: 800,
        encoder: "libx265".to_owned(),
        ffmpeg: Some(ffmpeg),
        ..live_source::Options::default()
    }
}

fn video(seen: &Seen) -> Vec<Tag> {
    let mut decoder = Decoder::new(8 << 20);
    let mut input = BytesMut::from(&seen.flv()[..]);
    std::iter::from_fn(|| decoder.next(&mut input).expect("the sink's FLV is readable"))
        .filter(|tag| tag.kind == TagKind::Video)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_ffmpeg_copies_and_encodes() -> anyhow::Result<()> {
    let Some(newest) = newest() else { return Ok(()) };
    let options = Options { ffmpeg: Some(newest), ..Options::default() };
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let copy = Sink::start().await?;
    let small = Sink::start().await?;
    scene.send_to(&copy, "copy", json!({})).await?;
    let asked = json!({"bitrate": 600, "resolution": "640x360", "framerate": 15, "preset": "ultrafast"});
    scene.send_to(&small, "small", asked).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    for (sink, size, fps) in [(&copy, (1280, 720), 30.0), (&small, (640, 360), 15.0)] {
        sink.wait_for("four seconds", PATIENCE, |seen| {
            seen.last().and_then(|one| one.tags.last()).is_some_and(|tag| tag.ts > 4_000).then_some(())
        })
        .await?;
        let seen = sink.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].starts_decodable() && seen[0].backwards == 0 && seen[0].max_skew_ms < 500, "{seen:?}");
        let probe = ffprobe_bytes(&seen[0].flv()).await?;
        let video = probe.video().unwrap();
        assert_eq!((video.codec_name.as_str(), (video.width, video.height)), ("h264", size));
        assert!((video.fps() - fps).abs() < 1.0, "{}", video.fps());
        assert_eq!(probe.audio().unwrap().codec_name, "aac");
    }
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["live"]).await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_is_a_clear_error_where_ffmpeg_is_too_old() -> anyhow::Result<()> {
    let Some(newest) = newest() else { return Ok(()) };
    let scene = Scene::open_with(Options::default(), &hevc(newest)).await?;
    let sink = Sink::start().await?;
    let id = scene.send_to(&sink, "hevc", json!({})).await?;
    scene.api.start(&scene.stream.id).await?;
    let status = scene.destination_is(&id, PATIENCE, &["error"]).await?;
    assert_eq!(status["stream"]["source"]["video_codec"], "hevc", "{status}");
    let error = &status["destinations"][0]["error"];
    assert_eq!(error["code"], "codec_unsupported", "{status}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("hevc") && message.contains("H.264"), "{message}");
    assert!(sink.seen().iter().all(|one| one.tags.is_empty()), "{:?}", sink.seen());
    assert_eq!(scene.stack.ffmpegs(), Vec::<u32>::new());

    // The next step that the message names helps.
    scene.api.stop(&scene.stream.id).await?;
    scene.source.kill();
    let _switched = republish(&scene, &live_source::Options::default()).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    scene.close().await
}

/// Another encoder takes over when the first is gone; refused meanwhile, it connects again, as encoders do.
async fn republish(scene: &Scene, options: &live_source::Options) -> anyhow::Result<LiveSource> {
    let source = LiveSource::start_with(&scene.stream.publish_url(), options)?;
    let codec = if options.encoder == "libx265" { "hevc" } else { "h264" };
    wait::until_true("the other encoder's stream", PATIENCE, async || {
        if !source.alive() {
            source.restart().expect("FFmpeg starts");
        }
        scene.api.status(&scene.stream.id).await.is_ok_and(|status| {
            let now = &status["stream"]["source"];
            now["connected"] == json!(true) && now["video_codec"] == json!(codec)
        })
    })
    .await?;
    Ok(source)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_comes_back_different_is_sent_on_or_refused_clearly() -> anyhow::Result<()> {
    let Some(newest) = newest() else { return Ok(()) };
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(1).await?;
    flows(&sinks[0], 200_000, PATIENCE).await?;
    scene.source.kill();
    scene.source_is(false).await?;

    let small = live_source::Options { size: "640x360".to_owned(), kbps: 600, ..live_source::Options::default() };
    let second = republish(&scene, &small).await?;
    scene.destination_is(&ids[0], PATIENCE, &FED).await?;
    flows(&sinks[0], 200_000, PATIENCE).await?;
    let seen = sinks[0].seen();
    let last = seen.last().unwrap();
    // Whether it had to publish again or not: what came last is the new picture, in order.
    assert!(last.starts_decodable() && last.backwards == 0 && sinks[0].overlap_ms() == 0, "{seen:?}");
    let probe = ffprobe_bytes(&last_picture(last)).await?;
    assert_eq!(probe.video().unwrap().width, 640, "{seen:?}");
    second.kill();
    scene.source_is(false).await?;

    let _third = republish(&scene, &hevc(newest)).await?;
    let status = scene.destination_is(&ids[0], PATIENCE, &["error"]).await?;
    assert_eq!(status["destinations"][0]["error"]["code"], "codec_unsupported", "{status}");
    wait::until_true("no FFmpeg", PATIENCE, async || scene.stack.ffmpegs().is_empty()).await?;
    scene.close().await
}

/// The part of a recording from the last video sequence header on, as an FLV file.
fn last_picture(seen: &Seen) -> Bytes {
    let mut decoder = Decoder::new(8 << 20);
    let mut input = BytesMut::from(&seen.flv()[..]);
    let tags: Vec<Tag> = std::iter::from_fn(|| decoder.next(&mut input).expect("readable")).collect();
    let begin = tags.iter().rposition(|tag| tag.kind == TagKind::Video && tag.is_sequence_header()).unwrap_or_default();
    let mut file = BytesMut::from(&flv::header(true, false)[..]);
    tags[begin..].iter().filter(|tag| tag.kind == TagKind::Video).for_each(|tag| flv::put_tag(tag, &mut file));
    file.freeze()
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_passes_through_and_is_encoded_where_ffmpeg_can() -> anyhow::Result<()> {
    let Some(newest) = newest() else { return Ok(()) };
    let options = Options { ffmpeg: Some(newest.clone()), ..Options::default() };
    let scene = Scene::open_with(options, &hevc(newest)).await?;
    let (copy, plain) = (Sink::start().await?, Sink::start().await?);
    let copied = scene.send_to(&copy, "hevc", json!({})).await?;
    let asked = json!({"bitrate": 500, "resolution": "320x180", "preset": "ultrafast"});
    let encoded = scene.send_to(&plain, "plain", asked).await?;
    scene.api.start(&scene.stream.id).await?;
    for (id, sink) in [(&copied, &copy), (&encoded, &plain)] {
        scene.destination_is(id, PATIENCE, &FED).await?;
        flows(sink, 200_000, PATIENCE).await?;
        let seen = sink.seen();
        assert!(seen.len() == 1 && seen[0].starts_decodable() && seen[0].backwards == 0, "{seen:?}");
    }
    let tags = video(&copy.seen()[0]);
    assert!(tags.len() > 30 && tags.iter().all(Tag::is_enhanced_video), "{:?}", tags.first());
    assert_eq!(tags[0].data.get(1..5), Some(&b"hvc1"[..]));
    let probe = ffprobe_bytes(&plain.seen()[0].flv()).await?;
    assert_eq!((probe.video().unwrap().codec_name.as_str(), probe.video().unwrap().width), ("h264", 320));
    scene.close().await
}
