//! A publish target leaves the vault for the session's current owner only.

use service_kit::grpc;
use tonic::Code;
use uuid::Uuid;
use wire::v1::{GetPublishTargetRequest, Platform, vault_client::VaultClient};

use crate::world::{KEY_A, World, put};

#[tokio::test]
async fn only_the_current_owner_gets_the_target() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();
    vault.put_stream_key(put(id, "live_abcdefgh")).await.expect("stored");

    let nobody = GetPublishTargetRequest {
        destination_id: id.to_string(),
        session_id: id.to_string(),
        epoch: 7,
        worker_id: "w-1".into(),
    };
    let refused = vault.get_publish_target(nobody).await.expect_err("nobody owns it yet");
    assert_eq!((refused.code(), grpc::error_code(&refused)), (Code::FailedPrecondition, Some("not_owner")));

    let claim = world.own(id, Platform::RtmpCustom);
    let target = vault.get_publish_target(claim.clone()).await.expect("released").into_inner();
    assert_eq!(
        (target.rtmp_url.as_str(), target.stream_key.as_str()),
        ("rtmps://ingest.example/live", "live_abcdefgh")
    );

    for stranger in [
        GetPublishTargetRequest { epoch: 6, ..claim.clone() },
        GetPublishTargetRequest { epoch: 8, ..claim.clone() },
        GetPublishTargetRequest { worker_id: "w-2".into(), ..claim.clone() },
        GetPublishTargetRequest { session_id: Uuid::new_v4().to_string(), ..claim.clone() },
    ] {
        let refused = vault.get_publish_target(stranger).await.expect_err("refused");
        assert_eq!((refused.code(), grpc::error_code(&refused)), (Code::FailedPrecondition, Some("not_owner")));
    }
}

#[tokio::test]
async fn without_a_key_or_before_the_broadcast_is_ready_there_is_no_target() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    for (platform, status, code) in [
        (Platform::RtmpCustom, Code::FailedPrecondition, "stream_key_missing"),
        (Platform::Youtube, Code::Unavailable, "broadcast_not_ready"),
    ] {
        let claim = world.own(Uuid::now_v7(), platform);
        let refused = vault.get_publish_target(claim).await.expect_err("refused");
        assert_eq!((refused.code(), grpc::error_code(&refused)), (status, Some(code)));
    }
}

#[tokio::test]
async fn without_the_orchestrator_nothing_is_released() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut vault = service.client();
    let id = Uuid::now_v7();
    vault.put_stream_key(put(id, "live_abcdefgh")).await.expect("stored");
    let claim = world.own(id, Platform::RtmpCustom);
    vault.get_publish_target(claim.clone()).await.expect("released");
    world.orchestrator.stop().await;
    let refused = vault.get_publish_target(claim).await.expect_err("nobody can tell");
    assert_eq!((refused.code(), grpc::error_code(&refused)), (Code::Unavailable, Some("orchestrator_unavailable")));
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let world = World::start().await;
    let service = world.service(KEY_A).await;
    let mut stranger = VaultClient::new(grpc::channel(&service.grpc).expect("a URL"));
    let claim = world.own(Uuid::now_v7(), Platform::RtmpCustom);
    assert_eq!(stranger.get_publish_target(claim).await.expect_err("refused").code(), Code::Unauthenticated);
    let put = stranger.put_stream_key(put(Uuid::now_v7(), "key")).await.expect_err("refused");
    assert_eq!(put.code(), Code::Unauthenticated);
}
