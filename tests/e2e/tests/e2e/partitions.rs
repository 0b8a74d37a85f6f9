//! Redis forgets everything, or one worker alone can't reach it.

use std::time::Duration;

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::{
    Proxy, live_source,
    sink::{Duplicate, Options, Sink},
    stack::{self, Service},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn redis_forgets_everything_and_nothing_happens() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(3).await?;
    let before = scene.worker_of(&ids[0]).await?;
    assert_eq!(scene.stack.redis.command("FLUSHALL").await?, "+OK");
    wait::until_true("the leases again", PATIENCE, async || {
        scene.worker_of(&ids[0]).await.is_ok_and(|worker| worker == before)
    })
    .await?;
    for sink in &sinks {
        flows(sink, 2_000_000, PATIENCE).await?;
        assert_eq!(sink.seen().len(), 1, "a running stream must not reconnect");
    }
    // What was forgotten must not be in the way of a stop either.
    assert_eq!(scene.stack.redis.command("FLUSHALL").await?, "+OK");
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    wait::until_true("no FFmpeg", Duration::from_secs(5), async || scene.stack.ffmpegs().is_empty()).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_stops_neither_streams_nor_starts() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(1).await?;
    assert_eq!(scene.stack.redis.command("CONFIG SET maxmemory 1").await?, "+OK");
    assert!(scene.stack.redis.command("SET more memory").await?.starts_with("-OOM"), "the fault must happen");
    flows(&sinks[0], 2_000_000, PATIENCE).await?;
    let other = Sink::start().await?;
    let id = scene.send_to(&other, "full", json!({})).await?;
    let path = format!("/api/simulcast/{}/destinations", scene.stream.id);
    scene.api.post(&path, &json!({"destination_id": id})).await?.data()?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&other, 200_000, PATIENCE).await?;
    assert_eq!((sinks[0].seen().len(), other.seen().len()), (1, 1));
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_redis_loses_its_sessions_cleanly() -> anyhow::Result<()> {
    for duplicate in [Duplicate::TakeBoth, Duplicate::Refuse, Duplicate::KickFirst] {
        partitioned(duplicate).await?;
    }
    Ok(())
}

async fn partitioned(duplicate: Duplicate) -> anyhow::Result<()> {
    let options = stack::Options { workers: 0, ..stack::Options::default() };
    let mut scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let wire = Proxy::start(scene.stack.redis.addr()).await?;
    let redis = format!("redis://{}", wire.addr());
    scene.stack.add_with(Service::EncoderWorker, &[("REDIS_URL", redis)]).await?;
    let sink = Sink::start_with(Options { duplicate, ..Options::default() }).await?;
    let id = scene.send_to(&sink, "apart", json!({})).await?;
    scene.api.start(&scene.stream.id).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    assert_eq!(scene.worker_of(&id).await?, 0);
    scene.stack.add(Service::EncoderWorker).await?;
    wire.freeze(true);
    wait::until_true("another worker's lease", PATIENCE, async || {
        scene.worker_of(&id).await.is_ok_and(|worker| worker == 1)
    })
    .await?;
    sink.wait_for("the end of the old connection", PATIENCE, |seen| seen[0].ended).await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 300_000, PATIENCE).await?;
    assert_eq!(sink.overlap_ms(), 0, "{duplicate:?}: {:?}", sink.seen());
    wait::until_true("one FFmpeg", PATIENCE, async || scene.stack.ffmpegs().len() == 1).await?;
    wire.heal();
    flows(&sink, 600_000, PATIENCE).await?;
    let carried = sink.seen().iter().filter(|one| one.first_media.is_some()).count();
    assert_eq!((carried, sink.overlap_ms()), (2, 0), "the healed worker stays away ({duplicate:?}): {:?}", sink.seen());
    scene.close().await
}
