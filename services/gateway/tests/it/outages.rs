//! What clients see when the services behind are away, slow or broken, and what is left in the vault.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Status;

use crate::harness::{ALICE, Gateway, Setup, custom, read, until};

#[tokio::test]
async fn away_is_503_at_once_with_retry_after() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    gateway.behind.soft.cancel();
    gateway.behind.hard.cancel();
    until("the services are away", || gateway.behind.tasks.is_empty()).await;
    for (method, path) in crate::describe::routes() {
        let path = path.replace("{id}", &stream).replace("{destId}", &stream).replace("{platform}", "youtube");
        let request = gateway.fitting(ALICE, &method, &path, &stream);
        let begun = Instant::now();
        let reply = read(request).await;
        assert_eq!((reply.status, reply.code()), (503, "unavailable"), "{method} {path}: {}", reply.text);
        assert_eq!(reply.header("retry-after"), "2", "{method} {path}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{method} {path}: {:?}", begun.elapsed());
    }
    assert_eq!(read(gateway.bare("GET", "/healthz")).await.status, 200);
}

#[tokio::test]
async fn silence_is_503_within_the_budget() {
    let mut setup = Setup::default();
    setup.options.upstream_timeout = Duration::from_millis(300);
    let gateway = Gateway::with(setup).await;
    let stream = gateway.stream(ALICE).await;
    for call in ["get_stream", "put_stream_key", "create_destination"] {
        gateway.fake.delay(call, Duration::from_secs(60));
        let begun = Instant::now();
        gateway.post(ALICE, "/api/destinations", custom(&stream)).await.refused(503, "unavailable");
        assert!(begun.elapsed() < Duration::from_secs(2), "{call}: {:?}", begun.elapsed());
        gateway.fake.delay(call, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_fault_inside_stays_inside() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let inside = "SELECT * FROM streams at db.internal:5432 failed";
    for status in [Status::internal(inside), Status::unknown(inside), Status::unauthenticated(inside)] {
        gateway.fake.fail("get_status", status);
        gateway.get(ALICE, &format!("/api/simulcast/{stream}/status")).await.refused(500, "internal");
    }
    for status in [Status::failed_precondition(inside), Status::already_exists(inside)] {
        gateway.fake.fail("get_status", status);
        gateway.get(ALICE, &format!("/api/simulcast/{stream}/status")).await.refused(409, "conflict");
    }
}

#[tokio::test]
async fn a_refused_create_leaves_no_secret() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let keys = gateway.fake.state().ingest_keys.clone();
    gateway.fake.fail("create_destination", Status::failed_precondition("x"));
    gateway.post(ALICE, "/api/destinations", custom(&stream)).await.refused(409, "conflict");
    until("its key is gone", || gateway.fake.state().stream_keys.is_empty()).await;
    gateway.fake.fail("create_stream", Status::failed_precondition("x"));
    gateway.post(ALICE, "/api/streams", json!({"title": "x"})).await.refused(409, "conflict");
    until("its key is gone", || gateway.fake.state().ingest_keys == keys).await;
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_before_a_secret_goes() {
    let mut setup = Setup::default();
    setup.options.cleanup_pause = Duration::from_millis(20);
    setup.options.upstream_timeout = Duration::from_millis(300);
    let gateway = Gateway::with(setup).await;
    let stream = gateway.stream(ALICE).await;
    // It was not made: the key goes.
    gateway.fake.fail("create_destination", Status::unavailable("x"));
    gateway.post(ALICE, "/api/destinations", custom(&stream)).await.refused(503, "unavailable");
    until("its key is gone", || gateway.fake.state().stream_keys.is_empty()).await;
    assert!(gateway.fake.calls().contains(&"get_destination"));
    // It can't be told: the key stays until it can.
    gateway.fake.fail("get_destination", Status::unavailable("x"));
    gateway.post(ALICE, "/api/destinations", custom(&stream)).await.refused(503, "unavailable");
    let asked = gateway.fake.calls().len();
    until("it is asked about again", || gateway.fake.calls().len() > asked + 1).await;
    assert_eq!(gateway.fake.state().stream_keys.len(), 1);
    gateway.fake.heal("get_destination");
    until("its key is gone", || gateway.fake.state().stream_keys.is_empty()).await;
}
