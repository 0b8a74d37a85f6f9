//! The event feed on NATS and by SSE.

use std::time::Duration;

use e2e::{Scene, scene::PATIENCE};
use futures::StreamExt;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_its_story_on_nats() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let mut events = nats.subscribe(format!("live.events.{}.>", scene.stream.id)).await?;
    let mut metrics = nats.subscribe(format!("live.metrics.{}.>", scene.stream.id)).await?;
    let (sinks, ids) = scene.live_at(1).await?;
    let metric = tokio::time::timeout(PATIENCE, metrics.next()).await?.unwrap();
    assert!(metric.subject.ends_with(&ids[0]), "{}", metric.subject);
    let metric: Value = serde_json::from_slice(&metric.payload)?;
    assert_eq!(metric["type"], "metrics:update", "{metric}");
    assert!(metric["data"]["fps"].is_number() && metric["data"]["bytesSent"].is_u64(), "{metric}");
    e2e::scene::flows(&sinks[0], 500_000, PATIENCE).await?;
    scene.api.stop(&scene.stream.id).await?;
    let wanted = ["stream:started", "destination:connected", "stream:ended"];
    let mut told = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while !wanted.iter().all(|kind| told.iter().any(|one| one == kind)) {
            let message = events.next().await.expect("the feed stays open");
            let event: Value = serde_json::from_slice(&message.payload).expect("an event is JSON");
            assert_eq!(event["specversion"], "1.0", "{event}");
            told.push(event["type"].as_str().unwrap_or_default().to_owned());
        }
    })
    .await
    .map_err(|_| anyhow::anyhow!("only heard {told:?}"))?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_by_sse_begins_with_a_snapshot() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (_sinks, _) = scene.live_at(1).await?;
    let url = format!("{}/api/simulcast/{}/events", scene.stack.gateway_url(), scene.stream.id);
    let token = scene.stack.token(testkit::stack::TENANT);
    let mut body = reqwest::Client::new().get(url).bearer_auth(token).send().await?.error_for_status()?.bytes_stream();
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(10), async {
        while !(text.contains("snapshot") && text.contains("metrics:update")) {
            let chunk = body.next().await.expect("the feed stays open").expect("no error");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    })
    .await
    .map_err(|_| anyhow::anyhow!("only heard {text}"))?;
    assert!(text.find("snapshot") < text.find("metrics:update"), "{text}");
    scene.close().await
}
