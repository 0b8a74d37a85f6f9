//! What a destination's server can do to us. The others never notice.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::sink::Sink;

/// First step of the backoff plus what the promise allows.
const BACK: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_destination_comes_back_and_its_sibling_loses_nothing() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(2).await?;
    flows(&sinks[0], 100_000, PATIENCE).await?;
    let cut = Instant::now();
    sinks[0].reset();
    let back = sinks[0].wait_for("media again", PATIENCE, |seen| seen.get(1).and_then(|one| one.first_media)).await?;
    assert!(back - cut <= BACK, "back after {:?}", back - cut);
    flows(&sinks[0], 200_000, PATIENCE).await?;
    let again = &sinks[0].seen()[1];
    assert!(again.starts_decodable() && again.backwards == 0 && again.max_skew_ms < 500, "{again:?}");
    assert!(again.tags.iter().find(|tag| !tag.sequence_header && tag.keyframe).is_some_and(|tag| tag.ts < 1_000));
    let sibling = sinks[1].seen();
    assert_eq!(sibling.len(), 1);
    assert!(sibling[0].longest_gap() < Duration::from_millis(700), "{:?}", sibling[0].longest_gap());
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_down_gets_media_again() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(1).await?;
    sinks[0].go_down().await?;
    scene.destination_is(&ids[0], PATIENCE, &["reconnecting"]).await?;
    sinks[0].come_back()?;
    scene.destination_is(&ids[0], PATIENCE, &FED).await?;
    flows(&sinks[0], 200_000, PATIENCE).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_stays_down_ends_in_error_after_its_attempts() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let id = scene.send_to(&sink, "short", json!({"max_retries": 1})).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    sink.go_down().await?;
    let status = scene.destination_is(&id, PATIENCE, &["error"]).await?;
    assert_eq!(status["destinations"][0]["id"], json!(id));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_stops_reading_is_seen_within_eight_seconds() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    flows(&sinks[0], 300_000, PATIENCE).await?;
    let frozen = Instant::now();
    sinks[0].freeze();
    scene.destination_is(&ids[0], PATIENCE, &["reconnecting", "error"]).await?;
    assert!(frozen.elapsed() < Duration::from_secs(9), "seen after {:?}", frozen.elapsed());
    sinks[0].thaw();
    assert_eq!(sinks[1].seen().len(), 1, "the sibling must not have reconnected");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_sent_are_what_the_sink_counted() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(1).await?;
    flows(&sinks[0], 2_000_000, PATIENCE).await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    let counted = e2e::scene::media_bytes(&sinks[0].seen());
    let mut said = 0;
    testkit::wait::until_true("the last metrics", PATIENCE, async || {
        let metrics = scene.api.metrics(&scene.stream.id).await.unwrap_or_default();
        said = metrics["destinationMetrics"][&ids[0]]["bytesSent"].as_u64().unwrap_or_default();
        said.abs_diff(counted) * 50 <= counted
    })
    .await
    .map_err(|error| error.context(format!("we said {said}, the sink counted {counted}")))?;
    scene.close().await
}
