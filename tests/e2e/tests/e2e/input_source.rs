//! `inputSource`: the source is pulled from somebody else's server, once.

use e2e::{
    Scene,
    scene::{PATIENCE, flows},
};
use serde_json::json;
use testkit::{LiveSource, NginxRtmp, sink::Sink};

#[tokio::test(flavor = "multi_thread")]
async fn an_external_source_is_pulled_and_sent_on() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.source.kill();
    scene.source_is(false).await?;
    let origin = NginxRtmp::start().await?;
    let _far = LiveSource::start(&origin.stream_url("far"))?;
    let sinks = [Sink::start().await?, Sink::start().await?];
    for (number, sink) in sinks.iter().enumerate() {
        scene.send_to(sink, &format!("s{number}"), json!({})).await?;
    }
    let body = json!({"inputSource": origin.stream_url("far")});
    scene.api.post(&format!("/api/simulcast/{}/start", scene.stream.id), &body).await?.data()?;
    scene.fed().await?;
    for sink in &sinks {
        flows(sink, 200_000, PATIENCE).await?;
    }
    let players = origin.stream("far").await?.clients;
    assert_eq!(players, 2, "one publisher and one player, however many destinations");
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}
