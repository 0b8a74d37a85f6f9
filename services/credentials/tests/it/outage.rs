//! Postgres goes and comes back; stored values get damaged.

use std::time::{Duration, Instant};

use service_kit::grpc;
use testkit::postgres;
use tonic::Code;
use uuid::Uuid;
use wire::v1::Platform;

use crate::world::{KEY_A, World, put, stream};

#[tokio::test]
async fn postgres_gone_is_unavailable_at_once_and_over_by_itself() {
    // Durable: what was answered must have survived the kill.
    let world = World::start_with(postgres::Options { durable: true, ..Default::default() }).await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();
    let key = vault.create_ingest_key(stream(id)).await.expect("made").into_inner().key;

    world.postgres.kill();
    testkit::wait::until_true("the kill", Duration::from_secs(5), async || !world.postgres.proc().alive())
        .await
        .expect("dead");
    let begun = Instant::now();
    let refused = vault.put_stream_key(put(id, "live_abcdefgh")).await.expect_err("no database");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((refused.code(), grpc::error_code(&refused)), (Code::Unavailable, Some("database_unavailable")));
    let unready = async || testkit::http::get(service.http_addr(), "/readyz").await.is_err();
    testkit::wait::until_true("not ready", Duration::from_secs(10), unready).await.expect("says so");

    world.postgres.restart().await.expect("back");
    let back = Instant::now();
    let shown = async || vault.reveal_ingest_key(stream(id)).await.ok();
    let shown = testkit::wait::until("an answer", Duration::from_secs(5), shown).await.expect("by itself");
    assert_eq!(shown.into_inner().key, key);
    assert!(back.elapsed() < Duration::from_secs(5));
    let ready = async || testkit::http::get(service.http_addr(), "/readyz").await.is_ok();
    testkit::wait::until_true("ready", Duration::from_secs(10), ready).await.expect("says so");
}

#[tokio::test]
async fn a_paused_postgres_is_unavailable_within_two_seconds() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();
    vault.create_ingest_key(stream(id)).await.expect("made");
    world.postgres.pause();
    let begun = Instant::now();
    let refused = vault.reveal_ingest_key(stream(id)).await.expect_err("no answer");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    world.postgres.resume();
    let shown = async || vault.reveal_ingest_key(stream(id)).await.ok();
    testkit::wait::until("an answer", Duration::from_secs(5), shown).await.expect("by itself");
}

#[tokio::test]
async fn a_value_moved_to_another_row_does_not_open() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    vault.put_stream_key(put(one, "live_one_abcdefgh")).await.expect("stored");
    vault.put_stream_key(put(two, "live_two_abcdefgh")).await.expect("stored");
    let mut sql = world.sql().await;
    let moved = sqlx::query(
        "UPDATE credentials.secrets SET sealed = (SELECT sealed FROM credentials.secrets WHERE record_id = $1) \
         WHERE record_id = $2",
    );
    moved.bind(one).bind(two).execute(&mut sql).await.expect("moved");

    let refused = vault.get_publish_target(world.own(two, Platform::RtmpCustom)).await.expect_err("does not open");
    assert_eq!((refused.code(), grpc::error_code(&refused)), (Code::Internal, Some("internal")));
    let target = vault.get_publish_target(world.own(one, Platform::RtmpCustom)).await.expect("untouched");
    assert_eq!(target.into_inner().stream_key, "live_one_abcdefgh");
    let metrics = testkit::http::get(service.http_addr(), "/metrics").await.expect("metrics");
    assert!(metrics.contains("vault_open_failures_total 1"), "{metrics}");
    assert!(service.log().contains("does not open"), "{}", service.log());
}
