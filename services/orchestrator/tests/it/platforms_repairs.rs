//! What a platform asks for is done, and not without end.

use bus::EventKind;
use domain::fault::Retry;
use wire::v1::{self, Phase};

use crate::{
    harness::{House, until_event},
    platforms::{SOON, fault, live},
    platforms_fake::says,
};

fn asks(repair: &str, code: &str) -> v1::Truth {
    let fault = Some(fault(code, Retry::Transient).into());
    v1::Truth { repair: repair.into(), fault, ..says("ended") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_broadcast_within_the_run() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, mut worker, mut job) = live(&house).await?;
    let youtube = stream.destinations[0];
    platforms.says(youtube, 1, says("live"));
    platforms.says(youtube, 0, asks("renew", "broadcast_ended"));
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    worker.close(&mut job).await?;
    let mut next = worker.take_one().await?;
    assert!(next.spec.epoch > job.spec.epoch);
    assert_eq!(house.line(&stream).await, "live: reconnecting", "the old session's connection is not the new one's");
    worker.report(&mut next, Phase::Connected).await?;
    house.see(&stream, "live: live", SOON).await?;
    assert_eq!(platforms.journal(), [format!("prepare {youtube} 0"), format!("prepare {youtube} 1")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_so_many_a_person_is_asked() -> anyhow::Result<()> {
    let house = House::with_options(1, &[], |o| o.platforms.renewals = 1).await?;
    let platforms = house.vault.platforms.clone();
    let (stream, mut worker, mut job) = live(&house).await?;
    for take in 0..3 {
        platforms.says(stream.destinations[0], take, asks("renew", "broadcast_ended"));
    }
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "live: error", SOON).await?;
    let fault = house.status(&stream).await?.destinations[0].fault.clone().unwrap();
    assert_eq!((fault.code.as_str(), platforms.count("prepare")), ("broadcast_ended", 2));
    let _ = worker.pull(std::time::Duration::from_millis(100)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_anew_happens_once_in_a_while() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, mut worker, mut job) = live(&house).await?;
    let waiting = v1::Truth { state: "waiting".into(), ..asks("reconnect", "platform_rejects_stream") };
    platforms.says(stream.destinations[0], 0, waiting);
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    worker.close(&mut job).await?;
    let mut next = worker.take_one().await?;
    worker.report(&mut next, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    let looks = platforms.script(|s| s.observed.len());
    testkit::wait::until_true("asked again", SOON, async || platforms.script(|s| s.observed.len()) > looks + 3).await?;
    assert!(!worker.told_to_stop(&next));
    assert_eq!(platforms.count("prepare"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_an_error_event() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, mut job) = live(&house).await?;
    let mut events = house.events(&stream).await;
    platforms.says(stream.destinations[0], 0, asks("ask", "reauth_required"));
    let seen = until_event(&mut events, EventKind::DestinationError).await?;
    assert!(seen.contains(&"destination:live"), "{seen:?}");
    let row = house.status(&stream).await?.destinations[0].clone();
    assert_eq!((row.status.as_str(), row.fault.unwrap().code.as_str()), ("error", "reauth_required"));
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    worker.close(&mut job).await?;
    testkit::wait::until_true("ended there", SOON, async || platforms.count("finish") == 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_that_runs_outlives_its_grant() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, job) = live(&house).await?;
    let mut events = house.events(&stream).await;
    let dead = v1::Truth { state: "unknown".into(), ..asks("", "reauth_required") };
    platforms.says(stream.destinations[0], 0, dead);
    until_event(&mut events, EventKind::DestinationError).await?;
    assert_eq!(house.line(&stream).await, "live: live");
    let metrics = house.streams().get_metrics(stream.wire()).await?.into_inner();
    let codes: Vec<_> = metrics.errors.iter().map(|e| e.code.as_str()).collect();
    assert_eq!(codes, ["reauth_required"]);
    // Told once, and the session is left alone.
    let looks = platforms.script(|s| s.observed.len());
    testkit::wait::until_true("asked again", SOON, async || platforms.script(|s| s.observed.len()) > looks + 1).await?;
    let metrics = house.streams().get_metrics(stream.wire()).await?.into_inner();
    assert_eq!(metrics.errors.len(), 1);
    assert!(!worker.told_to_stop(&job));
    assert_eq!(platforms.count("finish"), 0);
    Ok(())
}
