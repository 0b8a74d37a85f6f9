//! What belongs to somebody else does not exist.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{ALICE, BOB, Gateway, Reply, custom, read};

/// What an answer shows, without what differs between any two requests.
fn shown(reply: &Reply) -> (u16, String, Vec<(String, String)>) {
    let id = reply.header("x-request-id").to_owned();
    let headers = reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    (reply.status, reply.text.replace(&id, "[id]"), headers)
}

#[tokio::test]
async fn a_foreign_id_is_an_unknown_id() {
    let gateway = Gateway::start().await;
    let stream = gateway.stream(ALICE).await;
    let destination = gateway.destination(ALICE, &stream).await;
    gateway.post(ALICE, &format!("/api/simulcast/{stream}/start"), json!({})).await.good(200);
    let account = gateway.fake.link(ALICE, wire::v1::Platform::Youtube);
    let own = gateway.stream(BOB).await;
    let before = gateway.fake.state().stream_keys.clone();
    let unknown = Uuid::now_v7().to_string();
    for (method, path) in crate::describe::routes() {
        let foreign_id = match crate::describe::missing(&path) {
            "destination_not_found" => &destination,
            "account_not_found" => &account,
            _ => &stream,
        };
        for (inner_foreign, inner_unknown) in [(&destination, &unknown), (&unknown, &unknown)] {
            let fill = |id: &str, inner: &str| path.replace("{id}", id).replace("{destId}", inner);
            let ask = async |path: String, stream: &str| read(gateway.fitting(BOB, &method, &path, stream)).await;
            if !path.contains("{id}") {
                continue;
            }
            let foreign = ask(fill(foreign_id, inner_foreign), &stream).await;
            let unknown = ask(fill(&unknown, inner_unknown), &unknown).await;
            assert_eq!(foreign.status, 404, "{method} {path}: {}", foreign.text);
            assert_eq!(shown(&foreign), shown(&unknown), "{method} {path}");
        }
    }
    // As a body field, as a filter, and as a destination of one's own stream.
    for (foreign, unknown) in [(&stream, &unknown)] {
        let create = async |id: &str| shown(&gateway.post(BOB, "/api/destinations", custom(id)).await);
        assert_eq!(create(foreign).await, create(unknown).await);
        let filter = async |id: &str| shown(&gateway.get(BOB, &format!("/api/destinations?stream_id={id}")).await);
        assert_eq!(filter(foreign).await, filter(unknown).await);
    }
    let attach = async |id: &str| {
        let path = format!("/api/simulcast/{own}/destinations");
        shown(&gateway.post(BOB, &path, json!({"destination_id": id})).await)
    };
    assert_eq!(attach(&destination).await, attach(&unknown).await);
    let detach = async |id: &str| {
        shown(&read(gateway.request(BOB, "DELETE", &format!("/api/simulcast/{own}/destinations/{id}"))).await)
    };
    assert_eq!(detach(&destination).await, detach(&unknown).await);
    assert_eq!(gateway.fake.state().stream_keys, before, "nobody's key was touched");
    assert_eq!(gateway.get(BOB, "/api/destinations").await.good(200), json!([]));
    assert_eq!(gateway.get(ALICE, "/api/streams").await.good(200)[0]["status"], "live");
}

#[tokio::test]
async fn an_idempotency_key_is_ones_own() {
    let gateway = Gateway::start().await;
    let make = async |tenant: &str| {
        let request = gateway.request(tenant, "POST", "/api/streams").header("idempotency-key", "same");
        read(request.json(&json!({"title": "x"}))).await.good(201)["id"].clone()
    };
    assert_ne!(make(ALICE).await, make(BOB).await);
}
