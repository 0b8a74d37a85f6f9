//! A worker dies, is paused or drained: its sessions move, and no destination ever has two publishers.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use testkit::{
    sink::{Duplicate, Options, Sink},
    stack::Service,
    wait,
};

/// P1: the worst case.
const TAKEOVER: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_sessions_move_to_another() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(4).await?;
    for sink in &sinks {
        flows(sink, 100_000, PATIENCE).await?;
    }
    let victim = scene.worker_of(&ids[0]).await?;
    let moved = moved_with(&scene, &ids, victim).await?;
    let killed = Instant::now();
    scene.stack.worker(victim)?.kill();
    for index in &moved {
        let again =
            sinks[*index].wait_for("media again", PATIENCE, |seen| seen.get(1).and_then(|one| one.first_media)).await?;
        assert!(again - killed < TAKEOVER, "destination {index} after {:?}", again - killed);
    }
    scene.fed().await?;
    for sink in &sinks {
        assert_eq!(sink.overlap_ms(), 0, "{:?}", sink.seen());
    }
    for index in (0..ids.len()).filter(|index| !moved.contains(index)) {
        assert_eq!(sinks[index].seen().len(), 1, "a session of the other worker must stay");
    }
    wait::until_true("the dead worker's FFmpegs to end", Duration::from_secs(2), async || {
        scene.stack.worker(victim).is_ok_and(|worker| worker.proc().survivors().is_empty())
    })
    .await?;
    scene.close().await
}

async fn moved_with(scene: &Scene, ids: &[String], victim: usize) -> anyhow::Result<Vec<usize>> {
    let mut moved = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        if scene.worker_of(id).await? == victim {
            moved.push(index);
        }
    }
    Ok(moved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_that_wakes_up_sends_nothing() -> anyhow::Result<()> {
    for duplicate in [Duplicate::Refuse, Duplicate::KickFirst, Duplicate::TakeBoth] {
        paused_worker(duplicate).await?;
    }
    Ok(())
}

async fn paused_worker(duplicate: Duplicate) -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start_with(Options { duplicate, ..Options::default() }).await?;
    let id = scene.send_to(&sink, "paused", serde_json::json!({})).await?;
    scene.api.start(&scene.stream.id).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    let victim = scene.worker_of(&id).await?;
    scene.stack.worker(victim)?.pause();
    wait::until_true("another worker's lease", PATIENCE, async || {
        scene.worker_of(&id).await.is_ok_and(|worker| worker != victim)
    })
    .await?;
    if duplicate != Duplicate::Refuse {
        sink.wait_for("the new publisher", PATIENCE, |seen| seen.get(1).and_then(|one| one.first_media)).await?;
    }
    let first_before = sink.seen()[0].media_bytes;
    scene.stack.worker(victim)?.resume();
    sink.wait_for("the old connection's end", PATIENCE, |seen| seen[0].ended.is_some().then_some(())).await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    assert_eq!(sink.seen()[0].media_bytes, first_before, "the woken worker must not send a byte ({duplicate:?})");
    assert_eq!(sink.overlap_ms(), 0, "{duplicate:?}: {:?}", sink.seen());
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_workers_sessions_move_once_with_a_short_gap() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(4).await?;
    for sink in &sinks {
        flows(sink, 100_000, PATIENCE).await?;
    }
    let victim = scene.worker_of(&ids[0]).await?;
    let moved = moved_with(&scene, &ids, victim).await?;
    scene.stack.worker(victim)?.terminate();
    for index in moved {
        let sink = &sinks[index];
        let gap = sink
            .wait_for("media again", PATIENCE, |seen| Some(seen.get(1)?.first_media? - seen[0].last_media?))
            .await?;
        assert!(gap <= Duration::from_secs(3), "gap {gap:?}");
        flows(sink, 100_000, PATIENCE).await?;
        assert_eq!((sink.seen().len(), sink.overlap_ms()), (2, 0));
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_waits_for_a_worker_and_gets_one() -> anyhow::Result<()> {
    let mut scene = Scene::open().await?;
    let (sinks, ids) = scene.live_at(1).await?;
    for number in 0..2 {
        scene.stack.worker(number)?.kill();
    }
    let status = scene
        .api
        .wait_status(&scene.stream.id, PATIENCE, |status| {
            status["destinations"][0]["error"]["code"].as_str() == Some("no_capacity")
        })
        .await?;
    assert!(status["destinations"][0]["error"]["message"].as_str().unwrap().len() > 20, "{status}");
    scene.stack.add(Service::EncoderWorker).await?;
    scene.destination_is(&ids[0], PATIENCE, &FED).await?;
    flows(&sinks[0], 100_000, PATIENCE).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_ffmpeg_is_replaced() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let (sinks, _) = scene.live_at(1).await?;
    flows(&sinks[0], 100_000, PATIENCE).await?;
    let pid = *scene.stack.ffmpegs().first().expect("one FFmpeg per destination");
    let process = rustix::process::Pid::from_raw(i32::try_from(pid)?).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP)?;
    wait::until_true("another FFmpeg", PATIENCE, async || {
        let now = scene.stack.ffmpegs();
        !now.is_empty() && !now.contains(&pid)
    })
    .await?;
    flows(&sinks[0], 200_000, PATIENCE).await?;
    scene.close().await
}
