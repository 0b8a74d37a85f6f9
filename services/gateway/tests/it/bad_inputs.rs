//! What must not get in, and that it reaches nobody.

use serde_json::{Value, json};

use crate::harness::{ALICE, Gateway, custom};

/// A destination with one field replaced (`None`: removed).
pub fn with(stream: &str, field: &str, value: Option<Value>) -> Value {
    let mut body = custom(stream);
    let object = body.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(field.into(), value),
        None => object.remove(field),
    };
    body
}

fn settings(stream: &str, settings: Value) -> Value {
    with(stream, "settings", Some(settings))
}

async fn refuse_all(gateway: &Gateway, path: &str, cases: Vec<(Value, &str)>) {
    let calls = gateway.fake.calls();
    for (body, field) in cases {
        let reply = gateway.post(ALICE, path, body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
        let reply = reply.refused(422, "validation_failed");
        assert_eq!(reply.fields(), [field], "{body}: {}", reply.text);
    }
    assert_eq!(gateway.fake.calls(), calls, "a bad request reached somebody");
}

#[tokio::test]
async fn destinations() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let s = stream.as_str();
    let replaced = |field: &'static str, value: Value| (with(s, field, Some(value)), field);
    let missing = |field: &'static str| (with(s, field, None), field);
    let mut cases = vec![
        (json!(null), ""),
        (json!([]), ""),
        (json!("x"), ""),
        (json!(7), ""),
        missing("stream_id"),
        missing("platform"),
        missing("name"),
        missing("rtmp_url"),
        missing("stream_key"),
        replaced("stream_id", json!(7)),
        replaced("stream_id", json!(null)),
        replaced("platform", json!("mixer")),
        replaced("platform", json!("YouTube")),
        replaced("platform", json!("")),
        replaced("platform", json!(1)),
        replaced("name", json!("")),
        replaced("name", json!("   ")),
        replaced("name", json!("a\u{0}b")),
        replaced("name", json!("x".repeat(201))),
        replaced("name", json!(["x"])),
        replaced("is_enabled", json!("true")),
        replaced("is_enabled", json!(1)),
        replaced("is_enabled", json!(null)),
        replaced("settings", json!([])),
        replaced("settings", json!("fast")),
        replaced("settings", json!(null)),
        replaced("bogus", json!(1)),
        replaced("Stream_key", json!("x")),
        replaced("stream_key", json!("")),
        replaced("stream_key", json!("  ")),
        replaced("stream_key", json!("k".repeat(513))),
        replaced("stream_key", json!("key\n")),
        replaced("stream_key", json!("ke\u{0}y")),
        replaced("stream_key", json!(12345)),
    ];
    for owned in ["id", "status", "owner", "tenant_id", "viewer_count", "playback_url", "health", "created_at", "error"]
    {
        cases.push(replaced(owned, json!("x")));
    }
    refuse_all(&gateway, "/api/destinations", cases).await;
}

#[tokio::test]
async fn destination_settings() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let mut cases = Vec::new();
    let mut bad = |field: &'static str, key: &str, values: Vec<Value>| {
        cases.extend(values.into_iter().map(|value| (settings(&stream, json!({ key: value })), field)));
    };
    let beyond = json!(9_223_372_036_854_775_808_u64);
    bad(
        "settings.bitrate",
        "bitrate",
        vec![
            json!(499),
            json!(20_001),
            json!(4500.5),
            json!(4500.0),
            json!("4500"),
            json!(-1),
            json!(null),
            json!(true),
            beyond.clone(),
            json!(4_294_967_796_u64),
        ],
    );
    bad(
        "settings.framerate",
        "framerate",
        vec![json!(14), json!(61), json!(29.97), json!("30"), json!(0), beyond.clone()],
    );
    bad(
        "settings.resolution",
        "resolution",
        vec![
            json!("1921x1080"),
            json!("1920x1081"),
            json!("0x0"),
            json!("1920X1080"),
            json!("1920"),
            json!("99999x99999"),
            json!("4096x2160"),
            json!("-1920x1080"),
            json!("1920x1080;rm"),
            json!(" 1920x1080"),
            json!(""),
            json!(1080),
            json!([1920, 1080]),
        ],
    );
    bad("settings.preset", "preset", vec![json!("placebo"), json!("veryslow"), json!("Veryfast"), json!(""), json!(3)]);
    bad(
        "settings.max_retries",
        "max_retries",
        vec![json!(-1), json!(1_000_000_000), json!("3"), json!(3.5), json!(null), beyond],
    );
    for flag in ["auto_start", "auto_reconnect"] {
        let field = if flag == "auto_start" { "settings.auto_start" } else { "settings.auto_reconnect" };
        bad(field, flag, vec![json!("yes"), json!(0), json!(null)]);
    }
    bad("settings.vcodec", "vcodec", vec![json!("libx265")]);
    refuse_all(&gateway, "/api/destinations", cases).await;
    let good = settings(
        &stream,
        json!({"bitrate": 500, "resolution": "3840x2160", "framerate": 60, "preset": "slow",
        "auto_start": true, "auto_reconnect": false, "max_retries": 1000}),
    );
    let shown = gateway.post(ALICE, "/api/destinations", good.clone()).await.good(201);
    assert_eq!(shown["settings"], good["settings"]);
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let gateway = Gateway::start().await;
    let body = json!({"platform": "rtmp_custom", "name": 7, "rtmp_url": "http://x/y", "stream_key": "",
        "settings": {"bitrate": 1, "framerate": 1}, "status": "live", "typo": true});
    let reply = gateway.post(ALICE, "/api/destinations", body).await.refused(422, "validation_failed");
    let mut fields = reply.fields();
    fields.sort_unstable();
    let expected =
        ["name", "rtmp_url", "settings.bitrate", "settings.framerate", "status", "stream_id", "stream_key", "typo"];
    assert_eq!(fields, expected);
    let codes: Vec<_> =
        reply.json["error"]["fields"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    for code in ["required", "invalid", "read_only", "unknown_field", "invalid_rtmp_url"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[tokio::test]
async fn start() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.destination(ALICE, &stream).await;
    let path = format!("/api/simulcast/{stream}/start");
    let calls = gateway.fake.calls();
    for (body, field) in [
        (json!({"inputSource": 7}), "inputSource"),
        (json!({"inputSource": null}), "inputSource"),
        (json!({"input_source": "rtmp://source/stream"}), "input_source"),
        (json!({"inputSource": "/dev/video0"}), "inputSource"),
        (json!({"inputSource": "https://example.com/x.m3u8"}), "inputSource"),
        (json!({"inputSource": "rtmp://ingest.example.com/live/another-tenants-key"}), "inputSource"),
        (json!([]), ""),
        (json!(null), ""),
    ] {
        let reply = gateway.post(ALICE, &path, body.clone()).await.refused(422, "validation_failed");
        assert_eq!(reply.fields(), [field], "{body}");
        assert!(!reply.text.contains("another-tenants-key"), "{}", reply.text);
    }
    for wait in ["11", "-1", "1.5", "", "x", "10s", "99999999999"] {
        let reply = gateway.post(ALICE, &format!("{path}?wait={wait}"), json!({})).await;
        assert_eq!((reply.status, reply.fields()), (422, vec!["wait"]), "{wait}");
    }
    for query in ["wiat=1", "wait=1&wait=2", "access_token=x"] {
        gateway.post(ALICE, &format!("{path}?{query}"), json!({})).await.refused(422, "validation_failed");
    }
    gateway
        .post(ALICE, &format!("/api/simulcast/{stream}/stop"), json!({"now": true}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(gateway.fake.calls(), calls);
}

#[tokio::test]
async fn streams() {
    let gateway = Gateway::start().await;
    refuse_all(
        &gateway,
        "/api/streams",
        vec![
            (json!({}), "title"),
            (json!({"title": ""}), "title"),
            (json!({"title": 7}), "title"),
            (json!({"title": "x".repeat(201)}), "title"),
            (json!({"title": "x", "end_grace_s": -1}), "end_grace_s"),
            (json!({"title": "x", "end_grace_s": 86_401}), "end_grace_s"),
            (json!({"title": "x", "end_grace_s": "30"}), "end_grace_s"),
            (json!({"title": "x", "status": "live"}), "status"),
            (json!({"title": "x", "ingest": {}}), "ingest"),
            (json!({"title": "x", "tenant_id": "bob"}), "tenant_id"),
        ],
    )
    .await;
    let calls = gateway.fake.calls();
    for query in ["limit=0", "limit=501", "limit=x", "after=x", "offset=1"] {
        gateway.get(ALICE, &format!("/api/streams?{query}")).await.refused(422, "validation_failed");
    }
    for query in ["is_enabled=yes", "is_enabled=1", "platform=mixer", "platform=", "is_enabled=", "streamid=x"] {
        gateway.get(ALICE, &format!("/api/destinations?{query}")).await.refused(422, "validation_failed");
    }
    assert_eq!(gateway.fake.calls(), calls);
}
