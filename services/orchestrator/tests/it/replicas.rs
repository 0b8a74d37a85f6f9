//! Two replicas share the work: nothing is placed twice, nothing flaps, and one may die.

use std::{collections::BTreeMap, time::Duration};

use wire::v1::Phase;

use crate::{harness::House, worker::Worker};

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_place_each_session_once() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(house.stream(3).await?);
    }
    for (n, stream) in streams.iter().enumerate() {
        house.replicas[n % 2].streams().start(stream.start(0)).await?;
    }
    let mut jobs = worker.take(18).await?;
    let mut epochs = BTreeMap::new();
    for job in &jobs {
        *epochs.entry(job.session()).or_insert(0) += 1;
    }
    assert!(epochs.len() == 18 && epochs.values().all(|n| *n == 1), "{epochs:?}");
    for job in &mut jobs {
        worker.report(job, Phase::Connected).await?;
    }
    for stream in &streams {
        house.see(stream, "live: connected connected connected", Duration::from_secs(5)).await?;
    }
    assert!(worker.pull(Duration::from_secs(3)).await.is_empty(), "no flapping");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_replica_goes_on() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire_at(&house, 1, "w-1").await?;
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    house.replicas[0].stop().await;
    worker.report(&mut job, Phase::Connected).await?;
    let mut other = house.replicas[1].streams();
    testkit::wait::until_true("live", Duration::from_secs(5), async || {
        let status = other.get_status(stream.wire()).await.unwrap().into_inner();
        status.destinations[0].status == "connected"
    })
    .await?;
    testkit::wait::until_true("leads", Duration::from_secs(5), async || house.replicas[1].ctx.leader.leads()).await?;
    other.stop(stream.wire()).await?;
    testkit::wait::until_true("told to stop", Duration::from_secs(5), async || worker.told_to_stop(&job)).await?;
    Ok(())
}
