//! Another tenant's id is exactly like an unknown one, in every call.

use tonic::{Code, Status};
use uuid::Uuid;
use wire::v1;

use crate::harness::{Fixture, House, TENANT, error_code, key_of};

const MALLORY: &str = "mallory";

/// Every call that names an id, asked by `tenant` about the fixture's (or unknown) ids.
async fn ask_everything(house: &House, tenant: &str, stream: &str, destination: &str) -> Vec<Result<(), Status>> {
    let mut api = house.streams();
    let s = || v1::StreamRef { tenant_id: tenant.into(), stream_id: stream.into() };
    let d = || v1::DestinationRef { tenant_id: tenant.into(), destination_id: destination.into() };
    let a =
        || v1::AttachRequest { tenant_id: tenant.into(), stream_id: stream.into(), destination_id: destination.into() };
    let update_stream = v1::UpdateStreamRequest {
        tenant_id: tenant.into(),
        stream_id: stream.into(),
        title: Some("mine".into()),
        end_grace_s: None,
    };
    let key =
        v1::SetIngestKeyRequest { tenant_id: tenant.into(), stream_id: stream.into(), ingest_key_sha256: vec![7; 32] };
    let create = v1::CreateDestinationRequest {
        tenant_id: tenant.into(),
        destination_id: Uuid::now_v7().to_string(),
        stream_id: stream.into(),
        platform: v1::Platform::RtmpCustom.into(),
        name: "x".into(),
        is_enabled: true,
        settings: None,
        rtmp_url: "rtmp://a.example/live".into(),
        account_id: String::new(),
        platform_settings: None,
    };
    let update = v1::UpdateDestinationRequest {
        tenant_id: tenant.into(),
        destination_id: destination.into(),
        name: Some("mine".into()),
        ..Default::default()
    };
    let start = v1::StartRequest {
        tenant_id: tenant.into(),
        stream_id: stream.into(),
        input_source: String::new(),
        wait_ms: 0,
    };
    vec![
        api.get_stream(s()).await.map(drop),
        api.update_stream(update_stream).await.map(drop),
        api.set_ingest_key(key).await.map(drop),
        api.create_destination(create).await.map(drop),
        api.get_destination(d()).await.map(drop),
        api.update_destination(update).await.map(drop),
        api.delete_destination(d()).await.map(drop),
        api.test_destination(d()).await.map(drop),
        api.start(start).await.map(drop),
        api.stop(s()).await.map(drop),
        api.get_status(s()).await.map(drop),
        api.get_health(s()).await.map(drop),
        api.get_metrics(s()).await.map(drop),
        api.attach_destination(a()).await.map(drop),
        api.detach_destination(a()).await.map(drop),
        api.delete_stream(s()).await.map(drop),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_is_like_an_unknown_one() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let (id, destination) = (stream.id.to_string(), stream.destinations[0].to_string());
    let unknown = Uuid::now_v7().to_string();
    let foreign = ask_everything(&house, MALLORY, &id, &destination).await;
    let nothing = ask_everything(&house, MALLORY, &unknown, &unknown).await;
    let garbage = ask_everything(&house, MALLORY, "no-uuid", "../etc").await;
    for (n, answer) in foreign.iter().enumerate() {
        let answer = answer.as_ref().expect_err("refused");
        assert_eq!((answer.code(), error_code(answer)), (Code::NotFound, "not_found"), "call {n}");
        for other in [&nothing[n], &garbage[n]] {
            let other = other.as_ref().expect_err("refused");
            assert_eq!((other.code(), other.message()), (answer.code(), answer.message()), "call {n}");
        }
    }
    assert_eq!(house.line(&stream).await, "idle: pending", "nothing happened to it");
    lists_show_only_ones_own(&house, &stream).await?;
    taken_ids_tell_nothing(&house, &stream).await
}

async fn lists_show_only_ones_own(house: &House, stream: &Fixture) -> anyhow::Result<()> {
    let list = |tenant: &str| v1::ListStreamsRequest { tenant_id: tenant.into(), limit: 0, after_id: String::new() };
    assert_eq!(house.streams().list_streams(list(TENANT)).await?.into_inner().streams.len(), 1);
    assert!(house.streams().list_streams(list(MALLORY)).await?.into_inner().streams.is_empty());
    for id in [stream.id.to_string(), Uuid::now_v7().to_string(), String::new()] {
        let list = v1::ListDestinationsRequest { tenant_id: MALLORY.into(), stream_id: id, ..Default::default() };
        assert!(house.streams().list_destinations(list).await?.into_inner().destinations.is_empty());
    }
    Ok(())
}

async fn taken_ids_tell_nothing(house: &House, stream: &Fixture) -> anyhow::Result<()> {
    let steal = v1::CreateStreamRequest {
        tenant_id: MALLORY.into(),
        stream_id: stream.id.to_string(),
        title: "mine".into(),
        ingest_key_sha256: key_of(Uuid::now_v7().into()),
        end_grace_s: None,
    };
    assert!(house.streams().create_stream(steal).await.is_err());
    let anonymous = v1::StreamRef { tenant_id: String::new(), stream_id: stream.id.to_string() };
    assert_eq!(house.streams().get_stream(anonymous).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(house.streams().get_stream(stream.wire()).await?.into_inner().title, "A stream");
    Ok(())
}
