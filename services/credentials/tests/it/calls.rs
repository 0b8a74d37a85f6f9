//! What the vault keeps, gives back and forgets.

use ring::digest;
use service_kit::grpc;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use uuid::Uuid;
use wire::v1::{DeleteSecretsRequest, IngestKeyRequest, Platform, PutStreamKeyRequest};

use crate::world::{KEY_A, TENANT, World, put, stream};

#[tokio::test]
async fn ingest_keys_are_made_shown_replaced_and_forgotten() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();

    let missing = vault.reveal_ingest_key(stream(id)).await.expect_err("none yet");
    assert_eq!(missing.code(), Code::NotFound);
    let first = vault.create_ingest_key(stream(id)).await.expect("made").into_inner();
    assert_eq!(first.key.len(), 35);
    assert_eq!(first.sha256, digest::digest(&digest::SHA256, first.key.as_bytes()).as_ref());
    let shown = vault.reveal_ingest_key(stream(id)).await.expect("shown").into_inner();
    assert_eq!((&shown.key, &shown.sha256), (&first.key, &first.sha256));
    let second = vault.create_ingest_key(stream(id)).await.expect("replaced").into_inner();
    assert_ne!(second.key, first.key);
    let shown = vault.reveal_ingest_key(stream(id)).await.expect("shown").into_inner();
    assert_eq!(shown.key, second.key);

    let forget = || DeleteSecretsRequest { tenant_id: TENANT.into(), stream_id: id.to_string(), ..Default::default() };
    for _ in 0..2 {
        vault.delete_secrets(forget()).await.expect("idempotent");
    }
    assert_eq!(vault.reveal_ingest_key(stream(id)).await.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test]
async fn another_tenants_record_is_an_unknown_one() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let (id, destination) = (Uuid::now_v7(), Uuid::now_v7());
    let mine = vault.create_ingest_key(stream(id)).await.expect("made").into_inner();
    vault.put_stream_key(put(destination, "live_key_of_tenant_1")).await.expect("stored");

    let theirs = IngestKeyRequest { tenant_id: "tenant-2".into(), stream_id: id.to_string() };
    assert_eq!(vault.reveal_ingest_key(theirs.clone()).await.expect_err("hidden").code(), Code::NotFound);
    assert_eq!(vault.create_ingest_key(theirs).await.expect_err("refused").code(), Code::NotFound);
    let replace = PutStreamKeyRequest { tenant_id: "tenant-2".into(), ..put(destination, "live_key_of_tenant_2") };
    assert_eq!(vault.put_stream_key(replace).await.expect_err("refused").code(), Code::NotFound);
    let delete = DeleteSecretsRequest {
        tenant_id: "tenant-2".into(),
        stream_id: id.to_string(),
        destination_id: destination.to_string(),
    };
    vault.delete_secrets(delete).await.expect("deletes nothing");

    assert_eq!(vault.reveal_ingest_key(stream(id)).await.expect("still there").into_inner().key, mine.key);
    let claim = world.own(destination, Platform::RtmpCustom);
    let target = vault.get_publish_target(claim).await.expect("still there").into_inner();
    assert_eq!(target.stream_key, "live_key_of_tenant_1");
}

#[tokio::test]
async fn malformed_requests_are_refused_by_field() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();
    for (request, field) in [
        (put(id, ""), "stream_key"),
        (put(id, "line\nend"), "stream_key"),
        (put(id, &"k".repeat(513)), "stream_key"),
        (PutStreamKeyRequest { destination_id: "7".into(), ..put(id, "key") }, "destination_id"),
        (PutStreamKeyRequest { tenant_id: String::new(), ..put(id, "key") }, "tenant_id"),
    ] {
        let refused = vault.put_stream_key(request).await.expect_err("refused");
        assert_eq!((refused.code(), grpc::error_field(&refused)), (Code::InvalidArgument, Some(field)));
    }
    let mut sql = world.sql().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM credentials.secrets").fetch_one(&mut sql).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn it_says_that_it_is_healthy() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut health = HealthClient::new(grpc::channel(&service.grpc).expect("a URL"));
    let serving = async || {
        let request = HealthCheckRequest { service: "exprsn.live.v1.Vault".into() };
        health.check(request).await.is_ok_and(|answer| answer.into_inner().status == 1)
    };
    testkit::wait::until_true("SERVING", std::time::Duration::from_secs(10), serving).await.expect("healthy");
    let ready = testkit::http::get(service.http_addr(), "/readyz").await.expect("ready");
    assert_eq!(ready, r#"{"ready":true,"failing":[]}"#);
    assert_eq!(testkit::http::get(service.http_addr(), "/healthz").await.expect("healthy"), "ok\n");
}
