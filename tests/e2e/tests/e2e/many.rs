//! One worker with sixty destinations.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{FED, media_bytes},
};
use serde_json::json;
use testkit::{
    live_source,
    sink::{self, Sink},
    stack::{Options, Service},
    wait,
};

const DESTINATIONS: usize = 60;
const LONG: Duration = Duration::from_secs(60);
/// Threads of the worker's runtime that have nothing to do retire after 10 s. PR_SET_PDEATHSIG follows the thread that
/// forked, so an FFmpeg forked on the wrong one would die with it.
const IDLE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn sixty_destinations_on_one_worker_stay() -> anyhow::Result<()> {
    let options = Options { workers: 1, worker_capacity: Some(64), ..Options::default() }.env(
        Service::Orchestrator,
        "MAX_DESTINATIONS_PER_STREAM",
        DESTINATIONS.to_string(),
    );
    let source = live_source::Options { size: "640x360".to_owned(), kbps: 850, ..live_source::Options::default() };
    let scene = Scene::open_with(options, &source).await?;
    let mut sinks = Vec::new();
    for number in 0..DESTINATIONS {
        let sink = Sink::start_with(sink::Options { keep_bytes: 0, ..sink::Options::default() }).await?;
        scene.send_to(&sink, &format!("many{number}"), json!({})).await?;
        sinks.push(sink);
    }
    scene.api.start_no_wait(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, LONG, &["live"]).await?;
    let mut before = scene.stack.ffmpegs();
    before.sort_unstable();
    assert_eq!(before.len(), DESTINATIONS);
    let since = Instant::now();
    wait::until_true("time to pass while everything flows", LONG, async || {
        since.elapsed() >= IDLE && scene.stack.ffmpegs().len() == DESTINATIONS
    })
    .await?;
    let mut after = scene.stack.ffmpegs();
    after.sort_unstable();
    assert_eq!(before, after, "no FFmpeg was replaced");
    for sink in &sinks {
        let seen = sink.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        // 15 s at 1 Mbps less a generous tenth.
        assert!(media_bytes(&seen) > 1_600_000, "{seen:?}");
    }
    scene.api.wait_destinations(&scene.stream.id, LONG, &FED).await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, LONG, &["ended"]).await?;
    wait::until_true("no FFmpeg", Duration::from_secs(5), async || scene.stack.ffmpegs().is_empty()).await?;
    assert!(sinks.iter().all(|sink| sink.seen()[0].ended.is_some()));
    scene.close().await
}
