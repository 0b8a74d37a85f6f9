//! What happens when FFmpeg misbehaves.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use rustix::process::Signal;
use testkit::{proc, sink::Sink, wait};
use wire::v1::{Phase, Settings};

use crate::scene::{PATIENCE, Scene, Setup};

/// A program in FFmpeg's place: answers the questions at start, then runs `script` with `$REAL` and `"$@"`.
fn fake(dir: &std::path::Path, script: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let real = testkit::tools::ffmpeg()?;
    let file: PathBuf = dir.join("ffmpeg");
    let real = real.display();
    let text = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\nREAL={real}\ncase \"$2\" in -version|-encoders) exec $REAL \"$@\";; esac\n{script}\n"
    );
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(vec![("FFMPEG_PATH", file.to_string_lossy().into_owned())])
}

async fn open(script: &str) -> anyhow::Result<(Scene, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let env = fake(dir.path(), script)?;
    Ok((Scene::open_with(Setup { env, ..Setup::default() }).await?, dir))
}

fn rss_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn code(report: &wire::v1::SessionReport) -> String {
    report.fault.as_ref().map(|fault| fault.code.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ffmpeg_is_replaced_and_the_publish_stays() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    proc::signal(scene.ffmpegs()[0], Signal::KILL);
    let lost = scene.until_phase(&session, Phase::Reconnecting).await?;
    assert_eq!(code(&lost), "encoder_out_of_memory", "SIGKILL of an FFmpeg is what the kernel does without memory");
    scene.until_now(&session, Phase::Connected).await?;
    assert_eq!((sink.seen().len(), scene.spawns().await?), (1, 2));
    assert_eq!(sink.seen()[0].backwards, 0);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_ffmpeg_is_noticed_and_replaced() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let stopped = scene.ffmpegs()[0];
    proc::signal(stopped, Signal::STOP);
    let lost = scene.until_phase(&session, Phase::Reconnecting).await?;
    assert_eq!(code(&lost), "encoder_stalled");
    scene.until_now(&session, Phase::Connected).await?;
    assert!(!scene.ffmpegs().contains(&stopped));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ffmpeg_that_exits_at_once_is_not_started_in_a_spin() -> anyhow::Result<()> {
    let (scene, _dir) = open("echo '[fatal] out of luck' >&2; exit 1").await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    wait::until_true("three tries", PATIENCE, async || {
        scene.reports(&session).iter().filter(|report| code(report) == "encoder_failed").count() >= 3
    })
    .await?;
    let reports = scene.reports(&session);
    let waits = reports.windows(2).filter(|pair| pair[1].phase() == Phase::Reconnecting);
    assert!(waits.clone().all(|pair| pair[1].retry_at_ms >= pair[1].at_ms + 200), "{reports:?}");
    assert!(scene.spawns().await? <= 4);
    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_stderr_costs_neither_memory_nor_the_stream() -> anyhow::Result<()> {
    let (scene, _dir) = open("yes '[error] flood flood flood flood flood' >&2 & exec $REAL \"$@\"").await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let before = rss_kb(scene.worker.pid());
    wait::until_true("100 MB of flood", PATIENCE, async || {
        let discarded = scene.metric("worker_ffmpeg_stderr_discarded_bytes_total").await;
        discarded.is_ok_and(|bytes| bytes > 100e6)
    })
    .await?;
    let after = rss_kb(scene.worker.pid());
    println!("resident before {before} kB, after {after} kB");
    assert!(after < before + 5_000, "{before} kB, then {after} kB");
    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    wait::until_true("the flooding grandchild is gone", PATIENCE, async || {
        !proc::session_members(scene.worker.pid()).iter().any(|pid| proc::name(*pid) == "yes")
    })
    .await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ffmpeg_deaf_to_signals_is_killed_with_its_children() -> anyhow::Result<()> {
    let (scene, _dir) = open("trap '' TERM INT; sleep 1000 & cat >/dev/null; sleep 1000").await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    wait::until_true("FFmpeg runs", PATIENCE, async || scene.spawns().await.is_ok_and(|spawns| spawns == 1)).await?;
    scene.stop(&session).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    let left = || proc::session_members(scene.worker.pid()).into_iter().filter(|pid| *pid != scene.worker.pid());
    wait::until_true("nothing is left", Duration::from_secs(2), async || left().count() == 0).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ffmpeg_outlives_its_worker() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sinks = [Sink::start().await?, Sink::start().await?, Sink::start().await?];
    for sink in &sinks {
        let session = scene.deliver(sink, Settings::default()).await?;
        scene.until_phase(&session, Phase::Connected).await?;
    }
    let ffmpegs = scene.ffmpegs();
    assert_eq!(ffmpegs.len(), 3);
    scene.worker.kill();
    let gone = |pid: &u32| proc::start_time(*pid).is_none() || is_zombie(*pid);
    wait::until_true("they die with it", Duration::from_secs(2), async || ffmpegs.iter().all(gone)).await?;
    for sink in &sinks {
        sink.wait_for("the connection is reset", PATIENCE, |seen| seen[0].ended).await?;
    }
    Ok(())
}

/// Orphans of a test in a container without an init stay as zombies of pid 1.
fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
