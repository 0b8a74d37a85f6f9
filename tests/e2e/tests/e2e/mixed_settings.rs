//! Copies and encodes side by side.

use e2e::Scene;
use serde_json::json;
use testkit::{
    ffprobe_bytes, live_source,
    sink::{self, Sink},
    stack,
};

use e2e::scene::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn each_destination_gets_what_it_asked_for() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
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
        assert!(seen[0].starts_decodable() && seen[0].backwards == 0 && seen[0].max_skew_ms < 500, "{seen:?}");
        let probe = ffprobe_bytes(&seen[0].flv()).await?;
        let video = probe.video().unwrap();
        assert_eq!((video.codec_name.as_str(), (video.width, video.height)), ("h264", size));
        assert!((video.fps() - fps).abs() < 1.0, "{}", video.fps());
        let audio = probe.audio().unwrap();
        assert_eq!((audio.codec_name.as_str(), audio.channels), ("aac", 2));
    }
    let gop = longest_gop_ms(&small);
    assert!(gop <= 2_100, "an encode has a keyframe every 2 s, not {gop} ms");
    scene.close().await
}

fn longest_gop_ms(sink: &Sink) -> u32 {
    let seen = sink.seen();
    let keys: Vec<u32> =
        seen[0].tags.iter().filter(|tag| tag.keyframe && !tag.sequence_header).map(|tag| tag.ts).collect();
    assert!(keys.len() > 1, "more than one keyframe");
    keys.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_sound_gets_a_silent_track() -> anyhow::Result<()> {
    let mute = live_source::Options { no_audio: true, ..live_source::Options::default() };
    let scene = Scene::open_with(stack::Options::default(), &mute).await?;
    let sink = Sink::start_with(sink::Options::default()).await?;
    scene.send_to(&sink, "mute", json!({})).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    sink.wait_for("three seconds", PATIENCE, |seen| {
        seen.last().and_then(|one| one.tags.last()).is_some_and(|tag| tag.ts > 3_000).then_some(())
    })
    .await?;
    let probe = ffprobe_bytes(&sink.seen()[0].flv()).await?;
    assert_eq!(probe.video().unwrap().codec_name, "h264");
    assert_eq!(probe.audio().unwrap().codec_name, "aac");
    scene.close().await
}
