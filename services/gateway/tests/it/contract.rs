//! The product guide's requests, word for word, and the shapes of its answers.

use serde_json::{Value, json};
use wire::v1;

use crate::harness::{ALICE, Gateway, INGEST, custom, read};

/// Every key of `sample` is in `answer`, with the same JSON type (null stands for "not now").
fn same_shape(sample: &Value, answer: &Value, path: &str) {
    match (sample, answer) {
        (Value::Object(sample), Value::Object(answer)) => {
            for (key, value) in sample {
                let got = answer.get(key).unwrap_or_else(|| panic!("{path}.{key} is missing"));
                same_shape(value, got, &format!("{path}.{key}"));
            }
        }
        (Value::Array(sample), Value::Array(answer)) => {
            for (sample, answer) in sample.iter().zip(answer) {
                same_shape(sample, answer, &format!("{path}[]"));
            }
        }
        (_, Value::Null) => {}
        (sample, answer) => {
            assert_eq!(std::mem::discriminant(sample), std::mem::discriminant(answer), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_custom_destination_as_in_the_guide() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let reply = gateway.post(ALICE, "/api/destinations", custom(&stream)).await;
    let id = reply.json["data"]["id"].as_str().unwrap().to_owned();
    let expected = json!({"id": id, "stream_id": stream, "platform": "rtmp_custom", "name": "Custom RTMP Server",
        "status": "pending", "is_enabled": true});
    let data = reply.good(201);
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&data[key], value, "{key}");
    }
    assert_eq!(data["rtmp_url"], "rtmp://custom-server.com/live");
    assert_eq!(data["settings"], json!({"bitrate": 3500, "resolution": "1280x720", "framerate": 30}));
    assert_eq!(gateway.fake.state().stream_keys[&id], "your-stream-key");
    // The list has the same thing, and every field of the guide's sample.
    let list = gateway.get(ALICE, &format!("/api/destinations?stream_id={stream}")).await.good(200);
    assert_eq!(list[0], data);
    same_shape(
        &json!([{"id": "uuid", "stream_id": "uuid", "platform": "youtube", "name": "x", "status": "pending",
            "is_enabled": true, "viewer_count": 0, "playback_url": "https://…",
            "settings": {"bitrate": 4500, "resolution": "1920x1080", "framerate": 30}}]),
        &list,
        "data",
    );
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let gateway = Gateway::start().await;
    let (one, two) = (gateway.stream(ALICE).await, gateway.stream(ALICE).await);
    let first = gateway.destination(ALICE, &one).await;
    let second = gateway.destination(ALICE, &two).await;
    gateway.send(ALICE, "PATCH", &format!("/api/destinations/{second}"), json!({"is_enabled": false})).await.good(200);
    let ids = async |query: &str| -> Vec<String> {
        let data = gateway.get(ALICE, &format!("/api/destinations{query}")).await.good(200);
        data.as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("").await, [first.clone(), second.clone()]);
    assert_eq!(ids("?is_enabled=true").await, std::slice::from_ref(&first));
    assert_eq!(ids("?is_enabled=false").await, std::slice::from_ref(&second));
    assert_eq!(ids(&format!("?stream_id={two}")).await, std::slice::from_ref(&second));
    assert_eq!(
        ids(&format!("?stream_id={one}&platform=rtmp_custom&is_enabled=true")).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(ids("?platform=youtube").await, Vec::<String>::new());
    let page = gateway.get(ALICE, "/api/destinations?limit=1").await;
    assert_eq!(page.json["next"], first);
    assert_eq!(ids(&format!("?limit=1&after={first}")).await, [second]);
    let all = gateway.get(ALICE, "/api/streams").await;
    assert_eq!((all.json["data"].as_array().unwrap().len(), &all.json["next"]), (2, &Value::Null));
}

#[tokio::test]
async fn start_takes_the_guides_body_an_empty_one_and_none() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.destination(ALICE, &stream).await;
    let path = format!("/api/simulcast/{stream}/start");
    let none = gateway.request(ALICE, "POST", &path);
    let typed = gateway.request(ALICE, "POST", &path).header("content-type", "application/json");
    let empty = gateway.request(ALICE, "POST", &path).json(&json!({}));
    let guide = gateway.request(ALICE, "POST", &path).json(&json!({"inputSource": "rtmp://source/stream"}));
    for request in [none, typed, empty, guide] {
        let data = read(request).await.good(200);
        same_shape(
            &json!({"streamId": "uuid", "status": "live", "startedAt": "2024-01-15T12:00:00Z",
                "destinations": [{"id": "uuid", "platform": "youtube", "status": "connected"}]}),
            &data,
            "data",
        );
        assert_eq!((&data["streamId"], &data["status"]), (&json!(stream), &json!("live")));
        assert_eq!(data["startedAt"], "2024-01-15T12:00:00Z");
        assert_eq!(data["destinations"][0]["status"], "connected");
    }
    gateway.post(ALICE, &format!("{path}?wait=0"), json!({})).await.good(200);
    gateway.post(ALICE, &format!("{path}?wait=3"), json!({})).await.good(200);
    let starts = gateway.fake.state().starts.clone();
    let sources: Vec<_> = starts.iter().map(|s| s.input_source.as_str()).collect();
    assert_eq!(sources, ["", "", "", "rtmp://source/stream", "", ""]);
    let waits: Vec<_> = starts.iter().map(|s| s.wait_ms).collect();
    assert_eq!(waits, [10_000, 10_000, 10_000, 10_000, 0, 3_000]);
}

#[tokio::test]
async fn stop_and_status_as_in_the_guide() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.destination(ALICE, &stream).await;
    gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), json!({})).await.good(200);
    let status = gateway.get(ALICE, &format!("/api/simulcast/{stream}/status")).await.good(200);
    same_shape(
        &json!({
            "stream": {"id": "uuid", "title": "My Stream", "status": "live", "started_at": "…", "viewer_count": 150},
            "destinations": [{"id": "uuid", "platform": "youtube", "name": "YouTube", "status": "live",
                "viewer_count": 100, "playback_url": "https://…"}],
            "simulcast": {"streamId": "uuid", "status": "live", "uptime": 3600000}
        }),
        &status,
        "data",
    );
    assert_eq!(status["simulcast"], json!({"streamId": stream, "status": "live", "uptime": 3_600_000}));
    for _ in 0..2 {
        let reply = read(gateway.request(ALICE, "POST", &format!("/api/simulcast/{stream}/stop"))).await;
        assert_eq!(reply.json, json!({"success": true, "message": "Simulcast stopped"}));
    }
    let status = gateway.get(ALICE, &format!("/api/simulcast/{stream}/status")).await.good(200);
    assert_eq!(status["simulcast"], json!({"streamId": stream, "status": "ended", "uptime": 0}));
    assert_eq!(status["stream"]["started_at"], Value::Null);
}

fn sample(id: &str, health: &str, fps: f64, kbps: f64, issues: &[&str]) -> v1::DestinationMetrics {
    v1::DestinationMetrics {
        destination_id: id.into(),
        platform: v1::Platform::RtmpCustom as i32,
        fps,
        bitrate_kbps: kbps,
        frames_sent: 108_000,
        bytes_sent: 2_048_000_000,
        speed: f64::NAN,
        last_update_ms: 1_705_328_400_000,
        health: health.into(),
        issues: issues.iter().map(|i| (*i).to_owned()).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn health_and_metrics_as_in_the_guide() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let destinations =
        vec![sample("a", "healthy", 30.0, 4499.6, &[]), sample("b", "degraded", 25.5, 3800.0, &["Low FPS: 25.5"])];
    gateway.fake.state().health = Some(v1::HealthResponse {
        stream_id: stream.clone(),
        overall: "degraded".into(),
        uptime_ms: 3_600_000,
        destinations: destinations.clone(),
    });
    gateway.fake.state().metrics = Some(v1::MetricsResponse {
        start_time_ms: 1_705_324_800_000,
        bytes_sent: 3_748_000_000,
        frames_sent: 199_800,
        errors: vec![v1::MetricsError {
            at_ms: 1_705_324_900_000,
            destination_id: "b".into(),
            code: "connection_lost".into(),
            message: "The server closed the connection.".into(),
        }],
        destinations,
    });
    let health = gateway.get(ALICE, &format!("/api/simulcast/{stream}/health")).await.good(200);
    insta::assert_json_snapshot!("health", health, {".streamId" => "[stream]"});
    let metrics = gateway.get(ALICE, &format!("/api/simulcast/{stream}/metrics")).await.good(200);
    insta::assert_json_snapshot!("metrics", metrics);
}

#[tokio::test]
async fn a_stream_shows_its_ingest_key_once_and_on_request() {
    let gateway = Gateway::start().await;
    let created = gateway.post(ALICE, "/api/streams", json!({"title": "Friday", "end_grace_s": 60})).await.good(201);
    let id = created["id"].as_str().unwrap();
    assert_eq!(created["ingest"], json!({"url": INGEST, "key": "ingest-secret-0001"}));
    assert_eq!((&created["status"], &created["end_grace_s"]), (&json!("idle"), &json!(60)));
    assert_eq!(gateway.fake.state().digests[id], crate::fake_vault::digest("ingest-secret-0001"));
    let shown = gateway.get(ALICE, &format!("/api/streams/{id}")).await;
    assert!(!shown.text.contains("ingest"), "{}", shown.text);
    let key = gateway.get(ALICE, &format!("/api/streams/{id}/ingest-key")).await.good(200);
    assert_eq!(key, created["ingest"]);
    let rotated = read(gateway.request(ALICE, "POST", &format!("/api/streams/{id}/ingest-key/rotate"))).await.good(200);
    assert_eq!(rotated, json!({"url": INGEST, "key": "ingest-secret-0002"}));
    assert_eq!(gateway.fake.state().digests[id], crate::fake_vault::digest("ingest-secret-0002"));
    let changed = gateway.send(ALICE, "PATCH", &format!("/api/streams/{id}"), json!({"title": "Saturday"})).await;
    assert_eq!(changed.good(200)["title"], "Saturday");
}

#[tokio::test]
async fn a_removed_stream_is_gone() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let destination = gateway.destination(ALICE, &stream).await;
    let path = format!("/api/streams/{stream}");
    let reply = read(gateway.request(ALICE, "DELETE", &path)).await;
    assert_eq!(reply.json, json!({"success": true, "message": "Stream deleted"}));
    read(gateway.request(ALICE, "DELETE", &path)).await.refused(404, "stream_not_found");
    gateway.get(ALICE, &format!("/api/destinations/{destination}")).await.refused(404, "destination_not_found");
    assert!(!gateway.fake.calls().contains(&"delete_secrets"), "that is the orchestrator's to repeat until it is done");
}

#[tokio::test]
async fn a_destination_is_changed_tested_and_removed() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let id = gateway.destination(ALICE, &stream).await;
    let path = format!("/api/destinations/{id}");
    let change = json!({"name": "Backup", "settings": {"bitrate": 6000}, "stream_key": "another-key-1234",
        "rtmp_url": "rtmps://backup.example.com/app"});
    let changed = gateway.send(ALICE, "PATCH", &path, change).await;
    assert!(!changed.text.contains("another-key"), "{}", changed.text);
    let changed = changed.good(200);
    assert_eq!((&changed["name"], &changed["settings"]), (&json!("Backup"), &json!({"bitrate": 6000})));
    assert_eq!(changed["rtmp_url"], "rtmps://backup.example.com/app");
    assert_eq!(gateway.fake.state().stream_keys[&id], "another-key-1234");
    assert!(gateway.fake.state().updates[0].key_changed);
    gateway.send(ALICE, "PATCH", &path, json!({"is_enabled": false})).await.good(200);
    assert!(!gateway.fake.state().updates[1].key_changed);

    let test = read(gateway.request(ALICE, "POST", &format!("{path}/test"))).await.good(200);
    assert_eq!(test["ok"], false);
    assert_eq!(test["steps"][0], json!({"name": "resolve", "ok": true, "took_ms": 12, "error": null}));
    assert_eq!(test["steps"][1]["error"]["code"], "connect_failed");
    assert_eq!(test["steps"][1]["error"]["retryable"], true);

    let reply = read(gateway.request(ALICE, "DELETE", &path)).await;
    assert_eq!(reply.json, json!({"success": true, "message": "Destination deleted"}));
    gateway.get(ALICE, &path).await.refused(404, "destination_not_found");
}

#[tokio::test]
async fn destinations_join_and_leave_a_simulcast() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let existing = gateway.destination(ALICE, &stream).await;
    gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), json!({})).await.good(200);
    let path = format!("/api/simulcast/{stream}/destinations");
    let left = read(gateway.request(ALICE, "DELETE", &format!("{path}/{existing}"))).await;
    assert_eq!(left.json, json!({"success": true, "message": "Destination removed from the simulcast"}));
    let joined = gateway.post(ALICE, &path, json!({"destination_id": existing})).await.good(200);
    assert_eq!((&joined["id"], &joined["status"]), (&json!(existing), &json!("connecting")));
    let mut new = custom(&stream);
    gateway.post(ALICE, &path, new.clone()).await.good(201);
    new.as_object_mut().unwrap().remove("stream_id");
    let made = gateway.post(ALICE, &path, new.clone()).await.good(201);
    assert_eq!(made["stream_id"], stream);
    new["stream_id"] = json!(gateway.stream(ALICE).await);
    let refused = gateway.post(ALICE, &path, new).await.refused(422, "validation_failed");
    assert_eq!(refused.fields(), ["stream_id"]);
    let both = json!({"destination_id": existing, "name": "x"});
    assert_eq!(gateway.post(ALICE, &path, both).await.refused(422, "validation_failed").fields(), ["name"]);
}

#[tokio::test]
async fn nothing_joins_what_does_not_run_and_nothing_is_left_of_the_try() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let existing = gateway.destination(ALICE, &stream).await;
    let path = format!("/api/simulcast/{stream}/destinations");
    gateway.post(ALICE, &path, json!({"destination_id": existing})).await.refused(409, "not_running");
    read(gateway.request(ALICE, "DELETE", &format!("{path}/{existing}"))).await.refused(409, "not_running");
    gateway.post(ALICE, &path, custom(&stream)).await.refused(409, "not_running");
    assert_eq!(gateway.fake.state().destinations.len(), 1);
    // It is stopped between our look and the join.
    gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), json!({})).await.good(200);
    gateway.fake.fail("attach_destination", tonic::Status::failed_precondition("stopped meanwhile"));
    gateway.post(ALICE, &path, custom(&stream)).await.refused(409, "conflict");
    assert_eq!(gateway.fake.state().destinations.len(), 1);
}

#[tokio::test]
async fn starting_with_nothing_enabled_is_a_conflict() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let path = format!("/api/simulcast/{stream}/start");
    gateway.post(ALICE, &path, json!({})).await.refused(409, "no_enabled_destinations");
}
