//! From the POST to "live" on all five: four simulated platforms, in their own word, and an RTMP server. The simulator's own
//! delays (media flows so long before it counts, a transition takes so long) are taken off: they are the platform's.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use testkit::{api::destination_status, sink::Sink, stack};

use crate::{
    report::{Report, max, median},
    scene::Scene,
};

const RUNS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(60);
const LINKED: [&str; 3] = ["youtube", "twitch", "facebook"];
/// The slowest of the simulator's platforms: YouTube counts a stream as active after 0.2 s and takes 0.15 s to go live.
const SIMULATED: f64 = 0.35;

/// Runs it.
///
/// # Errors
/// When something fails.
pub async fn measure() -> anyhow::Result<Report> {
    let scene = Scene::open(3_000, stack::Options { platform_sim: true, ..stack::Options::default() }).await?;
    let (api, stream) = (&scene.api, &scene.stream.id);
    let sink = Sink::start().await?;
    scene.send_to(&sink.url(), "bench-platforms").await?;
    for platform in LINKED {
        api.link(platform, "alice", stream, platform).await?;
    }
    api.create_on("cloudflare", stream, "cloudflare", json!({})).await?;
    let mut all = Vec::new();
    let mut each = vec![Vec::new(); 5];
    for run in 0..=RUNS {
        let posted = Instant::now();
        let (started, seconds) = tokio::join!(api.start_no_wait(stream), until_live(&scene, posted));
        started?;
        let seconds = seconds?;
        // The first one also makes what is used again afterwards (keys, inputs): reported, not judged with the others.
        if run > 0 {
            all.push(max(&seconds) - SIMULATED);
            each.iter_mut().zip(&seconds).for_each(|(one, s)| one.push(*s));
        }
        scene.stop().await?;
    }
    let mut report = Report::new("platforms");
    report.limit("live on all five beyond the simulator's delays, median", median(&all), 2.5, "s");
    report.note("slowest run", max(&all), "s");
    for (name, seconds) in ["own server", "youtube", "twitch", "facebook", "cloudflare"].iter().zip(&each) {
        report.note(&format!("{name}: start to live, median"), median(seconds), "s");
    }
    scene.stack.stop().await?;
    Ok(report)
}

/// Seconds from `posted` until each destination is live, in the order in which they were made.
async fn until_live(scene: &Scene, posted: Instant) -> anyhow::Result<Vec<f64>> {
    let status = scene.api.status(&scene.stream.id).await?;
    let ids: Vec<String> = status["destinations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str().map(str::to_owned))
        .collect();
    ensure!(ids.len() == 5, "{} destinations", ids.len());
    let mut seconds = vec![None; ids.len()];
    while seconds.iter().any(Option::is_none) {
        ensure!(posted.elapsed() < PATIENCE, "not live: {}", scene.api.status(&scene.stream.id).await?);
        let status = scene.api.status(&scene.stream.id).await?;
        for (id, at) in ids.iter().zip(&mut seconds) {
            if at.is_none() && destination_status(&status, id) == "live" {
                *at = Some(posted.elapsed().as_secs_f64());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(seconds.into_iter().flatten().collect())
}
