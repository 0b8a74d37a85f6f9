//! From the POST to the first media byte at each of five sinks, beside FFmpeg started by hand on the same relay.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use testkit::{sink::Sink, stack, tools};
use tokio::process::{Child, Command};

use crate::{
    report::{Report, max, median},
    scene::Scene,
    tickets::read_ticket,
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
    let mut children: Vec<Child> = Vec::new();
    for (number, sink) in sinks.iter().enumerate() {
        let ticket = read_ticket(&scene.stack, &scene.stream.id)?;
        let mut command = Command::new(tools::ffmpeg()?);
        command.args(["-nostdin", "-loglevel", "error", "-headers", &format!("Authorization: Bearer {ticket}\r\n")]);
        command.args(["-i", &scene.flv_url(), "-c", "copy", "-f", "flv", &format!("{}/by-hand-{number}", sink.url())]);
        children.push(command.stdin(Stdio::null()).kill_on_drop(true).spawn()?);
    }
    let media = first_media(sinks, &before, started).await?;
    for mut child in children {
        child.kill().await?;
    }
    Ok(max(&media))
}
