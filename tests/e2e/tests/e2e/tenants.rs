//! Two tenants side by side: another's id behaves exactly like an unknown one.

use e2e::{
    Scene,
    scene::{PATIENCE, flows},
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_things_do_not_exist() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(1).await?;
    let other = scene.stack.api_for("someone-else");
    let (stream, unknown) = (scene.stream.id.clone(), uuid::Uuid::now_v7().to_string());
    let routes = [
        (Method::GET, "/api/streams/{s}", None),
        (Method::PATCH, "/api/streams/{s}", Some(json!({"title": "mine"}))),
        (Method::DELETE, "/api/streams/{s}", None),
        (Method::GET, "/api/streams/{s}/ingest-key", None),
        (Method::POST, "/api/streams/{s}/ingest-key/rotate", Some(json!({}))),
        (Method::POST, "/api/simulcast/{s}/start", Some(json!({}))),
        (Method::POST, "/api/simulcast/{s}/stop", Some(json!({}))),
        (Method::GET, "/api/simulcast/{s}/status", None),
        (Method::GET, "/api/simulcast/{s}/health", None),
        (Method::GET, "/api/simulcast/{s}/metrics", None),
        (Method::GET, "/api/simulcast/{s}/events", None),
        (Method::GET, "/api/destinations/{d}", None),
        (Method::PATCH, "/api/destinations/{d}", Some(json!({"name": "mine"}))),
        (Method::DELETE, "/api/destinations/{d}", None),
        (Method::POST, "/api/destinations/{d}/test", Some(json!({}))),
        (Method::DELETE, "/api/simulcast/{s}/destinations/{d}", None),
    ];
    for (method, route, body) in routes {
        let foreign = route.replace("{s}", &stream).replace("{d}", &ids[0]);
        let missing = route.replace("{s}", &unknown).replace("{d}", &unknown);
        let foreign = other.call(method.clone(), &foreign, body.as_ref()).await?;
        let missing = other.call(method.clone(), &missing, body.as_ref()).await?;
        assert_eq!(foreign.status.as_u16(), 404, "{method} {route}");
        assert_eq!((foreign.status, plain(foreign.body)), (missing.status, plain(missing.body)), "{method} {route}");
    }
    let listed = other.get("/api/destinations").await?.data()?;
    assert_eq!(listed, json!([]));
    flows(&sinks[0], 100_000, PATIENCE).await?;
    assert_eq!(sinks[0].seen().len(), 1);
    scene.close().await
}

/// Without what differs from request to request.
fn plain(mut body: Value) -> Value {
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("request_id");
    }
    body
}
