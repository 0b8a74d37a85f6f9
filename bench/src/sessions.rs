//! What one copy session costs: worker and FFmpeg together, beside a bare `ffmpeg -c copy` from the same relay.

use std::time::Duration;

use testkit::{NginxRtmp, nginx_rtmp, proc::Proc, stack};

use crate::{
    cpu::{self, Meter},
    report::{Report, median},
    scene::Scene,
    yardstick::{SHORT_PROBE, ffmpeg_copy},
};

const SESSIONS: usize = 10;
const KBPS: u32 = 6_000;
const SETTLE: Duration = Duration::from_secs(5);
/// Ours and the yardstick take turns: what else the machine does then meets both.
const ROUNDS: usize = 3;
const WINDOW: Duration = Duration::from_secs(15);

/// Runs it.
///
/// # Errors
/// When something fails.
pub async fn measure() -> anyhow::Result<Report> {
    let scene = Scene::open(KBPS, stack::Options { workers: 1, ..stack::Options::default() }).await?;
    let sink = NginxRtmp::start_with(nginx_rtmp::Options { no_recording: true, ..Default::default() }).await?;
    for number in 0..SESSIONS {
        scene.send_to(&sink.url(), &format!("bench-session-{number}")).await?;
    }
    let idle = cpu::share_over(vec![scene.stack.worker(0)?.pid()], SETTLE).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(Round { ours: ours(&scene).await?, bare: bare(&scene, &sink).await? });
    }
    scene.stack.stop().await?;
    Ok(report(idle, &rounds))
}

/// What all sessions cost together, and as many bare FFmpegs.
struct Round {
    ours: Cost,
    bare: Bare,
}

struct Cost {
    worker: f64,
    ffmpegs: f64,
    worker_mb: f64,
    ffmpeg_mb: f64,
}

struct Bare {
    cpu: f64,
    mb: f64,
}

fn report(idle: f64, rounds: &[Round]) -> Report {
    let middle = |figure: fn(&Round) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    let per = |total: f64| total / f64::from(u32::try_from(SESSIONS).unwrap_or(1));
    let mut report = Report::new("sessions");
    report.note("idle worker CPU", idle * 100.0, "% core");
    report.note("session CPU: worker + FFmpeg", per(middle(|r| r.ours.worker + r.ours.ffmpegs)) * 100.0, "% core");
    report.note("  of it the worker", per(middle(|r| r.ours.worker)) * 100.0, "% core");
    report.note("  of it FFmpeg", per(middle(|r| r.ours.ffmpegs)) * 100.0, "% core");
    report.note("bare ffmpeg -c copy CPU", per(middle(|r| r.bare.cpu)) * 100.0, "% core");
    report.limit("session / bare CPU", middle(|r| (r.ours.worker + r.ours.ffmpegs) / r.bare.cpu), 1.2, "");
    report.note("worker memory per session", per(middle(|r| r.ours.worker_mb)), "MB PSS");
    report.note("FFmpeg memory per session", per(middle(|r| r.ours.ffmpeg_mb)), "MB PSS");
    report.limit("session memory", per(middle(|r| r.ours.worker_mb + r.ours.ffmpeg_mb)), 25.0, "MB PSS");
    report.note("bare ffmpeg memory", per(middle(|r| r.bare.mb)), "MB PSS");
    report
}

async fn ours(scene: &Scene) -> anyhow::Result<Cost> {
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    tokio::time::sleep(SETTLE).await;
    let (worker, ffmpegs) = (scene.stack.worker(0)?.pid(), scene.stack.ffmpegs());
    anyhow::ensure!(ffmpegs.len() == SESSIONS, "{} FFmpegs for {SESSIONS} sessions", ffmpegs.len());
    let (host, filters) = (Meter::start(vec![worker])?, Meter::start(ffmpegs.clone())?);
    tokio::time::sleep(WINDOW).await;
    let cost = Cost {
        worker: host.share()?,
        ffmpegs: filters.share()?,
        worker_mb: cpu::pss_mb(worker)?,
        ffmpeg_mb: memory(&ffmpegs)?,
    };
    scene.stop().await?;
    Ok(cost)
}

async fn bare(scene: &Scene, sink: &NginxRtmp) -> anyhow::Result<Bare> {
    let mut children = Vec::new();
    for number in 0..SESSIONS {
        children.push(ffmpeg_copy(scene, &SHORT_PROBE, &sink.stream_url(&format!("bare-{number}")))?);
    }
    tokio::time::sleep(SETTLE).await;
    let pids: Vec<u32> = children.iter().map(Proc::pid).collect();
    let cpu = cpu::share_over(pids.clone(), WINDOW).await?;
    Ok(Bare { cpu, mb: memory(&pids)? })
}

fn memory(pids: &[u32]) -> anyhow::Result<f64> {
    pids.iter().map(|pid| cpu::pss_mb(*pid)).sum()
}
