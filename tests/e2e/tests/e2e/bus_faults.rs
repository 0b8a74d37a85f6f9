//! Commands that come twice, come late, or are lost by NATS after we accepted them.

use std::time::{Duration, Instant};

use async_nats::Message;
use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use futures::StreamExt;
use prost::Message as _;
use serde_json::json;
use testkit::{
    Proxy,
    sink::{Duplicate, Options, Sink},
    wait,
};
use wire::v1::RunSession;

/// P1: the worst case.
const TAKEOVER: Duration = Duration::from_secs(6);

async fn commands(scene: &Scene) -> anyhow::Result<(async_nats::Client, async_nats::Subscriber)> {
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let commands = nats.subscribe("live.cmd.run.>").await?;
    nats.flush().await?;
    Ok((nats, commands))
}

async fn next(commands: &mut async_nats::Subscriber) -> anyhow::Result<Message> {
    Ok(tokio::time::timeout(PATIENCE, commands.next()).await?.expect("the subscription stays"))
}

/// Puts a command into the queue once more and returns when a worker has dealt with it.
async fn repeat(nats: &async_nats::Client, command: &Message) -> anyhow::Result<()> {
    let jetstream = async_nats::jetstream::new(nats.clone());
    let stored = jetstream.publish(command.subject.clone(), command.payload.clone()).await?.await?;
    assert!(!stored.duplicate, "the fault must happen: the command has to reach a worker");
    wait::until_true("the command to be taken", PATIENCE, async || {
        messages(&jetstream, "LIVE_COMMANDS").await == Some(0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_comes_twice_or_late_starts_nothing() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    // A sink that would take a second publisher: only we can prevent it.
    let sink = Sink::start_with(Options { duplicate: Duplicate::TakeBoth, ..Options::default() }).await?;
    let id = scene.send_to(&sink, "twice", json!({})).await?;
    let (nats, mut commands) = commands(&scene).await?;
    scene.api.start(&scene.stream.id).await?;
    let first = next(&mut commands).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    for _ in 0..4 {
        repeat(&nats, &first).await?;
    }
    flows(&sink, 400_000, PATIENCE).await?;
    assert_eq!((sink.seen().len(), scene.stack.ffmpegs().len()), (1, 1), "{:?}", sink.seen());

    let victim = scene.worker_of(&id).await?;
    scene.stack.worker(victim)?.kill();
    sink.wait_for("the next session", PATIENCE, |seen| seen.get(1)?.first_media).await?;
    scene.stack.worker(victim)?.restart().await?;
    let old = RunSession::decode(first.payload.clone())?;
    for _ in 0..4 {
        repeat(&nats, &first).await?;
    }
    flows(&sink, 400_000, PATIENCE).await?;
    assert_eq!(sink.seen().len(), 2, "the command of epoch {} is too late: {:?}", old.epoch, sink.seen());
    assert_eq!(sink.overlap_ms(), 0);
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_start_survives_the_loss_of_the_queue() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start_with(Options { duplicate: Duplicate::TakeBoth, ..Options::default() }).await?;
    scene.send_to(&sink, "lost", json!({})).await?;
    let (_nats, mut commands) = commands(&scene).await?;
    // Nobody takes the command: it is in the queue alone when the queue is lost.
    for number in 0..2 {
        scene.stack.worker(number)?.pause();
    }
    scene.api.start_no_wait(&scene.stream.id).await?;
    next(&mut commands).await?;
    scene.stack.nats.kill();
    scene.stack.nats.delete_store()?;
    scene.stack.nats.restart().await?;
    for number in 0..2 {
        scene.stack.worker(number)?.resume();
    }
    scene.fed().await?;
    flows(&sink, 300_000, PATIENCE).await?;
    assert_eq!((sink.seen().len(), sink.overlap_ms()), (1, 0), "{:?}", sink.seen());
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_before_its_first_word_is_replaced() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let sink = Sink::start_with(Options { duplicate: Duplicate::TakeBoth, ..Options::default() }).await?;
    // Until the worker is dead the network swallows connections: FFmpeg runs, but there is nothing to report.
    let network = Proxy::start(sink.addr()).await?;
    network.change(|network| network.blackhole = true);
    let id = scene.send_to_url(&format!("rtmp://{}/live", network.addr()), "early", json!({})).await?;
    scene.api.start_no_wait(&scene.stream.id).await?;
    let victim = wait::until("a worker with an FFmpeg", PATIENCE, async || {
        (0..2).find(|number| scene.stack.worker(*number).is_ok_and(|worker| !worker.proc().survivors().is_empty()))
    })
    .await?;
    scene.stack.worker(victim)?.kill();
    let killed = Instant::now();
    network.heal();
    assert!(sink.seen().iter().all(|one| one.published_at.is_none()), "killed too late: {:?}", sink.seen());
    let first = sink.wait_for("media", PATIENCE, |seen| seen.iter().find_map(|one| one.first_media)).await?;
    assert!(first - killed < TAKEOVER, "after {:?}", first - killed);
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 200_000, PATIENCE).await?;
    let published = sink.seen().iter().filter(|one| one.first_media.is_some()).count();
    assert_eq!((published, sink.overlap_ms()), (1, 0), "{:?}", sink.seen());
    wait::until_true("the dead worker's FFmpeg to end", Duration::from_secs(2), async || {
        scene.stack.worker(victim).is_ok_and(|worker| worker.proc().survivors().is_empty())
    })
    .await?;
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_command_is_put_aside_and_the_queue_flows() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let jetstream = async_nats::jetstream::new(nats);
    let not_a_session = RunSession { session_id: "../../etc".to_owned(), epoch: 1, ..RunSession::default() };
    for (name, payload) in [("garbage", vec![0xff; 64]), ("empty", Vec::new()), ("odd", not_a_session.encode_to_vec())]
    {
        jetstream.publish(format!("live.cmd.run.{name}"), payload.into()).await?.await?;
    }
    let (sinks, _) = scene.live_at(2).await?;
    for sink in &sinks {
        flows(sink, 100_000, PATIENCE).await?;
    }
    wait::until_true("three dead letters and an empty queue", PATIENCE, async || {
        messages(&jetstream, "LIVE_DEAD").await == Some(3) && messages(&jetstream, "LIVE_COMMANDS").await == Some(0)
    })
    .await?;
    scene.close().await
}

async fn messages(jetstream: &async_nats::jetstream::Context, stream: &str) -> Option<u64> {
    let mut stream = jetstream.get_stream(stream).await.ok()?;
    Some(stream.info().await.ok()?.state.messages)
}
