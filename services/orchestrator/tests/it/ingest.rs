//! Who may publish, and what is told of a source.

use std::time::Duration;

use bus::EventKind;
use uuid::Uuid;
use wire::v1::{self, authorize_publish_response::Decision};

use crate::harness::{House, TENANT, until_event};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn one_publisher_at_a_time() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut events = house.events(&stream).await;
    let unknown = house.authorize(&[9; 32], &Uuid::now_v7().to_string()).await?;
    assert_eq!((unknown.decision(), unknown.stream_id.as_str()), (Decision::UnknownKey, ""));

    let mut first = house.publish(&stream).await?;
    let again = house.authorize(&stream.key, &first.publish_id).await?;
    assert_eq!((again.decision(), again.source_epoch), (Decision::Accepted, first.epoch), "asked twice");
    let second = Uuid::now_v7().to_string();
    assert_eq!(house.authorize(&stream.key, &second).await?.decision(), Decision::AlreadyLive);
    assert!(!first.beat(true).await?);
    let shown = house.streams().get_stream(stream.wire()).await?.into_inner();
    assert!(shown.source_connected && shown.source.unwrap().width == 1280);

    // A relay that is configured so lets the newer one win: the older is cut.
    let takeover = v1::AuthorizePublishRequest {
        relay_id: "relay-1".into(),
        key_sha256: stream.key.clone(),
        remote_addr: String::new(),
        publish_id: second.clone(),
        takeover: true,
    };
    let taken = house.one().ingest().authorize_publish(takeover).await?.into_inner();
    assert!(taken.decision() == Decision::Accepted && taken.source_epoch > first.epoch);
    assert!(first.beat(true).await?, "superseded");
    first.beat(false).await?;
    assert!(house.streams().get_stream(stream.wire()).await?.into_inner().source_connected, "an old good-bye");

    let mut newer = crate::harness::Encoder { publish_id: second, epoch: taken.source_epoch, sequence: 0, ..first };
    assert!(!newer.beat(true).await?);
    newer.beat(false).await?;
    assert!(!house.streams().get_stream(stream.wire()).await?.into_inner().source_connected);
    let seen = until_event(&mut events, EventKind::StreamSourceDisconnected).await?;
    assert_eq!(seen, ["stream:source_connected", "stream:source_disconnected"]);
    // The same report again is no news.
    newer.sequence -= 1;
    newer.beat(false).await?;
    let third = house.publish(&stream).await?;
    assert!(third.epoch > taken.source_epoch);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_replaces_the_old_at_once() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(0).await?;
    let new_key = vec![3; 32];
    let set = v1::SetIngestKeyRequest {
        tenant_id: TENANT.into(),
        stream_id: stream.id.to_string(),
        ingest_key_sha256: new_key.clone(),
    };
    house.streams().set_ingest_key(set).await?;
    let publish = Uuid::now_v7().to_string();
    assert_eq!(house.authorize(&stream.key, &publish).await?.decision(), Decision::UnknownKey);
    assert_eq!(house.authorize(&new_key, &publish).await?.decision(), Decision::Accepted);
    house.streams().delete_stream(stream.wire()).await?;
    assert_eq!(house.authorize(&new_key, &publish).await?.decision(), Decision::UnknownKey);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_unknown_media_is_announced_after_a_while() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(0).await?;
    let mut events = house.events(&stream).await;
    let publish_id = Uuid::now_v7().to_string();
    let epoch = house.authorize(&stream.key, &publish_id).await?.source_epoch;
    let begun = std::time::Instant::now();
    let mut sequence = 0;
    let announced = tokio::spawn(async move { until_event(&mut events, EventKind::StreamSourceConnected).await });
    testkit::wait::until_true("announced", SOON, async || {
        sequence += 1;
        let report = v1::ReportSourceRequest {
            relay_id: "relay-1".into(),
            stream_id: stream.id.to_string(),
            publish_id: publish_id.clone(),
            source_epoch: epoch,
            sequence,
            connected: true,
            ..Default::default()
        };
        house.one().ingest().report_source(report).await.unwrap();
        announced.is_finished()
    })
    .await?;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    announced.await??;
    Ok(())
}
