//! What one copy session costs: worker and FFmpeg together, beside a bare `ffmpeg -c copy` from the same relay.

use std::time::Duration;

use testkit::{NginxRtmp, nginx_rtmp, proc::Proc, stack};

use crate::{
    cpu::{self, Meter},
    report::Report,
    scene::Scene,
    yardstick::{SHORT_PROBE, ffmpeg_copy},
};

const SESSIONS: usize = 10;
const KBPS: u32 = 6_000;
const SETTLE: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(20);

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
    let worker = scene.stack.worker(0)?.pid();
    let idle = cpu::share_over(vec![worker], SETTLE).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    tokio::time::sleep(SETTLE).await;
    let ffmpegs = scene.stack.ffmpegs();
    anyhow::ensure!(ffmpegs.len() == SESSIONS, "{} FFmpegs for {SESSIONS} sessions", ffmpegs.len());
    let Cost { worker: worker_cpu, ffmpegs: ffmpeg_cpu, worker_mb, ffmpeg_mb } = sessions(worker, &ffmpegs).await?;
    let ours = worker_cpu + ffmpeg_cpu;
    scene.stop().await?;
    let (bare, bare_mb) = bare(&scene, &sink).await?;

    let per = |total: f64| total / f64::from(u32::try_from(SESSIONS).unwrap_or(1));
    let mut report = Report::new("sessions");
    report.note("idle worker CPU", idle * 100.0, "% core");
    report.note("session CPU: worker + FFmpeg", per(ours) * 100.0, "% core");
    report.note("  of it the worker", per(worker_cpu) * 100.0, "% core");
    report.note("  of it FFmpeg", per(ffmpeg_cpu) * 100.0, "% core");
    report.note("bare ffmpeg -c copy CPU", per(bare) * 100.0, "% core");
    report.limit("session / bare CPU", ours / bare, 1.2, "");
    report.note("worker memory per session", per(worker_mb), "MB PSS");
    report.note("FFmpeg memory per session", per(ffmpeg_mb), "MB PSS");
    report.limit("session memory", per(worker_mb + ffmpeg_mb), 25.0, "MB PSS");
    report.note("bare ffmpeg memory", per(bare_mb), "MB PSS");
    scene.stack.stop().await?;
    Ok(report)
}

/// What all sessions cost together.
struct Cost {
    worker: f64,
    ffmpegs: f64,
    worker_mb: f64,
    ffmpeg_mb: f64,
}

async fn sessions(worker: u32, ffmpegs: &[u32]) -> anyhow::Result<Cost> {
    let (host, filters) = (Meter::start(vec![worker])?, Meter::start(ffmpegs.to_vec())?);
    tokio::time::sleep(WINDOW).await;
    Ok(Cost {
        worker: host.share()?,
        ffmpegs: filters.share()?,
        worker_mb: cpu::pss_mb(worker)?,
        ffmpeg_mb: memory(ffmpegs)?,
    })
}

fn memory(pids: &[u32]) -> anyhow::Result<f64> {
    pids.iter().map(|pid| cpu::pss_mb(*pid)).sum()
}

async fn bare(scene: &Scene, sink: &NginxRtmp) -> anyhow::Result<(f64, f64)> {
    let mut children = Vec::new();
    for number in 0..SESSIONS {
        children.push(ffmpeg_copy(scene, &SHORT_PROBE, &sink.stream_url(&format!("bare-{number}")))?);
    }
    tokio::time::sleep(SETTLE).await;
    let pids: Vec<u32> = children.iter().map(Proc::pid).collect();
    let share = cpu::share_over(pids.clone(), WINDOW).await?;
    let memory = memory(&pids)?;
    Ok((share, memory))
}
