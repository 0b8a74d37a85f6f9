//! What the encoder can do to us.

use std::time::Duration;

use e2e::{
    Scene,
    scene::{PATIENCE, flows},
};
use testkit::{LiveSource, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_returns_feeds_its_destinations_again() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    scene.source.kill();
    scene.source_is(false).await?;
    scene.destination_is(&ids[0], PATIENCE, &["waiting_source"]).await?;
    let before: Vec<u64> = sinks.iter().map(|sink| e2e::scene::media_bytes(&sink.seen())).collect();
    scene.source.restart()?;
    scene.fed().await?;
    for (sink, before) in sinks.iter().zip(before) {
        sink.wait_for("media of the new source", Duration::from_secs(5), |seen| {
            (e2e::scene::media_bytes(seen) > before + 100_000).then_some(())
        })
        .await?;
        assert!(sink.seen().last().unwrap().starts_decodable());
        assert_eq!(sink.overlap_ms(), 0);
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_publisher_and_an_unknown_key_are_refused() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(1).await?;
    let second = LiveSource::start(&scene.stream.publish_url())?;
    wait::until_true("the second publisher's end", PATIENCE, async || !second.alive()).await?;
    let unknown = LiveSource::start(&format!("{}/not-a-key", scene.stream.ingest_url))?;
    wait::until_true("the stranger's end", PATIENCE, async || !unknown.alive()).await?;
    assert!(scene.source.alive(), "the first publisher stays");
    flows(&sinks[0], 100_000, PATIENCE).await?;
    assert_eq!(sinks[0].seen().len(), 1);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_before_the_source_waits_for_it() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.source.kill();
    scene.source_is(false).await?;
    let sink = testkit::sink::Sink::start().await?;
    let id = scene.send_to(&sink, "early", serde_json::json!({})).await?;
    scene.api.start_no_wait(&scene.stream.id).await?;
    scene.destination_is(&id, PATIENCE, &["waiting_source"]).await?;
    assert_eq!(sink.seen().len(), 0, "nothing to send, nothing to connect for");
    scene.source.restart()?;
    scene.fed().await?;
    scene.close().await
}
