//! Who may publish, and what everybody else is told.

use std::time::Duration;

use media::rtmp::publisher::PublishError;
use service_kit::ticket::Use;
use testkit::wait;
use tokio::{io::AsyncReadExt, net::TcpStream};
use wire::v1::authorize_publish_response::Decision;

use crate::{
    rig::{DEADLINE, End, KEY, Rig, bounds},
    script,
};

fn told(error: &PublishError) -> String {
    format!("{error} {error:?}")
}

async fn refused(rig: &Rig, key: &str) -> String {
    match rig.publish(key).await {
        Ok(_) => panic!("not refused"),
        Err(error) => told(&error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused_and_the_hash_alone_leaves_the_relay() {
    let rig = Rig::new().await;
    let text = refused(&rig, "no-such-key-at-all").await;
    assert!(text.contains("unknown stream key"), "{text}");
    let asked = rig.orchestrator.state().asked.clone();
    assert_eq!((asked.len(), asked[0].key_sha256.len(), asked[0].relay_id.as_str()), (1, 32, "relay-under-test"));
    assert!(asked[0].remote_addr.starts_with("127.0.0.1:"));
    assert!(rig.orchestrator.state().reports.is_empty());
    assert!(rig.metric("relay_refused_publishes_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_orchestrator_a_publish_waits_a_moment_and_is_refused_clearly() {
    let rig = Rig::new().await;
    rig.orchestrator.state().unavailable = true;
    let begun = std::time::Instant::now();
    let text = refused(&rig, KEY).await;
    assert!(text.contains("cannot be checked right now"), "{text}");
    assert!(begun.elapsed() < bounds().authorize_wait + Duration::from_secs(1), "{:?}", begun.elapsed());
    rig.orchestrator.state().unavailable = false;
    drop(rig.publish(KEY).await.expect("accepted once it is back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_publisher_on_a_live_key_is_refused_without_asking() {
    let rig = Rig::new().await;
    let mut first = rig.publish(KEY).await.unwrap();
    script::headers(&mut first).await.unwrap();
    script::frames(&mut first, 0..3).await.unwrap();
    let text = refused(&rig, KEY).await;
    assert!(text.contains("already live"), "{text}");
    assert_eq!(rig.orchestrator.state().asked.len(), 1);
    script::frames(&mut first, 3..6).await.expect("the first goes on");

    rig.orchestrator.add_key("another-key-of-it", rig.stream);
    rig.orchestrator.state().decision = Some(Decision::AlreadyLive);
    assert!(refused(&rig, "another-key-of-it").await.contains("already live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_takeover_the_second_replaces_the_first_and_readers_look_again() {
    let rig = Rig::with(bounds(), true).await;
    let mut first = rig.publish(KEY).await.unwrap();
    script::headers(&mut first).await.unwrap();
    script::frames(&mut first, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    let mut second = rig.publish(KEY).await.unwrap();
    assert_eq!(reader.until_end().await, End::Aborted);
    script::headers(&mut second).await.unwrap();
    script::frames(&mut second, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    reader.next().await.unwrap();
    wait::until_true("the first publisher is cut", DEADLINE, async || script::frame(&mut first, 9).await.is_err())
        .await
        .unwrap();
    assert!(rig.orchestrator.state().asked.iter().all(|asked| asked.takeover));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_and_health_checks_cost_nothing() {
    let mut bounds = bounds();
    bounds.max_rtmp_connections = 3;
    let rig = Rig::with(bounds, false).await;
    for _ in 0..50 {
        drop(TcpStream::connect(rig.addresses.rtmp).await.unwrap());
    }
    let mut held = Vec::new();
    wait::until_true("three slots are free", DEADLINE, async || {
        held.clear();
        for _ in 0..3 {
            held.push(TcpStream::connect(rig.addresses.rtmp).await.unwrap());
        }
        rig.metric("relay_rtmp_connections").await == 3.0
    })
    .await
    .unwrap();
    let mut fourth = TcpStream::connect(rig.addresses.rtmp).await.unwrap();
    let closed = tokio::time::timeout(DEADLINE, fourth.read(&mut [0; 1])).await.expect("closed at once");
    assert!(closed.map_or(true, |read| read == 0));
    drop(held);
    wait::until_true("slots are given back", DEADLINE, async || rig.publish(KEY).await.is_ok()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_publisher_is_dropped_and_its_readers_see_the_end() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    assert_eq!(reader.until_end().await, End::Clean);
    let ended = wait::until("the end is reported", DEADLINE, async || {
        rig.orchestrator.state().reports.iter().find(|report| !report.connected).cloned()
    });
    assert_eq!(ended.await.unwrap().reason, "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_publishes_and_a_higher_epoch_takes_over() {
    let rig = Rig::new().await;
    let session = rig.session();
    let key = |epoch, use_| format!("ticket:{}", rig.ticket(session, epoch, use_));
    let text = refused(&rig, &key(1, Use::Read)).await;
    assert!(text.contains("may not publish here"), "{text}");
    assert!(refused(&rig, "ticket:nonsense").await.contains("may not publish here"));
    let mut old = rig.publish(&key(5, Use::Publish)).await.unwrap();
    script::headers(&mut old).await.unwrap();
    script::frames(&mut old, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    let mut new = rig.publish(&key(6, Use::Publish)).await.unwrap();
    assert_eq!(reader.until_end().await, End::Aborted);
    assert!(refused(&rig, &key(5, Use::Publish)).await.contains("newer session"));
    script::headers(&mut new).await.unwrap();
    script::frames(&mut new, 0..3).await.unwrap();
    assert!(rig.read().await.next().await.is_ok());
    let state = rig.orchestrator.state();
    assert!(state.asked.is_empty(), "tickets are verified here");
    assert!(state.reports.iter().any(|report| report.source_epoch == 6 && report.connected));
}
