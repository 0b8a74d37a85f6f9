//! Many sessions in one worker. Not part of the ordinary run: `cargo nextest run --run-ignored only -E 'test(scale)'`.

use std::time::Duration;

use testkit::{
    live_source, proc,
    sink::{Options, Sink},
    wait,
};
use wire::v1::{Phase, Settings};

use crate::scene::{Scene, Setup};

fn number(path: String, field: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn pss_kb(pid: u32) -> u64 {
    number(format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// User and system time in ticks of 10 ms.
fn ticks(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    (field(11), field(12))
}

async fn measure(sessions: usize, kbps: u32, window: Duration) -> anyhow::Result<()> {
    let source = live_source::Options { size: "640x360".into(), kbps, ..Default::default() };
    let env = vec![("WORKER_CAPACITY", "400".to_owned()), ("RUST_LOG", "warn".to_owned())];
    let scene = Scene::open_with(Setup { source, env }).await?;
    let idle = pss_kb(scene.worker.pid());
    let mut sinks = Vec::new();
    let mut all = Vec::new();
    for _ in 0..sessions {
        let sink = Sink::start_with(Options { keep_bytes: 0, ..Options::default() }).await?;
        all.push(scene.deliver(&sink, Settings::default()).await?);
        sinks.push(sink);
    }
    let patience = Duration::from_secs(90);
    wait::until_true("all connected", patience, async || {
        all.iter().all(|session| scene.phases(session).contains(&Phase::Connected))
    })
    .await?;
    let ffmpegs = scene.ffmpegs();
    assert_eq!(ffmpegs.len(), sessions);
    let before: Vec<_> = ffmpegs.iter().chain([&scene.worker.pid()]).map(|pid| ticks(*pid)).collect();
    // Longer than any idle thread lives: FFmpeg dies with the thread that forked it.
    tokio::time::sleep(window).await;
    let after: Vec<_> = ffmpegs.iter().chain([&scene.worker.pid()]).map(|pid| ticks(*pid)).collect();
    let share = |ticks: u64| ticks as f64 / window.as_secs_f64();
    let (user, system) = (after[sessions].0 - before[sessions].0, after[sessions].1 - before[sessions].1);
    let filters: u64 = (0..sessions).map(|n| after[n].0 + after[n].1 - before[n].0 - before[n].1).sum();
    let per = sessions as f64;
    println!("{sessions} sessions at {kbps} kbit/s, % of a core per session:");
    println!(
        "  worker user {:.2}, system {:.2}; FFmpeg {:.2}",
        share(user) / per,
        share(system) / per,
        share(filters) / per
    );
    let worker = pss_kb(scene.worker.pid());
    let memory: u64 = ffmpegs.iter().map(|pid| pss_kb(*pid)).sum();
    println!(
        "PSS: idle worker {idle} kB, worker {worker} kB, per session {:.0} + {:.0} kB",
        worker as f64 / per,
        memory as f64 / per
    );
    assert_eq!(scene.ffmpegs().len(), sessions, "no FFmpeg died");
    assert!(all.iter().all(|session| !scene.phases(session).contains(&Phase::Reconnecting)), "none reconnected");
    assert!(proc::name(ffmpegs[0]).starts_with("ffmpeg"));
    for session in &all {
        scene.stop(session).await?;
        scene.until_phase(session, Phase::Ended).await?;
    }
    if sessions <= 20 {
        let ours = share(user + system + filters) / per;
        let bare = bare(&scene, sessions, window).await?;
        println!("  bare ffmpeg -c copy {bare:.2}; ratio {:.2} (debug build)", ours / bare);
    }
    scene.close().await
}

/// FFmpeg alone, from the same relay to the same kind of sink.
async fn bare(scene: &Scene, sessions: usize, window: Duration) -> anyhow::Result<f64> {
    let (mut sinks, mut all) = (Vec::new(), Vec::new());
    for number in 0..sessions {
        let sink = Sink::start_with(Options { keep_bytes: 0, ..Options::default() }).await?;
        let log = std::env::temp_dir().join("bare-ffmpeg.log");
        let spec = proc::Spec::new("bare", testkit::tools::ffmpeg()?, log)
            .args(["-nostdin", "-loglevel", "error", "-headers"])
            .args([format!("Authorization: Bearer bare{number}/1\r\n")])
            .args(["-probesize", "131072", "-analyzeduration", "300000", "-i", &scene.relay.flv_url, "-c", "copy"])
            .args(["-f", "flv", &format!("{}/key", sink.url())]);
        all.push(proc::Proc::spawn(spec)?);
        sinks.push(sink);
    }
    for sink in &sinks {
        sink.wait_for("media", Duration::from_secs(30), |seen| seen.first()?.first_media).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sum =
        |all: &[proc::Proc]| all.iter().map(|one| ticks(one.pid())).map(|(user, system)| user + system).sum::<u64>();
    let before = sum(&all);
    tokio::time::sleep(window).await;
    Ok((sum(&all) - before) as f64 / window.as_secs_f64() / sessions as f64)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute and both cores"]
async fn ten_sessions_cost() -> anyhow::Result<()> {
    measure(10, 6_000, Duration::from_secs(15)).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute and both cores"]
async fn two_hundred_sessions_run() -> anyhow::Result<()> {
    measure(200, 300, Duration::from_secs(15)).await
}
