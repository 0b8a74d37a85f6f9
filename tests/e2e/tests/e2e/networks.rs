//! The way to a destination is narrow or long.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::{Value, json};
use testkit::{Proxy, sink::Sink};

/// After the narrowing.
const DEGRADED: Duration = Duration::from_secs(10);
/// After the healing.
const HEALTHY: Duration = Duration::from_secs(15);

async fn through_proxy(scene: &Scene, name: &str) -> anyhow::Result<(Sink, Proxy, String)> {
    let sink = Sink::start().await?;
    let proxy = Proxy::start(sink.addr()).await?;
    let id = scene.send_to_url(&format!("rtmp://{}/live", proxy.addr()), name, json!({})).await?;
    Ok((sink, proxy, id))
}

fn one<'a>(status: &'a Value, id: &str) -> &'a Value {
    let all = status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|one| one["id"] == id).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_uplink_shows_and_so_does_its_end() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sink, proxy, id) = through_proxy(&scene, "narrow").await?;
    let sibling = Sink::start().await?;
    scene.send_to(&sibling, "wide", json!({})).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    flows(&sink, 1_000_000, PATIENCE).await?;

    proxy.change(|network| network.bytes_per_second = Some(200_000 / 8));
    let narrowed = Instant::now();
    let sick = |status: &Value| one(status, &id)["health"] != "healthy";
    let status = scene.api.wait_status(&scene.stream.id, PATIENCE, sick).await?;
    assert!(narrowed.elapsed() <= DEGRADED, "seen after {:?}: {status}", narrowed.elapsed());
    let issue = one(&status, &id)["issues"][0].as_str().unwrap_or_default().to_owned();
    assert!(issue.len() > 20, "a sentence for a streamer: {status}");

    proxy.heal();
    let healed = Instant::now();
    let well = |status: &Value| one(status, &id)["health"] == "healthy" && one(status, &id)["status"] == "live";
    let status = scene.api.wait_status(&scene.stream.id, PATIENCE * 2, well).await?;
    assert!(healed.elapsed() <= HEALTHY, "seen after {:?}: {status}", healed.elapsed());
    assert_eq!(sink.overlap_ms(), 0);
    let sibling = sibling.seen();
    assert!(sibling.len() == 1 && sibling[0].longest_gap() < Duration::from_secs(1), "{sibling:?}");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_way_is_not_a_sickness() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sink, proxy, id) = through_proxy(&scene, "far").await?;
    // 800 ms ± 200 there and back.
    proxy.change(|network| {
        network.latency = Duration::from_millis(400);
        network.jitter = Duration::from_millis(100);
    });
    scene.api.start(&scene.stream.id).await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 4_000_000, PATIENCE).await?;
    let status = scene.destination_is(&id, PATIENCE, &["live"]).await?;
    let far = one(&status, &id);
    assert_eq!((&far["health"], &far["reconnects"]), (&json!("healthy"), &json!(0)), "{far}");
    assert_eq!(sink.seen().len(), 1, "{:?}", sink.seen());
    scene.close().await
}
