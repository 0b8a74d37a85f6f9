//! A pulled source and the faults around it.

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::json;
use testkit::{LiveSource, NginxRtmp, sink::Sink, stack::Service, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_survives_its_worker() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.source.kill();
    scene.source_is(false).await?;
    let origin = NginxRtmp::start().await?;
    let _far = LiveSource::start(&origin.stream_url("far"))?;
    wait::until_true("the origin's source", PATIENCE, async || {
        origin.stream("far").await.is_ok_and(|stat| stat.bytes_in > 100_000)
    })
    .await?;
    let sinks = [Sink::start().await?, Sink::start().await?];
    let mut ids = Vec::new();
    for (number, sink) in sinks.iter().enumerate() {
        ids.push(scene.send_to(sink, &format!("s{number}"), json!({})).await?);
    }
    let body = json!({"inputSource": origin.stream_url("far")});
    scene.api.post(&format!("/api/simulcast/{}/start", scene.stream.id), &body).await?.data()?;
    scene.fed().await?;
    for sink in &sinks {
        flows(sink, 200_000, PATIENCE).await?;
    }
    // The pull's session has the id of its stream.
    let puller = scene.worker_of(&scene.stream.id).await?;
    scene.stack.worker(puller)?.kill();
    wait::until_true("another puller", PATIENCE, async || {
        scene.worker_of(&scene.stream.id).await.is_ok_and(|worker| worker != puller)
    })
    .await?;
    for (sink, id) in sinks.iter().zip(&ids) {
        flows(sink, 300_000, PATIENCE).await?;
        scene.destination_is(id, PATIENCE, &FED).await?;
        assert_eq!(sink.overlap_ms(), 0, "{:?}", sink.seen());
    }
    wait::until_true("one publisher and one player", PATIENCE, async || {
        origin.stream("far").await.is_ok_and(|stat| stat.clients == 2)
    })
    .await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    wait::until_true("nobody pulls", PATIENCE, async || origin.stream("far").await.is_ok_and(|stat| stat.clients == 1))
        .await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_ingest_and_other_schemes_are_no_input() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    scene.send_to(&sink, "none", json!({})).await?;
    let own = format!("{}/{}", scene.stack.process(Service::Relay, 0)?.rtmp().unwrap_or_default(), "somebody");
    let bad =
        [own.as_str(), "file:///etc/passwd", "/etc/passwd", "concat:a|b", "http://127.0.0.1/a.m3u8", "tcp://a:1", ""];
    for source in bad {
        let body = json!({"inputSource": source});
        let answer = scene.api.post(&format!("/api/simulcast/{}/start", scene.stream.id), &body).await?;
        assert_eq!(answer.status.as_u16(), 422, "{source}: {answer:?}");
        assert!(!answer.body.to_string().contains("passwd"), "{answer:?}");
    }
    let status = scene.api.status(&scene.stream.id).await?;
    assert_eq!(status["stream"]["status"], "idle", "{status}");
    assert_eq!(sink.seen().len(), 0);
    scene.close().await
}
