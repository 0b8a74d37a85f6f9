//! What the orchestrator and the directory hear.

use std::time::Duration;

use testkit::wait;
use wire::v1;

use crate::{
    rig::{DEADLINE, End, KEY, Rig},
    script,
};

async fn report(rig: &Rig, what: &str, found: impl Fn(&v1::ReportSourceRequest) -> bool) -> v1::ReportSourceRequest {
    wait::until(what, DEADLINE, async || rig.orchestrator.state().reports.iter().find(|r| found(r)).cloned())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_reported_at_once_measured_and_at_its_end() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    let first = report(&rig, "connected", |_| true).await;
    assert!(first.connected && first.sequence == 1);
    assert_eq!((first.stream_id, first.source_epoch), (rig.stream.to_string(), 1));
    assert_eq!(first.relay_http, format!("http://{}", rig.addresses.http));
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..100).await.unwrap();
    let known = report(&rig, "measured", |r| r.info.as_ref().is_some_and(|info| info.gop_ms == 1000)).await;
    let info = known.info.unwrap();
    assert_eq!((info.video_codec.as_str(), info.video_profile.as_str()), ("h264", "high"));
    assert_eq!((info.width, info.height, info.audio_codec.as_str(), info.audio_rate_hz), (1280, 718, "aac", 48_000));
    assert!((info.fps - 25.0).abs() < 0.5, "{info:?}");
    publisher.close().await;
    let end = report(&rig, "ended", |r| !r.connected).await;
    assert_eq!((end.reason.as_str(), end.publish_id), ("closed", first.publish_id));
    let reports = rig.orchestrator.state().reports.clone();
    assert!(reports.is_sorted_by(|a, b| a.sequence < b.sequence));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_goes_on_while_the_orchestrator_and_redis_are_away() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    report(&rig, "connected", |r| r.connected).await;
    rig.orchestrator.state().unavailable = true;
    rig.redis.pause();
    let mut n = 3;
    let away = tokio::time::Instant::now() + Duration::from_millis(1500);
    while tokio::time::Instant::now() < away {
        script::frame(&mut publisher, n).await.unwrap();
        n += 1;
        reader.next().await.unwrap();
    }
    rig.redis.resume();
    let before = rig.orchestrator.state().reports.len();
    rig.orchestrator.state().unavailable = false;
    wait::until_true("reports come again", DEADLINE, async || rig.orchestrator.state().reports.len() > before)
        .await
        .unwrap();
    rig.orchestrator.state().unavailable = true;
    publisher.close().await;
    assert_eq!(reader.until_end().await, End::Clean);
    rig.orchestrator.state().unavailable = false;
    report(&rig, "the end, after all", |r| !r.connected && r.reason == "closed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn superseded_by_the_orchestrator_a_publish_is_cut() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    rig.orchestrator.state().superseded = true;
    assert_eq!(reader.until_end().await, End::Aborted);
    assert_eq!(report(&rig, "the end", |r| !r.connected).await.reason, "superseded");
    wait::until_true("the publisher is cut", DEADLINE, async || script::frame(&mut publisher, 9).await.is_err())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_knows_relay_and_source_and_a_later_epoch_elsewhere_wins() {
    let rig = Rig::new().await;
    let directory = rig.directory().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let find = async || directory.find(rig.stream).await.unwrap();
    let location = wait::until("announced", DEADLINE, find).await.unwrap();
    assert_eq!((location.http, location.source_epoch), (format!("http://{}", rig.addresses.http), 1));
    wait::until_true("the relay counts", DEADLINE, async || {
        directory.relays().await.unwrap().iter().any(|r| (r.relay.as_str(), r.sources) == ("relay-under-test", 1))
    })
    .await
    .unwrap();
    let mut reader = rig.read().await;
    let elsewhere = lease::Location {
        stream: rig.stream,
        relay: domain::ids::RelayId("another".into()),
        http: "http://elsewhere".into(),
        source_epoch: 2,
    };
    assert!(directory.announce(&elsewhere).await.unwrap());
    assert_eq!(reader.until_end().await, End::Aborted);
    report(&rig, "the end", |r| r.reason == "superseded").await;
    assert_eq!(find().await.map(|found| found.source_epoch), Some(2), "the later advert stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_source_leaves_the_directory() {
    let rig = Rig::new().await;
    let directory = rig.directory().await;
    let publisher = rig.publish(KEY).await.unwrap();
    wait::until("announced", DEADLINE, async || directory.find(rig.stream).await.unwrap()).await.unwrap();
    publisher.close().await;
    wait::until_true("gone", Duration::from_secs(2), async || directory.find(rig.stream).await.unwrap().is_none())
        .await
        .unwrap();
}
