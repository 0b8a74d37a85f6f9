//! Destinations come and go while the show runs; the others don't notice.

use std::time::Duration;

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::sink::Sink;

#[tokio::test(flavor = "multi_thread")]
async fn destinations_join_and_leave_a_running_simulcast() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    let late = Sink::start().await?;
    let id = scene.send_to(&late, "late", json!({})).await?;
    let path = format!("/api/simulcast/{}/destinations", scene.stream.id);
    scene.api.post(&path, &json!({"destination_id": id})).await?.data()?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&late, 200_000, PATIENCE).await?;

    let gone = scene.api.delete(&format!("{path}/{}", ids[0])).await?;
    assert!(gone.status.is_success(), "{gone:?}");
    sinks[0].wait_for("the end", PATIENCE, |seen| seen.iter().all(|one| one.ended.is_some()).then_some(())).await?;

    flows(&sinks[1], 200_000, PATIENCE).await?;
    let stayed = sinks[1].seen();
    assert_eq!(stayed.len(), 1, "the one that stayed must not have reconnected");
    assert!(stayed[0].longest_gap() < Duration::from_millis(700), "{:?}", stayed[0].longest_gap());
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_move_only_their_destination() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    let settings = json!({"settings": {"resolution": "640x360", "bitrate": 600, "preset": "ultrafast"}});
    scene.api.patch(&format!("/api/destinations/{}", ids[0]), &settings).await?.data()?;
    sinks[0]
        .wait_for("a new publish", PATIENCE, |seen| {
            (seen.len() >= 2 && seen.last().is_some_and(|one| one.media_bytes > 100_000)).then_some(())
        })
        .await?;
    let probe = testkit::ffprobe_bytes(&sinks[0].seen().last().unwrap().flv()).await?;
    assert_eq!(probe.video().unwrap().height, 360);
    assert_eq!((sinks[0].overlap_ms(), sinks[1].seen().len()), (0, 1));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_destination_falls_silent() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(2).await?;
    scene.api.patch(&format!("/api/destinations/{}", ids[0]), &json!({"is_enabled": false})).await?.data()?;
    sinks[0].wait_for("the end", PATIENCE, |seen| seen.iter().all(|one| one.ended.is_some()).then_some(())).await?;
    flows(&sinks[1], 200_000, PATIENCE).await?;
    assert_eq!(sinks[1].seen().len(), 1);
    scene.close().await
}
