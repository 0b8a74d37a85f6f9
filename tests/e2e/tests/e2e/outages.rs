//! NATS, Redis, Postgres and our own control plane go away. What runs goes on.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{PATIENCE, flows},
};
use testkit::{sink::Sink, stack::Service};

/// Media that takes a few seconds to arrive: long enough to outlive leases and health checks.
const A_WHILE: u64 = 2_000_000;

async fn untouched(sinks: &[Sink]) -> anyhow::Result<()> {
    for sink in sinks {
        flows(sink, A_WHILE, PATIENCE).await?;
        assert_eq!(sink.seen().len(), 1, "a running stream must not reconnect");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_outlive_nats_and_a_stop_works_without_it() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(2).await?;
    scene.stack.nats.kill();
    untouched(&sinks).await?;
    let stopped = Instant::now();
    scene.api.stop(&scene.stream.id).await?;
    for sink in &sinks {
        sink.wait_for("the end", PATIENCE, |seen| seen.iter().all(|one| one.ended.is_some()).then_some(())).await?;
        let last = sink.seen()[0].last_media.unwrap();
        assert!(last.saturating_duration_since(stopped) < Duration::from_secs(3), "{:?}", last - stopped);
    }
    scene.stack.nats.restart().await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_accepted_without_nats_is_carried_out_when_it_is_back() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    scene.send_to(&sink, "late", serde_json::json!({})).await?;
    scene.stack.nats.kill();
    scene.api.start_no_wait(&scene.stream.id).await?;
    scene.stack.nats.restart().await?;
    scene.fed().await?;
    flows(&sink, 100_000, PATIENCE).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_outlive_redis_and_its_memory() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    scene.stack.redis.kill();
    untouched(&sinks).await?;
    scene.stack.redis.restart().await?;
    testkit::wait::until_true("the leases again", PATIENCE, async || scene.worker_of(&ids[0]).await.is_ok()).await?;
    untouched(&sinks).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_outlive_the_control_plane() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(2).await?;
    let plane = [Service::Gateway, Service::Orchestrator, Service::Credentials];
    for service in plane {
        scene.stack.process(service, 0)?.kill();
    }
    untouched(&sinks).await?;
    for service in plane {
        scene.stack.process(service, 0)?.respawn()?;
    }
    for service in plane {
        scene.stack.process(service, 0)?.ready().await?;
    }
    scene.fed().await?;
    untouched(&sinks).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_down_is_a_quick_503_and_nothing_else() -> anyhow::Result<()> {
    // The truth must be on disk when the server is killed.
    let options = testkit::stack::Options { durable: true, ..testkit::stack::Options::default() };
    let scene = Scene::open_with(options, &testkit::live_source::Options::default()).await?;
    let (sinks, _) = scene.live_at(1).await?;
    scene.stack.postgres.kill();
    let asked = Instant::now();
    let answer = scene.api.post("/api/streams", &serde_json::json!({"title": "no"})).await?;
    assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after") && asked.elapsed() < Duration::from_secs(3), "{answer:?}");
    untouched(&sinks).await?;
    scene.stack.postgres.restart().await?;
    testkit::wait::until_true("writes again", Duration::from_secs(5), async || {
        scene.api.create_stream("yes").await.is_ok()
    })
    .await?;
    scene.fed().await?;
    assert_eq!(sinks[0].seen().len(), 1);
    scene.close().await
}
