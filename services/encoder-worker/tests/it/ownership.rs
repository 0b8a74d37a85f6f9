//! Who may send: leases, epochs, fences, pauses, drains.

use std::time::{Duration, Instant};

use domain::ids::{Epoch, WorkerId};
use lease::{Acquire, Desired};
use testkit::{
    sink::{End, Sink},
    wait,
};
use wire::v1::{ControlSession, Phase, Settings, control_session::Action};

use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_taken_once_however_often_it_comes() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.leases.set_desired(session.parse()?, Epoch(1), Desired::Run).await?;
    let again = wire::v1::RunSession { session_id: session.clone(), epoch: 0, ..Default::default() };
    scene.bus.publish_run(&again).await?;
    wait::until_true("the late command is put away", PATIENCE, async || {
        scene.metric("worker_commands_total{outcome=\"obsolete\"}").await.is_ok_and(|count| count >= 1.0)
    })
    .await?;
    assert_eq!((sink.seen().len(), scene.spawns().await?), (1, 1));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_by_word_is_quick() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    let report = scene.until_phase(&session, Phase::Connected).await?;
    let asked = Instant::now();
    let word = ControlSession { session_id: session.clone(), epoch: 1, action: Action::Stop.into() };
    scene.bus.publish_control(&WorkerId(report.worker_id), &word).await?;
    scene.until_phase(&session, Phase::Ended).await?;
    let seen = sink.seen().remove(0);
    println!("stop (by word) to the last byte: {:?}", seen.last_media.unwrap().saturating_duration_since(asked));
    assert!(seen.last_media.unwrap().saturating_duration_since(asked) < Duration::from_millis(500));
    scene.until_free(&session).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_silences_the_session() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let thief = WorkerId("w-thief".into());
    let began = Instant::now();
    let taken = scene.leases.acquire(session.parse()?, Epoch(2), &thief).await?;
    assert_eq!(taken, Acquire::Acquired);
    let (at, end) = sink.wait_for("the end", PATIENCE, |seen| seen[0].ended).await?;
    println!("lease taken to {end:?}: {:?}", at.duration_since(began));
    wait::until_true("FFmpeg is gone", PATIENCE, async || scene.ffmpegs().is_empty()).await?;
    assert_eq!(scene.phases(&session), [Phase::Connecting, Phase::Connected], "the robbed say nothing");
    assert_eq!(scene.leases.owner(session.parse()?).await?, Some((thief, Epoch(2))), "and take nothing back");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_reader_ends_the_session() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let fenced = Instant::now();
    scene.relay.fence(&session, 2);
    let seen = sink.wait_for("the end", PATIENCE, |seen| seen[0].ended.map(|_| seen[0].clone())).await?;
    let late = seen.last_media.unwrap().saturating_duration_since(fenced);
    println!("fence to the last byte {late:?}, to the end {:?}", seen.ended.unwrap().0.duration_since(fenced));
    assert!(late < Duration::from_millis(200), "{late:?}");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_wakes_and_sends_nothing() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    // Only the worker stops: FFmpeg fills its pipe meanwhile.
    scene.worker.pause();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let thief = WorkerId("w-thief".into());
    assert_eq!(scene.leases.acquire(session.parse()?, Epoch(2), &thief).await?, Acquire::Acquired);
    let before = sink.seen().remove(0).media_bytes;
    scene.worker.resume();
    sink.wait_for("the end", PATIENCE, |seen| seen[0].ended).await?;
    assert_eq!(sink.seen()[0].media_bytes, before, "not one stale byte");
    assert!(scene.metric("worker_pauses_total").await? >= 1.0, "the fault happened");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_that_is_still_the_owner_goes_on() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.worker.pause();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    scene.worker.resume();
    let before = sink.seen()[0].media_bytes;
    sink.wait_for("more media", PATIENCE, |seen| (seen[0].media_bytes > before + 500_000).then_some(())).await?;
    assert!(scene.metric("worker_pauses_total").await? >= 1.0, "the fault happened");
    assert_eq!(sink.seen().len(), 1);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_stream_goes_on_and_the_lease_comes_back() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    scene.redis.kill();
    let before = sink.seen()[0].media_bytes;
    sink.wait_for("media", PATIENCE, |seen| (seen[0].media_bytes > before + 1_500_000).then_some(())).await?;
    scene.redis.restart().await?;
    wait::until_true("the lease is taken again", PATIENCE, async || {
        matches!(scene.leases.owner(session.parse().unwrap()).await, Ok(Some((_, Epoch(1)))))
    })
    .await?;
    assert_eq!((sink.seen().len(), scene.spawns().await?), (1, 1));
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_hands_sessions_back_in_order() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start().await?;
    let session = scene.deliver(&sink, Settings::default()).await?;
    scene.until_phase(&session, Phase::Connected).await?;
    let asked = Instant::now();
    scene.worker.terminate();
    let released = scene.until_phase(&session, Phase::Released).await?;
    println!("SIGTERM to released: {:?}", asked.elapsed());
    assert_eq!(scene.leases.owner(session.parse()?).await?, None, "free before it is said");
    let (_, end) = sink.seen()[0].ended.expect("the publish is closed before it is said");
    assert_eq!(end, End::Unpublished);
    assert_eq!(released.epoch, 1);
    assert!(asked.elapsed() < Duration::from_secs(2));
    scene.close().await
}
