//! Repeats with the same key.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Status;

use crate::harness::{ALICE, Gateway, Reply, custom, read, until};

async fn post(gateway: &Gateway, key: &str, path: &str, body: &Value) -> Reply {
    read(gateway.request(ALICE, "POST", path).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_repeat_is_answered_and_not_done() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let first = post(&gateway, "k1", "/api/destinations", &custom(&stream)).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    for _ in 0..3 {
        let again = post(&gateway, "k1", "/api/destinations", &custom(&stream)).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.text, first.text);
    }
    assert_eq!(gateway.fake.state().destinations.len(), 1);
    let mut other = custom(&stream);
    other["name"] = json!("Another");
    post(&gateway, "k1", "/api/destinations", &other).await.refused(422, "idempotency_key_reused");
    post(&gateway, "k1", &format!("/api/simulcast/{stream}/stop"), &json!({}))
        .await
        .refused(422, "idempotency_key_reused");
    assert_eq!(post(&gateway, "k2", "/api/destinations", &custom(&stream)).await.status, 201);
    assert_eq!(gateway.fake.state().destinations.len(), 2);
}

#[tokio::test]
async fn an_ingest_key_is_replayed_and_never_kept() {
    let gateway = Gateway::start().await;
    let body = json!({"title": "x"});
    let first = post(&gateway, "k", "/api/streams", &body).await;
    let id = first.json["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(first.json["data"]["ingest"]["key"], "ingest-secret-0001");
    assert_eq!(post(&gateway, "k", "/api/streams", &body).await.json, first.json);
    let rotate = format!("/api/streams/{id}/ingest-key/rotate");
    let rotated = post(&gateway, "r", &rotate, &json!({})).await;
    assert_eq!(rotated.json["data"]["key"], "ingest-secret-0002");
    assert_eq!(post(&gateway, "r", &rotate, &json!({})).await.json, rotated.json);
    // A replay of the creation shows the key that works now.
    let late = post(&gateway, "k", "/api/streams", &body).await;
    assert_eq!(late.json["data"]["ingest"]["key"], "ingest-secret-0002");
    for kept in gateway.fake.state().kept.values() {
        let (_, body) = kept.answer.as_ref().unwrap();
        let text = String::from_utf8_lossy(body);
        assert!(!text.contains("ingest-secret"), "{text}");
    }
    read(gateway.request(ALICE, "DELETE", &format!("/api/streams/{id}"))).await.good(200);
    gateway.fake.state().ingest_keys.clear();
    post(&gateway, "k", "/api/streams", &body).await.refused(404, "stream_not_found");
}

#[tokio::test]
async fn an_error_gives_the_key_back() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.fake.fail("create_destination", Status::unavailable("no database"));
    post(&gateway, "k", "/api/destinations", &custom(&stream)).await.refused(503, "unavailable");
    gateway.fake.heal("create_destination");
    let again = post(&gateway, "k", "/api/destinations", &custom(&stream)).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, ""));
    // A body that can't be read claims nothing.
    post(&gateway, "v", "/api/destinations", &json!({})).await.refused(422, "validation_failed");
    assert_eq!(gateway.fake.state().kept.len(), 1);
}

#[tokio::test]
async fn while_the_first_runs_the_second_waits_its_turn() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.destination(ALICE, &stream).await;
    gateway.fake.delay("start", Duration::from_millis(800));
    let path = format!("/api/simulcast/{stream}/start");
    let body = json!({});
    let first = post(&gateway, "k", &path, &body);
    let second = async {
        until("the first runs", || gateway.fake.calls().contains(&"start")).await;
        post(&gateway, "k", &path, &body).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    let second = second.refused(409, "idempotency_in_flight");
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(post(&gateway, "k", &path, &json!({})).await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_work() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.fake.delay("put_stream_key", Duration::from_millis(300));
    let request = gateway.request(ALICE, "POST", "/api/destinations").header("idempotency-key", "k");
    let leaving = request.json(&custom(&stream)).timeout(Duration::from_millis(100)).send().await;
    assert!(leaving.is_err(), "the client left");
    until("the destination is made", || gateway.fake.state().destinations.len() == 1).await;
    until("the answer is kept", || gateway.fake.state().kept.values().all(|k| k.answer.is_some())).await;
    let again = post(&gateway, "k", "/api/destinations", &custom(&stream)).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
}

#[tokio::test]
async fn keys_that_are_none() {
    let gateway = Gateway::start().await;
    for key in ["", " ", "a b", &"k".repeat(256), &"k".repeat(300), "caf\u{e9}"] {
        let request = gateway.request(ALICE, "POST", "/api/streams").json(&json!({"title": "x"}));
        read(request.header("idempotency-key", key)).await.refused(400, "idempotency_key_invalid");
    }
    let twice = gateway.request(ALICE, "POST", "/api/streams").json(&json!({"title": "x"}));
    read(twice.header("idempotency-key", "a").header("idempotency-key", "b"))
        .await
        .refused(400, "idempotency_key_invalid");
    assert_eq!(gateway.fake.calls(), Vec::<&str>::new());
    assert_eq!(post(&gateway, &"k".repeat(255), "/api/streams", &json!({"title": "x"})).await.status, 201);
    // Only a POST has one.
    let get = gateway.request(ALICE, "GET", "/api/streams").header("idempotency-key", " ");
    assert_eq!(read(get).await.status, 200);
}
