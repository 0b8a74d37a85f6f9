//! The main path: one source to three real RTMP servers, and silence after the stop.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{PATIENCE, key, media_bytes},
};
use serde_json::json;
use testkit::{NginxRtmp, ffprobe, wait};

#[tokio::test(flavor = "multi_thread")]
async fn one_source_reaches_three_real_servers() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        let server = NginxRtmp::start().await?;
        scene.send_to_url(&server.url(), name, json!({})).await?;
        servers.push((name, server));
    }
    let answer = scene.api.start(&scene.stream.id).await?;
    assert_eq!(answer["streamId"], json!(scene.stream.id));
    assert_eq!(answer["status"], "live");
    for destination in answer["destinations"].as_array().unwrap() {
        assert!(["connected", "live"].contains(&destination["status"].as_str().unwrap()), "{answer}");
    }
    for (name, server) in &servers {
        wait::until_true("bytes at the server", PATIENCE, async || {
            server.stream(&key(name)).await.is_ok_and(|stat| stat.publishing && stat.bytes_in > 500_000)
        })
        .await?;
        let probe = ffprobe(server.stream_url(&key(name))).await?;
        assert_eq!(probe.video().unwrap().codec_name, "h264");
        assert_eq!(probe.audio().unwrap().codec_name, "aac");
    }
    scene.api.stop(&scene.stream.id).await?;
    for (name, server) in &servers {
        wait::until_true("the end of the publish", PATIENCE, async || {
            server.stream(&key(name)).await.is_ok_and(|stat| !stat.publishing)
        })
        .await?;
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_byte_comes_within_two_seconds_of_the_stop() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(2).await?;
    let stopped = Instant::now();
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    for sink in &sinks {
        sink.wait_for("the end", PATIENCE, |seen| seen.iter().all(|one| one.ended.is_some()).then_some(())).await?;
        let last = sink.seen().iter().filter_map(|one| one.last_media).max().unwrap();
        assert!(last.saturating_duration_since(stopped) < Duration::from_secs(2), "{:?}", last - stopped);
    }
    // A second stop is the same stop.
    scene.api.stop(&scene.stream.id).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_twice_is_one_start_and_starting_again_is_a_new_one() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(1).await?;
    scene.api.start(&scene.stream.id).await?;
    assert_eq!(sinks[0].seen().len(), 1, "a second start must not open a second publish");
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    let seen = sinks[0].seen();
    assert_eq!(seen.len(), 2);
    assert!(media_bytes(&seen[1..]) > 0 && seen[1].starts_decodable());
    assert_eq!(sinks[0].overlap_ms(), 0);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_starts_against_stops_end_as_the_last_one_said() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(1).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (api, id) = (scene.api.clone(), scene.stream.id.clone());
        let command = if number % 2 == 0 { "start?wait=0" } else { "stop" };
        tasks.spawn(async move {
            let path = format!("/api/simulcast/{id}/{command}");
            // A hundred at once on one row: a 503 says "later", and is not an answer.
            for _ in 0..20 {
                let answer = api.post(&path, &json!({})).await?;
                if answer.status.as_u16() != 503 {
                    return answer.data().map(|_| ());
                }
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
            }
            anyhow::bail!("{path} was never answered")
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    wait::until_true("no FFmpeg", PATIENCE, async || scene.stack.ffmpegs().is_empty()).await?;
    assert_eq!(sinks[0].overlap_ms(), 0);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_enabled_is_a_clear_conflict() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let answer = scene.api.post(&format!("/api/simulcast/{}/start", scene.stream.id), &json!({})).await?;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "no_enabled_destinations"));
    scene.close().await
}
