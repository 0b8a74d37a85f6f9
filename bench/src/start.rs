//! From the POST to the first media byte at each of five sinks, beside FFmpeg started by hand on the same relay.

use std::time::{Duration, Instant};

use testkit::{sink::Sink, stack};

use crate::{
    report::{Report, max, median},
    scene::Scene,
    yardstick::ffmpeg_copy,
};

const SINKS: usize = 5;
const RUNS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs it.
///
/// # Errors
/// When something fails.
pub async fn measure() -> anyhow::Result<Report> {
    let scene = Scene::open(6_000, stack::Options::default()).await?;
    let mut sinks = Vec::new();
    for number in 0..SINKS {
        let sink = Sink::start().await?;
        scene.send_to(&sink.url(), &format!("bench-start-{number}")).await?;
        sinks.push(sink);
    }
    let (mut all, mut first) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let before = counts(&sinks);
        let posted = Instant::now();
        let (started, media) = tokio::join!(scene.api.start(&scene.stream.id), first_media(&sinks, &before, posted));
        started?;
        let media = media?;
        first.push(media.iter().copied().fold(f64::INFINITY, f64::min));
        all.push(max(&media));
        scene.stop().await?;
    }
    let mut by_hand = Vec::new();
    for _ in 0..RUNS / 2 {
        by_hand.push(ffmpeg_by_hand(&scene, &sinks).await?);
    }
    let mut report = Report::new("start");
    report.note("first of five, median", median(&first), "s");
    report.limit("all five, median", median(&all), 0.8, "s");
    report.note("all five, slowest run", max(&all), "s");
    report.note("five FFmpegs by hand, median", median(&by_hand), "s");
    report.note("ours / by hand", median(&all) / median(&by_hand), "");
    scene.stack.stop().await?;
    Ok(report)
}

fn counts(sinks: &[Sink]) -> Vec<usize> {
    sinks.iter().map(|sink| sink.look(<[_]>::len)).collect()
}

/// Seconds from `posted` to the first media byte at each sink, on connections made after `before`.
async fn first_media(sinks: &[Sink], before: &[usize], posted: Instant) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::new();
    for (sink, before) in sinks.iter().zip(before) {
        let at = sink
            .wait_for("the first byte", PATIENCE, |seen| seen.iter().skip(*before).find_map(|one| one.first_media))
            .await?;
        seconds.push(at.duration_since(posted).as_secs_f64());
    }
    Ok(seconds)
}

/// The same with one FFmpeg per sink and its default probing.
async fn ffmpeg_by_hand(scene: &Scene, sinks: &[Sink]) -> anyhow::Result<f64> {
    let before = counts(sinks);
    let started = Instant::now();
    let mut children = Vec::new();
    for (number, sink) in sinks.iter().enumerate() {
        children.push(ffmpeg_copy(scene, &[], &format!("{}/by-hand-{number}", sink.url()))?);
    }
    let media = first_media(sinks, &before, started).await?;
    drop(children);
    Ok(max(&media))
}
