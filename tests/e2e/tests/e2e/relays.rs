//! Two relays: each stream is on one of them, workers find it there, and it may move.

use std::time::Duration;

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::{
    LiveSource, ffprobe_bytes, live_source,
    sink::Sink,
    stack::{Options, Service},
    wait,
};

/// An encoder that is refused connects again by itself, for so long.
const REPUBLISH: Duration = Duration::from_secs(15);

async fn two_relays() -> anyhow::Result<Scene> {
    let options = Options { relays: 2, ..Options::default() };
    Scene::open_with(options, &live_source::Options::default()).await
}

fn publish_url(scene: &Scene, relay: usize, key: &str) -> anyhow::Result<String> {
    let base = scene.stack.process(Service::Relay, relay)?.rtmp().unwrap_or_default();
    Ok(format!("{base}/{key}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stream_is_fetched_from_its_own_relay() -> anyhow::Result<()> {
    let scene = two_relays().await?;
    let other = scene.api.create_stream("other").await?;
    let small = live_source::Options { size: "640x360".to_owned(), kbps: 600, ..live_source::Options::default() };
    let _source = LiveSource::start_with(&publish_url(&scene, 1, &other.stream_key)?, &small)?;
    let sinks = [Sink::start().await?, Sink::start().await?];
    for (sink, stream) in sinks.iter().zip([&scene.stream, &other]) {
        scene.api.create_destination(&stream.id, "one", &sink.url(), "key-one-q7XvR2mLw9", json!({})).await?;
        scene.api.start(&stream.id).await?;
        scene.api.wait_destinations(&stream.id, PATIENCE, &FED).await?;
    }
    for (sink, width) in sinks.iter().zip([1280, 640]) {
        flows(sink, 200_000, PATIENCE).await?;
        let probe = ffprobe_bytes(&sink.seen()[0].flv()).await?;
        assert_eq!(probe.video().unwrap().width, width);
    }
    for relay in 0..2 {
        let metrics = scene.stack.process(Service::Relay, relay)?.metrics().await?;
        let readers = metrics.lines().find(|line| line.starts_with("relay_readers")).unwrap_or_default().to_owned();
        assert!(readers.ends_with(" 1"), "relay {relay}: {readers:?}");
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_moves_to_the_other_relay_when_its_own_dies() -> anyhow::Result<()> {
    let scene = two_relays().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    for sink in &sinks {
        flows(sink, 200_000, PATIENCE).await?;
    }
    scene.stack.process(Service::Relay, 0)?.kill();
    wait::until_true("the encoder to notice", PATIENCE, async || !scene.source.alive()).await?;
    let before: Vec<u64> = sinks.iter().map(|sink| e2e::scene::media_bytes(&sink.seen())).collect();
    let again = LiveSource::start(&publish_url(&scene, 1, &scene.stream.stream_key)?)?;
    let fed = async || {
        if !again.alive() {
            again.restart().expect("FFmpeg starts");
        }
        let grown = sinks
            .iter()
            .zip(&before)
            .all(|(sink, before)| sink.look(|seen| e2e::scene::media_bytes(seen) > before + 200_000));
        grown && again.alive()
    };
    wait::until_true("media through the other relay", REPUBLISH, fed).await?;
    for id in &ids {
        scene.destination_is(id, PATIENCE, &FED).await?;
    }
    for sink in &sinks {
        assert_eq!(sink.overlap_ms(), 0);
        assert!(sink.seen().last().unwrap().starts_decodable());
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_encoder_is_refused_by_the_other_relay_too() -> anyhow::Result<()> {
    let scene = two_relays().await?;
    let (sinks, _) = scene.live_at(1).await?;
    let second = LiveSource::start(&publish_url(&scene, 1, &scene.stream.stream_key)?)?;
    wait::until_true("the second publisher's end", PATIENCE, async || !second.alive()).await?;
    assert!(second.proc().log_tail().contains("already live"), "{}", second.proc().log_tail());
    assert!(scene.source.alive());
    flows(&sinks[0], 300_000, PATIENCE).await?;
    assert_eq!(sinks[0].seen().len(), 1);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_takeover_the_later_encoder_wins_on_either_relay() -> anyhow::Result<()> {
    let options = Options { relays: 2, ..Options::default() }.env(Service::Relay, "RELAY_TAKEOVER", "true");
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let (sinks, ids) = scene.live_at(1).await?;
    flows(&sinks[0], 200_000, PATIENCE).await?;
    let mut before = None;
    for relay in [0, 1, 0] {
        let later = LiveSource::start(&publish_url(&scene, relay, &scene.stream.stream_key)?)?;
        let earlier = before.as_ref().unwrap_or(&scene.source);
        wait::until_true("the earlier encoder's end", PATIENCE, async || !earlier.alive()).await?;
        flows(&sinks[0], 400_000, PATIENCE).await?;
        scene.destination_is(&ids[0], PATIENCE, &FED).await?;
        assert!(later.alive(), "{}", later.proc().log_tail());
        let seen = sinks[0].seen();
        assert!(sinks[0].overlap_ms() == 0 && seen.iter().all(|one| one.backwards == 0), "{seen:?}");
        before = Some(later);
    }
    scene.close().await
}
