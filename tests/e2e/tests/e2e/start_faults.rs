//! A start that is accepted while something it needs is away: it happens when that is back, once.

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::{
    live_source,
    sink::Sink,
    stack::{Options, Service},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_vault_waits_for_it() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let id = scene.send_to(&sink, "locked", json!({})).await?;
    let vault = scene.stack.process(Service::Credentials, 0)?;
    vault.kill();
    scene.api.start_no_wait(&scene.stream.id).await?;
    wait::until_true("a session without a key", PATIENCE, async || !scene.stack.ffmpegs().is_empty()).await?;
    assert_eq!(sink.seen().len(), 0);
    let status = scene.api.status(&scene.stream.id).await?;
    assert_ne!(status["destinations"][0]["status"], "error", "{status}");
    vault.restart().await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    assert_eq!((sink.seen().len(), scene.stack.ffmpegs().len()), (1, 1), "{:?}", sink.seen());
    assert!(sink.seen()[0].starts_decodable());
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_redis_waits_for_it() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sinks = [Sink::start().await?, Sink::start().await?];
    for (number, sink) in sinks.iter().enumerate() {
        scene.send_to(sink, &format!("lease{number}"), json!({})).await?;
    }
    scene.stack.redis.kill();
    scene.api.start_no_wait(&scene.stream.id).await?;
    scene.stack.redis.restart().await?;
    scene.fed().await?;
    for sink in &sinks {
        flows(sink, 200_000, PATIENCE).await?;
        assert_eq!((sink.seen().len(), sink.overlap_ms()), (1, 0), "{:?}", sink.seen());
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_bus_or_lease_store_stops_nothing() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    scene.stack.nats.pause();
    untouched(&sinks).await?;
    scene.stack.nats.resume();
    scene.stack.redis.pause();
    untouched(&sinks).await?;
    scene.stack.redis.resume();
    untouched(&sinks).await?;
    wait::until_true("the leases", PATIENCE, async || scene.worker_of(&ids[0]).await.is_ok()).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["live"]).await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}

/// Twelve seconds of media: several leases and health checks long.
async fn untouched(sinks: &[Sink]) -> anyhow::Result<()> {
    for sink in sinks {
        flows(sink, 2_000_000, PATIENCE).await?;
    }
    for sink in sinks {
        assert_eq!(sink.seen().len(), 1, "a running stream must not reconnect: {:?}", sink.seen());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_starts_when_there_is_some() -> anyhow::Result<()> {
    let options = Options { workers: 1, worker_capacity: Some(2), ..Options::default() };
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let mut sinks = Vec::new();
    let mut ids = Vec::new();
    for number in 0..3 {
        let sink = Sink::start().await?;
        ids.push(scene.send_to(&sink, &format!("room{number}"), json!({})).await?);
        sinks.push(sink);
    }
    scene.api.start_no_wait(&scene.stream.id).await?;
    let status = scene
        .api
        .wait_status(&scene.stream.id, PATIENCE, |status| {
            let all = status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fed = all.iter().filter(|one| one["status"] == "live").count();
            fed == 2 && all.iter().any(|one| one["error"]["code"] == "no_capacity")
        })
        .await?;
    let all = status["destinations"].as_array().unwrap();
    let fed = all.iter().find(|one| one["status"] == "live").unwrap()["id"].as_str().unwrap().to_owned();
    let waits = all.iter().find(|one| one["status"] != "live").unwrap()["id"].as_str().unwrap().to_owned();
    scene.api.delete(&format!("/api/simulcast/{}/destinations/{fed}", scene.stream.id)).await?;
    scene.destination_is(&waits, PATIENCE, &FED).await?;
    let sink = &sinks[ids.iter().position(|id| *id == waits).unwrap()];
    flows(sink, 100_000, PATIENCE).await?;
    scene.close().await
}
