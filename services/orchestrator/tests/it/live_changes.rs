//! Destinations that join, leave or change while the stream is live; connection tests.

use std::time::Duration;

use futures::StreamExt;
use wire::v1::{self, Phase, control_session::Action};

use crate::{
    harness::{Fixture, House, TENANT, error_code},
    worker::{Job, Worker},
};

const SOON: Duration = Duration::from_secs(10);

async fn live(house: &House, destinations: usize) -> anyhow::Result<(Fixture, Worker, Vec<Job>)> {
    let stream = house.stream(destinations).await?;
    house.publish(&stream).await?;
    let mut worker = Worker::hire(house, "w-1").await?;
    house.begin(&stream).await?;
    let mut jobs = worker.take(destinations).await?;
    jobs.sort_by_key(Job::destination);
    for job in &mut jobs {
        worker.report(job, Phase::Connected).await?;
    }
    let words = vec!["connected"; destinations].join(" ");
    house.see(&stream, &format!("live: {words}"), SOON).await?;
    Ok((stream, worker, jobs))
}

fn update(stream: &Fixture, n: usize) -> v1::UpdateDestinationRequest {
    v1::UpdateDestinationRequest {
        tenant_id: TENANT.into(),
        destination_id: stream.destinations[n].to_string(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_only_its_own_session() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (stream, worker, jobs) = live(&house, 2).await?;
    let mut control = worker.control().await;
    let settings = v1::Settings { bitrate_kbps: Some(2_500), ..Default::default() };
    house
        .streams()
        .update_destination(v1::UpdateDestinationRequest { settings: Some(settings), ..update(&stream, 1) })
        .await?;
    let word = tokio::time::timeout(SOON, control.next()).await?.expect("never ends");
    assert_eq!((word.action(), &word.session_id), (Action::Refresh, &jobs[1].spec.session_id));
    assert_eq!(word.epoch, jobs[1].spec.epoch);
    let spec = worker.claim(&word.session_id, word.epoch).await?;
    assert_eq!((spec.settings.unwrap().bitrate_kbps, spec.generation), (Some(2_500), 2));
    assert_eq!(house.line(&stream).await, "live: connected connected");
    // Taken: it is not said again. A new name is no change for the session.
    house
        .streams()
        .update_destination(v1::UpdateDestinationRequest { name: Some("B".into()), ..update(&stream, 1) })
        .await?;
    assert!(tokio::time::timeout(Duration::from_millis(1_500), control.next()).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_stops_only_the_one_that_leaves() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (mut stream, mut worker, mut jobs) = live(&house, 4).await?;
    let off = v1::UpdateDestinationRequest { is_enabled: Some(false), ..update(&stream, 0) };
    house.streams().update_destination(off).await?;
    house.streams().detach_destination(stream.attach(1)).await?;
    house.streams().delete_destination(stream.destination(2)).await?;
    for job in &mut jobs[..3] {
        testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(job)).await?;
        worker.close(job).await?;
    }
    house.see(&stream, "live: ended ended connected", SOON).await?;
    assert!(!worker.told_to_stop(&jobs[3]));
    assert_eq!(error_code(&house.streams().get_destination(stream.destination(2)).await.unwrap_err()), "not_found");

    // Back, and a new one, while live.
    house.streams().attach_destination(stream.attach(1)).await?;
    let on = v1::UpdateDestinationRequest { is_enabled: Some(true), ..update(&stream, 0) };
    house.streams().update_destination(on).await?;
    stream.destinations.push(house.destination(&stream, v1::Settings::default()).await?);
    house.streams().attach_destination(stream.attach(4)).await?;
    let mut back = worker.take(3).await?;
    for job in &mut back {
        worker.report(job, Phase::Connected).await?;
    }
    house.see(&stream, "live: connected connected connected connected", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_needs_a_running_stream_and_a_destination_of_it() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (one, two) = (house.stream(1).await?, house.stream(1).await?);
    assert_eq!(error_code(&house.streams().attach_destination(one.attach(0)).await.unwrap_err()), "not_running");
    let foreign = v1::AttachRequest { stream_id: two.id.to_string(), ..one.attach(0) };
    assert_eq!(error_code(&house.streams().attach_destination(foreign).await.unwrap_err()), "not_found");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_secrets_are_deleted_until_it_works() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(2).await?;
    house.streams().delete_destination(stream.destination(0)).await?;
    house.streams().delete_stream(stream.wire()).await?;
    testkit::wait::until_true("3 deletions", Duration::from_secs(8), async || {
        house.vault.deleted.lock().unwrap().len() >= 3
    })
    .await?;
    assert!(house.vault.calls.load(std::sync::atomic::Ordering::SeqCst) >= 4, "the first was refused");
    let deleted = house.vault.deleted.lock().unwrap().clone();
    assert!(deleted.iter().any(|d| d.stream_id == stream.id.to_string() && d.destination_id.is_empty()));
    assert!(deleted.iter().any(|d| d.destination_id == stream.destinations[1].to_string()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_live_stream_stops_it() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (stream, worker, mut jobs) = live(&house, 1).await?;
    house.streams().delete_stream(stream.wire()).await?;
    assert_eq!(house.line(&stream).await, "NotFound");
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&jobs[0])).await?;
    worker.close(&mut jobs[0]).await?;
    testkit::wait::until_true("purged", SOON, async || {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM streams").fetch_one(house.one().ctx.db.pool()).await.unwrap();
        left == 0
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_is_run_by_a_worker() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (stream, mut worker, _jobs) = live(&house, 1).await?;
    let testing = tokio::spawn({
        let (mut streams, request) = (house.streams(), stream.destination(0));
        async move { streams.test_destination(request).await }
    });
    let job = worker.take_one().await?;
    assert_eq!((job.spec.kind(), job.spec.skip_publish), (v1::SessionKind::Test, true));
    let owner = v1::CheckOwnerRequest {
        destination_id: job.spec.destination_id.clone(),
        session_id: job.spec.session_id.clone(),
        epoch: job.spec.epoch,
        worker_id: worker.id.as_str().into(),
    };
    assert!(house.one().sessions().check_owner(owner).await.is_ok());
    let step = v1::TestStep { name: "connect".into(), ok: true, took_ms: 3, fault: None };
    let finish = v1::FinishTestRequest {
        session_id: job.spec.session_id.clone(),
        epoch: job.spec.epoch,
        worker_id: worker.id.as_str().into(),
        result: Some(v1::TestDestinationResponse { ok: true, steps: vec![step] }),
    };
    house.one().sessions().finish_test(finish).await?;
    let result = testing.await??.into_inner();
    assert!(result.ok && result.steps[0].name == "connect");
    assert_eq!(house.line(&stream).await, "live: connected");
    Ok(())
}
