//! From samples to live, counters and health.

use std::time::Duration;

use bus::EventKind;
use wire::v1::Phase;

use crate::{
    harness::{House, until_event},
    worker::{Job, Worker},
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_media_that_flows_is_live_and_counts() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let stream = house.stream(1).await?;
    let mut events = house.events(&stream).await;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    let mut source = Samples { sequence: 0, bytes: 0 };
    testkit::wait::until_true("live", Duration::from_secs(8), async || {
        source.next(&house, &worker, &job).await;
        house.line(&stream).await == "live: live"
    })
    .await?;
    assert!(until_event(&mut events, EventKind::DestinationLive).await?.contains(&"stream:started"));
    for replica in &house.replicas {
        testkit::wait::until_true("counted", SOON, async || {
            let metrics = replica.streams().get_metrics(stream.wire()).await.unwrap().into_inner();
            metrics.bytes_sent == source.bytes && metrics.start_time_ms > 0 && metrics.destinations[0].fps == 30.0
        })
        .await?;
        let health = replica.streams().get_health(stream.wire()).await?.into_inner();
        assert_eq!((health.overall.as_str(), health.destinations[0].health.as_str()), ("healthy", "healthy"));
    }

    // Another worker: the counters go on from there.
    worker.drop_lease(&job).await;
    worker.report(&mut job, Phase::Released).await?;
    let mut next = worker.take_one().await?;
    worker.report(&mut next, Phase::Connected).await?;
    let before = source.bytes;
    let mut fresh = Samples { sequence: 0, bytes: 0 };
    testkit::wait::until_true("added up", SOON, async || {
        fresh.next(&house, &worker, &next).await;
        let metrics = house.streams().get_metrics(stream.wire()).await.unwrap().into_inner();
        assert!(metrics.bytes_sent >= before);
        metrics.bytes_sent == before + fresh.bytes
    })
    .await?;
    Ok(())
}

struct Samples {
    sequence: u64,
    bytes: u64,
}

impl Samples {
    /// Ten a second instead of one, to keep the test short; the times in them are real.
    async fn next(&mut self, house: &House, worker: &Worker, job: &Job) {
        self.sequence += 1;
        self.bytes += 50_000;
        worker.measure(job, self.sequence, self.bytes, house.one().ctx.now_ms()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_once() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let stream = house.stream(1).await?;
    let mut events = house.events(&stream).await;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    let mut source = Samples { sequence: 0, bytes: 0 };
    testkit::wait::until_true("live", Duration::from_secs(8), async || {
        source.next(&house, &worker, &job).await;
        house.line(&stream).await == "live: live"
    })
    .await?;
    let seen = until_event(&mut events, EventKind::HealthStale).await?;
    assert!(!seen.contains(&"health:degraded"), "{seen:?}");
    let health = house.streams().get_health(stream.wire()).await?.into_inner();
    assert_eq!(health.overall, "stale");
    assert!(health.destinations[0].issues[0].starts_with("No update for"), "{health:?}");
    testkit::wait::until_true("recovered", Duration::from_secs(8), async || {
        source.next(&house, &worker, &job).await;
        house.status(&stream).await.unwrap().destinations[0].health == "healthy"
    })
    .await?;
    assert_eq!(until_event(&mut events, EventKind::HealthRecovered).await?, ["health:recovered"]);
    Ok(())
}
