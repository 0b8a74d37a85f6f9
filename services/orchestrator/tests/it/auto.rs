//! Streams that go live with their source, and end with it; sources that are pulled.

use std::time::Duration;

use service_kit::grpc::error_code;
use wire::v1::{self, Phase};

use crate::{
    harness::{House, TENANT},
    worker::Worker,
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn goes_live_with_its_source_and_ends_after_the_grace() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut stream = house.stream(1).await?;
    let auto = v1::Settings { auto_start: Some(true), ..Default::default() };
    stream.destinations.push(house.destination(&stream, auto).await?);
    let grace = v1::UpdateStreamRequest {
        tenant_id: TENANT.into(),
        stream_id: stream.id.to_string(),
        title: None,
        end_grace_s: Some(1),
    };
    house.streams().update_stream(grace).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;

    let mut encoder = house.publish(&stream).await?;
    let mut job = worker.take_one().await?;
    assert_eq!(job.destination(), stream.destinations[1], "only the one that asked for it");
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: pending connected", SOON).await?;

    encoder.beat(false).await?;
    testkit::wait::until_true("told to stop", SOON, async || worker.told_to_stop(&job)).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "ended: pending ended", SOON).await?;

    // Stopped by a person: a quick return of the encoder does not undo it, a later one does.
    let encoder = house.publish(&stream).await?;
    assert!(worker.pull(Duration::from_millis(1_500)).await.is_empty(), "the same visit");
    drop(encoder);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_holds_while_the_source_stays() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut stream = house.stream(0).await?;
    let auto = v1::Settings { auto_start: Some(true), ..Default::default() };
    stream.destinations.push(house.destination(&stream, auto).await?);
    let mut worker = Worker::hire(&house, "w-1").await?;
    let mut encoder = house.publish(&stream).await?;
    let mut job = worker.take_one().await?;
    worker.report(&mut job, Phase::Connected).await?;
    house.see(&stream, "live: connected", SOON).await?;
    house.end(&stream).await?;
    worker.close(&mut job).await?;
    house.see(&stream, "ended: ended", SOON).await?;
    encoder.beat(true).await?;
    assert!(worker.pull(Duration::from_millis(2_000)).await.is_empty());
    assert_eq!(house.line(&stream).await, "ended: ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_source_is_pulled_by_a_session() -> anyhow::Result<()> {
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let mut worker = Worker::hire(&house, "w-1").await?;
    // The play path is in the vault, under the record behind the `#`.
    let record = uuid::Uuid::now_v7();
    let url = format!("rtmp://source.example/live#{record}");
    house.streams().start(v1::StartRequest { input_source: url.clone(), ..stream.start(0) }).await?;
    let jobs = worker.take(2).await?;
    let pull = jobs.iter().find(|j| j.spec.kind() == v1::SessionKind::Pull).expect("a pull");
    assert_eq!((pull.spec.input_url.as_str(), &pull.spec.session_id), (url.as_str(), &stream.id.to_string()));
    let deliver = jobs.iter().find(|j| j.spec.kind() == v1::SessionKind::Deliver).expect("a delivery");
    assert_eq!(deliver.spec.input_url, "");
    let ask = |destination_id: String| v1::CheckOwnerRequest {
        destination_id,
        session_id: pull.spec.session_id.clone(),
        epoch: pull.spec.epoch,
        worker_id: "w-1".into(),
    };
    let owned = house.one().sessions().check_owner(ask(record.to_string())).await?.into_inner();
    assert_eq!((owned.rtmp_url.as_str(), owned.destination_id), ("rtmp://source.example/live", record.to_string()));
    let other = house.one().sessions().check_owner(ask(uuid::Uuid::now_v7().to_string())).await.unwrap_err();
    assert_eq!(error_code(&other), Some("not_owner"));
    // The relay tells of the publish under the session's epoch.
    let mut encoder = crate::harness::Encoder {
        ingest: house.one().ingest(),
        stream: stream.id.to_string(),
        publish_id: uuid::Uuid::now_v7().to_string(),
        epoch: pull.spec.epoch,
        sequence: 0,
    };
    assert!(!encoder.beat(true).await?);
    assert!(house.streams().get_stream(stream.wire()).await?.into_inner().source_connected);
    Ok(())
}
