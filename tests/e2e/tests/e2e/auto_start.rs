//! `auto_start`: the encoder's button is the only one.

use std::time::Duration;

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::sink::Sink;

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_follows_its_source() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.source.kill();
    scene.source_is(false).await?;
    scene.api.patch(&format!("/api/streams/{}", scene.stream.id), &json!({"end_grace_s": 1})).await?.data()?;
    let (auto, manual) = (Sink::start().await?, Sink::start().await?);
    let id = scene.send_to(&auto, "auto", json!({"auto_start": true})).await?;
    scene.send_to(&manual, "manual", json!({})).await?;
    scene.source.restart()?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&auto, 100_000, PATIENCE).await?;
    assert_eq!(manual.seen().len(), 0, "only what asked for it starts by itself");
    scene.source.kill();
    scene
        .api
        .wait_status(&scene.stream.id, Duration::from_secs(20), |status| status["stream"]["status"] == "ended")
        .await?;
    scene.close().await
}
