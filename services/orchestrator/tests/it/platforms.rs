//! Destinations on platforms: prepared before a session is placed, live by the platform's word, ended after the session.

use std::time::{Duration, Instant};

use bus::EventKind;
use domain::fault::{Blame, Fault, Retry};
use wire::v1::{self, Phase, Platform};

use crate::{
    harness::{Fixture, House, TENANT, until_event},
    platforms_fake::{Prepare, says},
    worker::{Job, Worker},
};

pub const SOON: Duration = Duration::from_secs(10);

pub fn fault(code: &str, retry: Retry) -> Fault {
    Fault::new(Blame::Platform, retry, code, "Wait, or do something.")
}

/// One destination on YouTube, live.
pub async fn live(house: &House) -> anyhow::Result<(Fixture, Worker, Job)> {
    let stream = house.stream_on(&[Platform::Youtube]).await?;
    house.publish(&stream).await?;
    let mut worker = Worker::hire(house, "w-1").await?;
    house.vault.platforms.says(stream.destinations[0], 0, says("live"));
    house.begin(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: live", SOON).await?;
    Ok((stream, worker, job))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_broadcast() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube, Platform::RtmpCustom]).await?;
    let youtube = stream.destinations[0];
    let mut events = house.events(&stream).await;
    let _encoder = house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    platforms.script(|s| s.delay = Duration::from_millis(400));
    platforms.says(youtube, 0, says("waiting"));

    house.begin(&stream).await?;
    let mut custom = worker.take_one().await?;
    assert_eq!(custom.destination(), stream.destinations[1], "what needs no preparation does not wait");
    worker.report(&mut custom, Phase::Connected).await?;
    house.see(&stream, "live: preparing connected", SOON).await?;
    let mut job = worker.take_one().await?;
    assert_eq!(platforms.count("prepare"), 1);
    let request = platforms.script(|s| s.requests[0].clone());
    assert_eq!((request.tenant_id.as_str(), request.stream_title.as_str()), (TENANT, "A stream"));
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected connected", SOON).await?;
    testkit::wait::until_true("told that media flows", SOON, async || {
        platforms.script(|s| s.observed.iter().any(|o| o.publishing_since_ms > 0))
    })
    .await?;

    let watched = v1::Truth { viewer_count: 41, issues: vec!["Mono audio.".into()], ..says("live") };
    platforms.says(youtube, 0, watched);
    house.see(&stream, "live: live connected", SOON).await?;
    let seen = until_event(&mut events, EventKind::DestinationLive).await?;
    assert!(seen.contains(&"destination:connecting") && seen.contains(&"destination:connected"), "{seen:?}");
    let status = house.status(&stream).await?;
    assert_eq!(status.stream.unwrap().viewer_count, 41);
    let all = v1::ListStreamsRequest { tenant_id: TENANT.into(), limit: 10, after_id: String::new() };
    assert_eq!(house.streams().list_streams(all).await?.into_inner().streams[0].viewer_count, 41);
    let row = &status.destinations[0];
    assert_eq!((row.platform_state.as_str(), row.viewer_count), ("live", 41));
    assert_eq!(row.playback_url, "https://watch.example/1");

    platforms.says(youtube, 0, says("waiting"));
    house.see(&stream, "live: connected connected", SOON).await?;

    house.end(&stream).await?;
    assert_eq!(platforms.count("finish"), 0, "the session closes first");
    worker.close(&mut job).await?;
    worker.close(&mut custom).await?;
    house.see(&stream, "ended: ended ended", SOON).await?;
    assert_eq!(platforms.journal(), [format!("prepare {youtube} 0"), format!("finish {youtube} 0")]);
    let status = house.status(&stream).await?;
    assert_eq!((status.destinations[0].platform_state.as_str(), status.destinations[0].viewer_count), ("ended", 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_start_to_live_within_little() -> anyhow::Result<()> {
    let house = House::start().await?;
    let all = [Platform::Youtube, Platform::Twitch, Platform::Facebook, Platform::Cloudflare, Platform::Youtube];
    let stream = house.stream_on(&all).await?;
    house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    for destination in &stream.destinations {
        house.vault.platforms.says(destination, 0, says("live"));
    }
    let began = Instant::now();
    house.begin(&stream).await?;
    for mut job in worker.take(5).await? {
        worker.report(&mut job, Phase::Connected).await?;
    }
    house.see(&stream, "live: live live live live live", SOON).await?;
    let took = began.elapsed();
    println!("start to live on five: {took:?}");
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_and_passing_faults_are_tried_again() -> anyhow::Result<()> {
    let house = House::with_options(1, &[], |o| o.platforms.ours_away = Duration::from_millis(100)).await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Twitch]).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let limited = Prepare::Fault(fault("platform_rate_limited", Retry::Transient), 1_500);
    platforms.will_prepare([Prepare::Busy, Prepare::Busy, Prepare::Down, limited]);
    let began = Instant::now();
    house.begin(&stream).await?;
    testkit::wait::until_true("the reason is shown", SOON, async || {
        let row = house.status(&stream).await.unwrap().destinations[0].clone();
        let code = row.fault.map(|f| f.code).unwrap_or_default();
        row.status == "preparing" && code == "platform_rate_limited" && row.retry_at_ms > 0
    })
    .await?;
    worker.take_one().await?;
    assert!(began.elapsed() >= Duration::from_millis(1_500), "the platform's word counts");
    assert_eq!(platforms.count("prepare"), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_prepared_holds_up_nobody() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube, Platform::RtmpCustom]).await?;
    let mut events = house.events(&stream).await;
    house.publish(&stream).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    platforms.will_prepare([Prepare::Fault(fault("account_not_linked", Retry::Permanent), 0)]);
    let waiting = tokio::spawn({
        let (mut streams, start) = (house.streams(), stream.start(10_000));
        async move { streams.start(start).await }
    });
    let mut custom = worker.take_one().await?;
    worker.report(&mut custom, Phase::Connected).await?;
    let started = waiting.await??.into_inner();
    assert_eq!(started.destinations[0].status, "error", "the start is answered");
    assert_eq!(started.destinations[0].fault.as_ref().unwrap().code, "account_not_linked");
    until_event(&mut events, EventKind::DestinationError).await?;
    // Whatever was begun is ended.
    testkit::wait::until_true("ended", SOON, async || platforms.count("finish") == 1).await?;
    // Linked, and started again: another take, because the first was ended.
    house.begin(&stream).await?;
    worker.take_one().await?;
    let youtube = stream.destinations[0];
    assert_eq!(platforms.journal().last(), Some(&format!("prepare {youtube} 1")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_reconnect_hears_of_the_first_fault() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(0).await?;
    let settings = v1::Settings { auto_reconnect: Some(false), ..Default::default() };
    house.destination_on(&stream, Platform::Facebook, settings).await?;
    let passing = Prepare::Fault(fault("platform_unavailable", Retry::Transient), 0);
    house.vault.platforms.will_prepare([Prepare::Down, passing]);
    house.begin(&stream).await?;
    house.see(&stream, "starting: error", SOON).await?;
    assert_eq!(house.vault.platforms.count("prepare"), 2, "that we were away ourselves does not count");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_call_once_and_one_may_die() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let platforms = house.vault.platforms.clone();
    let all = [Platform::Youtube, Platform::Twitch, Platform::Facebook, Platform::Cloudflare];
    let stream = house.stream_on(&all).await?;
    let mut worker = Worker::hire_at(&house, 1, "w-1").await?;
    platforms.script(|s| s.delay = Duration::from_secs(4));
    house.begin(&stream).await?;
    testkit::wait::until_true("called", SOON, async || platforms.count("prepare") == 4).await?;
    // Longer than a claim lasts by itself: it is kept.
    worker.take(4).await?;
    assert_eq!((platforms.count("prepare"), platforms.script(|s| s.most_at_once)), (4, 4));

    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claim_of_a_replica_that_died_runs_out() -> anyhow::Result<()> {
    let house = House::start().await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube]).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let refused = Prepare::Fault(fault("platform_unavailable", Retry::Transient), 60_000);
    platforms.will_prepare([refused]);
    house.begin(&stream).await?;
    testkit::wait::until_true("called", SOON, async || platforms.count("prepare") == 1).await?;
    house.see(&stream, "starting: preparing", SOON).await?;
    // As a replica leaves it that is killed while it calls.
    let pool = house.one().ctx.db.pool();
    testkit::wait::until_true("claimed", SOON, async || {
        claimed_rows(pool, house.one().ctx.now_ms() + 2_500).await == 1
    })
    .await?;
    let began = Instant::now();
    worker.take_one().await?;
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_500) && took < Duration::from_secs(4), "{took:?}");
    Ok(())
}

async fn claimed_rows(pool: &sqlx::PgPool, until_ms: i64) -> u64 {
    let claim = sqlx::query(
        "UPDATE destinations SET platform_claim = gen_random_uuid(), platform_claim_job = 'prepare',
            prep_retry_at_ms = NULL, platform_claim_until_ms = $1 WHERE prep_fault IS NOT NULL",
    );
    claim.bind(until_ms).execute(pool).await.unwrap().rows_affected()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_hands_over_at_once() -> anyhow::Result<()> {
    let late = std::sync::atomic::AtomicBool::new(false);
    let house = House::with_options(2, &[], |o| {
        // The second looks rarely, and is not woken by what the first does.
        if late.swap(true, std::sync::atomic::Ordering::SeqCst) {
            o.platforms.look = Duration::from_secs(1);
        }
    })
    .await?;
    let platforms = house.vault.platforms.clone();
    let stream = house.stream_on(&[Platform::Youtube]).await?;
    let mut worker = Worker::hire_at(&house, 1, "w-1").await?;
    platforms.will_prepare([Prepare::Hang]);
    house.begin(&stream).await?;
    testkit::wait::until_true("called", SOON, async || platforms.count("prepare") == 1).await?;
    let began = Instant::now();
    house.replicas[0].stop().await;
    worker.take_one().await?;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(platforms.script(|s| s.most_at_once), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_begins_it_as_well() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(0).await?;
    let settings = v1::Settings { auto_start: Some(true), ..Default::default() };
    let twitch = house.destination_on(&stream, Platform::Twitch, settings).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    let _encoder = house.publish(&stream).await?;
    worker.take_one().await?;
    assert_eq!(house.vault.platforms.journal(), [format!("prepare {twitch} 0")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_complains_of_is_health() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (stream, worker, job) = live(&house).await?;
    let mut events = house.events(&stream).await;
    let mut bytes = 0;
    let mut feed = async |want: &str| {
        testkit::wait::until_true(want, SOON, async || {
            bytes += 50_000;
            worker.measure(&job, bytes / 50_000, bytes, house.one().ctx.now_ms()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            house.status(&stream).await.unwrap().destinations[0].health == want
        })
        .await
    };
    feed("healthy").await?;
    let bad = v1::Truth { health: "bad".into(), issues: vec!["Send keyframes more often.".into()], ..says("live") };
    house.vault.platforms.says(stream.destinations[0], 0, bad);
    feed("degraded").await?;
    let row = house.status(&stream).await?.destinations[0].clone();
    assert_eq!(row.issues, ["Send keyframes more often."]);
    house.vault.platforms.says(stream.destinations[0], 0, says("live"));
    feed("healthy").await?;
    let seen = until_event(&mut events, EventKind::HealthRecovered).await?;
    assert!(seen.contains(&"health:degraded"), "{seen:?}");
    Ok(())
}
