//! Ends: after a stop, a detach, a delete; with platforms that do not play along.

use std::time::Duration;

use domain::fault::Retry;
use wire::v1::{self, Phase, Platform};

use crate::{
    harness::{House, TENANT},
    platforms::{SOON, fault, live},
    platforms_fake::{Finish, Prepare, says},
    worker::Worker,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_platform_but_not_for_ever() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, mut job) = live(&house).await?;
    let broken = || Finish::Fault(fault("platform_unavailable", Retry::Transient));
    platforms.will_finish([Finish::Busy, broken(), broken()]);
    house.end(&stream).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "stopping: stopping", SOON).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    assert_eq!(platforms.count("finish"), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_takes_long_goes_on_behind_the_scenes() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, mut job) = live(&house).await?;
    platforms.will_finish(vec![Finish::Fault(fault("reauth_required", Retry::Permanent)); 50]);
    house.end(&stream).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "stopping: stopping", SOON).await?;
    testkit::wait::until_true("refused", SOON, async || platforms.count("finish") >= 2).await?;
    // As if half a minute had gone by.
    let pool = house.one().ctx.db.pool();
    sqlx::query("UPDATE destinations SET finish_since_ms = finish_since_ms - 31000").execute(pool).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    let row = house.status(&stream).await?.destinations[0].clone();
    assert_eq!(row.issues, ["Wait, or do something."]);
    // A person signed in again.
    platforms.script(|s| s.finish.clear());
    sqlx::query("UPDATE destinations SET finish_retry_at_ms = 0").execute(pool).await?;
    testkit::wait::until_true("done", SOON, async || {
        house.status(&stream).await.unwrap().destinations[0].issues.is_empty()
    })
    .await?;
    assert_eq!(house.line(&stream).await, "ended: ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_start_does_not_wait_for_the_last_end() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, mut worker, mut job) = live(&house).await?;
    platforms.will_finish([Finish::Hang]);
    house.end(&stream).await?;
    worker.close(&mut job).await?;
    testkit::wait::until_true("ending", SOON, async || platforms.count("finish") == 1).await?;
    house.begin(&stream).await?;
    let mut job = tokio::time::timeout(Duration::from_secs(3), worker.take_one()).await??;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: live", SOON).await?;
    let runs: Vec<i64> =
        platforms.script(|s| s.requests.iter().map(|r| r.broadcast.as_ref().unwrap().run_ms).collect());
    assert!(runs.len() == 2 && runs[0] < runs[1], "{runs:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_preparing_ends_what_was_begun() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Facebook]).await?;
    platforms.script(|s| s.delay = Duration::from_secs(1));
    house.begin(&stream).await?;
    testkit::wait::until_true("called", SOON, async || platforms.count("prepare") == 1).await?;
    house.end(&stream).await?;
    house.see(&stream, "stopping: stopping", SOON).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    let facebook = stream.destinations[0];
    assert_eq!(platforms.journal(), [format!("prepare {facebook} 0"), format!("finish {facebook} 0")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_it_is_busy_asks_no_more() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Facebook]).await?;
    platforms.will_prepare(vec![Prepare::Busy; 1_000]);
    house.begin(&stream).await?;
    testkit::wait::until_true("called", SOON, async || platforms.count("prepare") >= 2).await?;
    house.end(&stream).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_ended_and_comes_back_with_another_take() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, mut worker, mut job) = live(&house).await?;
    let youtube = stream.destinations[0];
    house.streams().detach_destination(stream.attach(0)).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "live: ended", SOON).await?;
    assert_eq!(platforms.count("finish"), 1);
    platforms.says(youtube, 1, says("live"));
    house.streams().attach_destination(stream.attach(0)).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: live", SOON).await?;
    let off = v1::UpdateDestinationRequest {
        tenant_id: TENANT.into(),
        destination_id: youtube.to_string(),
        is_enabled: Some(false),
        ..Default::default()
    };
    house.streams().update_destination(off).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "live: ended", SOON).await?;
    let lines = ["prepare", "finish"].iter().enumerate().map(|(n, _)| n);
    let expected: Vec<String> =
        lines.flat_map(|take| [format!("prepare {youtube} {take}"), format!("finish {youtube} {take}")]).collect();
    assert_eq!(platforms.journal(), expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_outlive_the_broadcast() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, mut job) = live(&house).await?;
    let broken = Finish::Fault(fault("platform_unavailable", Retry::Transient));
    platforms.will_finish(vec![broken; 1_000]);
    house.streams().delete_destination(stream.destination(0)).await?;
    worker.close(&mut job).await?;
    testkit::wait::until_true("ending", SOON, async || platforms.count("finish") >= 2).await?;
    assert_eq!(house.vault.calls.load(std::sync::atomic::Ordering::SeqCst), 0, "its secrets are still needed");
    platforms.script(|s| s.finish.clear());
    testkit::wait::until_true("deleted", SOON, async || house.vault.deleted.lock().unwrap().len() == 1).await?;
    testkit::wait::until_true("purged", SOON, async || rows(&house, "destinations").await == 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_ended_too_and_what_is_hopeless_is_given_up() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let (stream, worker, mut job) = live(&house).await?;
    platforms.will_finish(vec![Finish::Fault(fault("reauth_required", Retry::Permanent)); 1_000]);
    house.streams().delete_stream(stream.wire()).await?;
    assert_eq!(rows(&house, "streams").await, 1);
    worker.close(&mut job).await?;
    testkit::wait::until_true("purged", SOON, async || rows(&house, "streams").await == 0).await?;
    assert_eq!(platforms.count("finish"), 1);
    testkit::wait::until_true("deleted", SOON, async || house.vault.deleted.lock().unwrap().len() == 2).await?;
    Ok(())
}

async fn rows(house: &House, table: &'static str) -> i64 {
    let sql = if table == "streams" { "SELECT count(*) FROM streams" } else { "SELECT count(*) FROM destinations" };
    sqlx::query_scalar(sql).fetch_one(house.one().ctx.db.pool()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_platform_does_not_disturb_the_session() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (stream, worker, _job) = live(&house).await?;
    let mut control = worker.control().await;
    let update = v1::UpdateDestinationRequest {
        tenant_id: TENANT.into(),
        destination_id: stream.destinations[0].to_string(),
        platform_settings: Some(v1::PlatformSettings { title: Some("Another".into()), ..Default::default() }),
        ..Default::default()
    };
    let row = house.streams().update_destination(update).await?.into_inner();
    assert_eq!(row.platform_settings.unwrap().title.as_deref(), Some("Another"));
    let word = tokio::time::timeout(Duration::from_millis(1_500), futures::StreamExt::next(&mut control)).await;
    assert!(word.is_err(), "{word:?}");
    assert_eq!((house.line(&stream).await.as_str(), house.vault.platforms.count("prepare")), ("live: live", 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_worker_is_never_placed_before_it_is_ready() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream_on(&[Platform::Youtube]).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.vault.platforms.will_prepare([Prepare::Hang]);
    house.begin(&stream).await?;
    assert!(worker.pull(Duration::from_secs(2)).await.is_empty());
    assert_eq!(house.line(&stream).await, "starting: preparing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_disturbs_no_platform() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube, Platform::Cloudflare, Platform::Twitch]).await?;
    let names = async |n: usize| {
        let result = house.streams().test_destination(stream.destination(n)).await.unwrap().into_inner();
        let step = |s: v1::TestStep| (s.name, s.ok, s.fault.map(|f| f.code).unwrap_or_default());
        (result.ok, result.steps.into_iter().map(step).collect::<Vec<_>>())
    };
    let step = |name: &str, ok: bool, code: &str| (name.to_owned(), ok, code.to_owned());
    assert_eq!(names(0).await, (false, vec![step("account", false, "account_not_linked")]));
    assert_eq!(names(1).await, (true, vec![step("account", true, ""), step("prepare", true, "not_prepared")]));
    assert_eq!(names(2).await, (false, vec![step("account", false, "platform_not_configured")]));
    let account = v1::Account { id: "a".into(), tenant_id: TENANT.into(), status: "ok".into(), ..Default::default() };
    platforms.script(|s| s.accounts.push(account));
    assert!(names(0).await.0);
    assert!(platforms.journal().is_empty());

    // Prepared: a worker tries the ingest, up to publishing.
    let mut worker = Worker::hire(&house, "w-1").await?;
    house.begin(&stream).await?;
    worker.take(3).await?;
    let testing = tokio::spawn({
        let (mut streams, request) = (house.streams(), stream.destination(0));
        async move { streams.test_destination(request).await }
    });
    let job = worker.take_one().await?;
    assert_eq!((job.spec.kind(), job.spec.skip_publish), (v1::SessionKind::Test, true));
    let tried = v1::TestStep { name: "connect".into(), ok: true, took_ms: 3, fault: None };
    let finish = v1::FinishTestRequest {
        session_id: job.spec.session_id.clone(),
        epoch: job.spec.epoch,
        worker_id: worker.id.as_str().into(),
        result: Some(v1::TestDestinationResponse { ok: true, steps: vec![tried] }),
    };
    house.one().sessions().finish_test(finish).await?;
    let result = testing.await??.into_inner();
    let names: Vec<_> = result.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!((result.ok, names), (true, vec!["account", "connect"]));
    Ok(())
}

/// Started and stopped, taken out and brought in, in any order and faster than the platform answers: in the end the last
/// thing that each platform heard is the end, and it is of the last broadcast.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_nothing_is_left_open() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube, Platform::Facebook]).await?;
    platforms.script(|s| s.delay = Duration::from_millis(60));
    platforms.will_prepare([Prepare::Ready, Prepare::Down, Prepare::Busy, Prepare::Ready, Prepare::Busy]);
    platforms.will_finish([Finish::Busy, Finish::Done, Finish::Fault(fault("platform_unavailable", Retry::Transient))]);
    let mut seed = 7_u64;
    for step in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (mut streams, kind) = (house.replicas[step % 2].streams(), seed >> 60);
        let done = match kind % 4 {
            0 => streams.stop(stream.wire()).await.map(drop),
            1 => streams.detach_destination(stream.attach(0)).await.map(drop),
            2 => streams.attach_destination(stream.attach(0)).await.map(drop),
            _ => streams.start(stream.start(0)).await.map(drop),
        };
        if let Err(status) = done {
            assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status:?}");
        }
        tokio::time::sleep(Duration::from_millis((seed >> 33) % 90)).await;
    }
    house.end(&stream).await?;
    let pool = house.one().ctx.db.pool();
    testkit::wait::until_true("nothing is open", Duration::from_secs(20), async || {
        let open =
            "SELECT count(*) FROM destinations WHERE open_run_ms IS NOT NULL OR status NOT IN ('ended', 'pending')";
        sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap() == 0
    })
    .await?;
    for destination in &stream.destinations {
        let of_it = |line: &&String| line.contains(&destination.to_string());
        let journal = platforms.journal();
        let heard: Vec<&String> = journal.iter().filter(of_it).collect();
        let last_prepared = heard.iter().rfind(|l| l.starts_with("prepare")).and_then(|l| l.split(' ').nth(2));
        let last = heard.last().and_then(|l| l.strip_prefix("finish "));
        assert!(heard.len() > 5, "{heard:?}");
        assert_eq!(last.and_then(|l| l.split(' ').nth(1)), last_prepared, "{heard:?}");
    }
    Ok(())
}
