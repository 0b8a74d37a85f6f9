//! NATS, Redis or Postgres away: it costs time, never correctness.

use std::time::{Duration, Instant};

use tonic::Code;
use wire::v1::Phase;

use crate::{
    harness::{House, error_code},
    worker::Worker,
};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_start_survives_the_loss_of_jetstreams_store() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(2).await?;
    house.begin(&stream).await?;
    // The command is stored, nobody has pulled it.
    house.nats.kill();
    house.nats.delete_store()?;
    house.nats.restart().await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let restarted = Instant::now();
    let mut jobs = worker.take(2).await?;
    assert!(restarted.elapsed() < Duration::from_secs(10), "{:?}", restarted.elapsed());
    for job in &mut jobs {
        worker.report(job, Phase::Connected).await?;
    }
    house.see(&stream, "live: connected connected", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_arrives_without_the_bus() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    house.nats.kill();
    let asked = Instant::now();
    house.end(&stream).await?;
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    // Its word about the end can't be heard; its lease is gone, and that is enough.
    worker.drop_lease(&job).await;
    house.see(&stream, "ended: ended", Duration::from_secs(15)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_and_stopping_without_redis() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.redis.kill();
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    let mut control = worker.control().await;
    house.end(&stream).await?;
    let word = tokio::time::timeout(SOON, futures::StreamExt::next(&mut control)).await?.expect("never ends");
    assert_eq!(word.epoch, job.spec.epoch);
    worker.report(&mut job, Phase::Ended).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_back_empty_moves_nobody_who_lives() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (alive, dead) = (house.stream(1).await?, house.stream(1).await?);
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&alive).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    let mut doomed = Worker::hire(&house, "w-2").await?;
    house.begin(&dead).await?;
    let mut lost = doomed.take_one().await?;
    doomed.report(&mut lost, Phase::Connected).await?;
    house.see(&dead, "live: connected", SOON).await?;
    // Both die at once: Redis with its memory, and one of the workers.
    doomed.kill();
    house.redis.kill();
    house.redis.restart().await?;
    let next = worker.take_one().await?;
    assert_eq!(next.session(), lost.session(), "found by comparing, not by a deadline");
    assert_eq!(house.line(&alive).await, "live: connected");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_calls_are_refused_fast_and_nothing_is_lost() -> anyhow::Result<()> {
    let house = House::durable().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    let stops = [(Postgres::Killed, "killed"), (Postgres::Paused, "paused")];
    for (how, name) in stops {
        match how {
            Postgres::Killed => house.postgres.kill(),
            Postgres::Paused => house.postgres.pause(),
        }
        for _ in 0..3 {
            let asked = Instant::now();
            let refused = house.status(&stream).await.expect_err(name);
            assert_eq!((refused.code(), error_code(&refused)), (Code::Unavailable, "database_unavailable"), "{name}");
            assert!(asked.elapsed() < Duration::from_secs(2), "{name}: {:?}", asked.elapsed());
        }
        let phase = if name == "killed" { Phase::Connected } else { Phase::Reconnecting };
        worker.report(&mut job, phase).await?;
        match how {
            Postgres::Killed => house.postgres.restart().await?,
            Postgres::Paused => house.postgres.resume(),
        }
        let back = Instant::now();
        let line = if name == "killed" { "live: connected" } else { "live: reconnecting" };
        house.see(&stream, line, Duration::from_secs(8)).await?;
        assert!(back.elapsed() < SOON, "{name}: {:?}", back.elapsed());
        assert!(worker.pull(Duration::from_millis(300)).await.is_empty(), "{name}: the session was moved");
    }
    Ok(())
}

enum Postgres {
    Killed,
    Paused,
}
