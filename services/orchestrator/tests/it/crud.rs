//! Creating, listing, limits, bad values and idempotency keys.

use uuid::Uuid;
use wire::v1::{self, begin_idempotent_response::Outcome};

use crate::harness::{House, TENANT, error_code, key_of};

#[tokio::test(flavor = "multi_thread")]
async fn limits_pages_and_repeated_creation() -> anyhow::Result<()> {
    let limits =
        ["--max-streams-per-tenant", "3", "--max-destinations-per-tenant", "4", "--max-destinations-per-stream", "2"];
    let house = House::with(1, &limits).await?;
    let (a, b, c) = (house.stream(2).await?, house.stream(2).await?, house.stream(0).await?);
    let mut create = v1::CreateStreamRequest {
        tenant_id: TENANT.into(),
        stream_id: a.id.to_string(),
        title: "again".into(),
        ingest_key_sha256: a.key.clone(),
        end_grace_s: None,
    };
    assert_eq!(house.streams().create_stream(create.clone()).await?.into_inner().title, "A stream");
    create.stream_id = Uuid::now_v7().to_string();
    create.ingest_key_sha256 = key_of(Uuid::now_v7().into());
    assert_eq!(error_code(&house.streams().create_stream(create.clone()).await.unwrap_err()), "limit_reached");
    create.tenant_id = "bob".into();
    house.streams().create_stream(create).await?;
    for full in [&a, &c] {
        let refused = house.destination(full, v1::Settings::default()).await.unwrap_err();
        assert_eq!(error_code(refused.downcast_ref().unwrap()), "limit_reached");
    }
    let page = |after: String| v1::ListStreamsRequest { tenant_id: TENANT.into(), limit: 2, after_id: after };
    let first = house.streams().list_streams(page(String::new())).await?.into_inner().streams;
    let rest = house.streams().list_streams(page(first[1].id.clone())).await?.into_inner().streams;
    let ids: Vec<_> = first.iter().chain(&rest).map(|s| s.id.clone()).collect();
    assert_eq!(ids, [a.id.to_string(), b.id.to_string(), c.id.to_string()]);
    let enabled = v1::ListDestinationsRequest {
        tenant_id: TENANT.into(),
        stream_id: b.id.to_string(),
        platform: v1::Platform::RtmpCustom.into(),
        is_enabled: Some(true),
        ..Default::default()
    };
    assert_eq!(house.streams().list_destinations(enabled.clone()).await?.into_inner().destinations.len(), 2);
    let twitch = v1::ListDestinationsRequest { platform: v1::Platform::Twitch.into(), ..enabled };
    assert!(house.streams().list_destinations(twitch).await?.into_inner().destinations.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_are_refused_by_field() -> anyhow::Result<()> {
    let house = House::with(1, &["--allow-private-destinations", "false"]).await.err();
    assert!(house.is_some(), "given twice");
    let house = House::start().await?;
    let stream = house.stream(1).await?;
    let bad =
        house.destination(&stream, v1::Settings { bitrate_kbps: Some(499), ..Default::default() }).await.unwrap_err();
    assert_eq!(error_code(bad.downcast_ref().unwrap()), "invalid_settings");
    for (input, code) in [
        ("file:///etc/passwd", "invalid_rtmp_url"),
        ("http://a.example/x", "invalid_rtmp_url"),
        ("rtmp://ingest.example/live/somebodys-key", "address_not_allowed"),
    ] {
        let start = v1::StartRequest { input_source: input.into(), ..stream.start(0) };
        let refused = house.streams().start(start).await.unwrap_err();
        assert_eq!((error_code(&refused), service_kit::grpc::error_field(&refused)), (code, Some("inputSource")));
    }
    assert_eq!(house.line(&stream).await, "idle: pending");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_used_once() -> anyhow::Result<()> {
    let house = House::with(2, &[]).await?;
    let begin = |tenant: &str, fingerprint: u8| v1::BeginIdempotentRequest {
        tenant_id: tenant.into(),
        key: "k".into(),
        fingerprint: vec![fingerprint],
    };
    let finish = |forget| v1::FinishIdempotentRequest {
        tenant_id: TENANT.into(),
        key: "k".into(),
        status: 201,
        body: b"made".to_vec(),
        forget,
    };
    let (mut one, mut two) = (house.replicas[0].streams(), house.replicas[1].streams());
    assert_eq!(one.begin_idempotent(begin(TENANT, 1)).await?.into_inner().outcome(), Outcome::New);
    assert_eq!(two.begin_idempotent(begin(TENANT, 1)).await?.into_inner().outcome(), Outcome::InFlight);
    assert_eq!(two.begin_idempotent(begin(TENANT, 2)).await?.into_inner().outcome(), Outcome::Mismatch);
    assert_eq!(two.begin_idempotent(begin("bob", 2)).await?.into_inner().outcome(), Outcome::New);
    one.finish_idempotent(finish(false)).await?;
    let replay = two.begin_idempotent(begin(TENANT, 1)).await?.into_inner();
    assert_eq!((replay.outcome(), replay.status, replay.body.as_slice()), (Outcome::Replay, 201, b"made".as_slice()));
    assert_eq!(two.begin_idempotent(begin(TENANT, 2)).await?.into_inner().outcome(), Outcome::Mismatch);
    one.finish_idempotent(finish(true)).await?;
    assert_eq!(two.begin_idempotent(begin(TENANT, 2)).await?.into_inner().outcome(), Outcome::New);
    // Its caller died: after a while the same request may go on, and a day later anybody.
    for (age_ms, fingerprint, expected) in
        [(61_000_i64, 3, Outcome::Mismatch), (61_000, 2, Outcome::New), (24 * 3_600_000 + 1, 3, Outcome::New)]
    {
        sqlx::query("UPDATE idempotency SET begun_at_ms = begun_at_ms - $1 WHERE tenant_id = $2")
            .bind(age_ms)
            .bind(TENANT)
            .execute(house.one().ctx.db.pool())
            .await?;
        assert_eq!(one.begin_idempotent(begin(TENANT, fingerprint)).await?.into_inner().outcome(), expected);
    }
    Ok(())
}
