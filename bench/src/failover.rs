//! kill -9 of a worker, until media flows again at every destination it served.

use std::time::{Duration, Instant};

use testkit::{sink::Sink, stack};

use crate::{
    report::{Report, max, median},
    scene::Scene,
};

const SINKS: usize = 4;
const RUNS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs it.
///
/// # Errors
/// When something fails.
pub async fn measure() -> anyhow::Result<Report> {
    let scene = Scene::open(2_500, stack::Options::default()).await?;
    let mut sinks = Vec::new();
    for number in 0..SINKS {
        let sink = Sink::start().await?;
        scene.send_to(&sink.url(), &format!("bench-failover-{number}")).await?;
        sinks.push(sink);
    }
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    let mut gaps = Vec::new();
    let mut moved = 0;
    for run in 0..RUNS {
        let (seconds, sessions) = kill(&scene, &sinks, run % 2).await?;
        // Everything may have been on the other worker: then this kill moved nothing and says nothing.
        if sessions > 0 {
            gaps.push(seconds);
            moved += sessions;
        }
        scene.stack.worker(run % 2)?.restart().await?;
    }
    let overlap: u64 = sinks.iter().map(Sink::overlap_ms).sum();
    let mut report = Report::new("failover");
    report.note("kills that moved sessions", count(gaps.len()), "");
    report.note("sessions moved", count(moved), "");
    report.limit("kill to media everywhere, median", median(&gaps), 3.5, "s");
    report.limit("kill to media everywhere, slowest", max(&gaps), 6.0, "s");
    report.limit("overlap at the sinks", count(usize::try_from(overlap)?), 0.0, "ms");
    scene.stack.stop().await?;
    Ok(report)
}

#[allow(clippy::cast_precision_loss, reason = "small counts")]
fn count(n: usize) -> f64 {
    n as f64
}

/// Kills a worker; the seconds until the last of its destinations gets media again, and how many it served.
async fn kill(scene: &Scene, sinks: &[Sink], worker: usize) -> anyhow::Result<(f64, usize)> {
    for sink in sinks {
        sink.wait_for("a live publish", PATIENCE, |seen| {
            seen.last().is_some_and(|one| one.is_live() && one.first_media.is_some()).then_some(())
        })
        .await?;
    }
    let before: Vec<usize> = sinks.iter().map(|sink| sink.look(<[_]>::len)).collect();
    let killed = Instant::now();
    scene.stack.worker(worker)?.kill();
    // The kernel closes a dead worker's sockets at once: half a second tells whose they were.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut slowest, mut moved) = (0.0_f64, 0);
    for (sink, before) in sinks.iter().zip(before) {
        if sink.look(|seen| seen.last().is_some_and(testkit::sink::Seen::is_live)) && sink.look(<[_]>::len) == before {
            continue;
        }
        let again = sink
            .wait_for("media again", PATIENCE, |seen| seen.iter().skip(before).find_map(|one| one.first_media))
            .await?;
        slowest = slowest.max(again.duration_since(killed).as_secs_f64());
        moved += 1;
    }
    Ok((slowest, moved))
}
