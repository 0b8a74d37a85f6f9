//! Two orchestrators and two vaults: one may die at any moment of a start, and everything happens once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use async_nats::Subscriber;
use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use futures::StreamExt;
use serde_json::{Value, json};
use testkit::{
    LiveSource, Proxy, Stack,
    sink::{Seen, Sink},
    stack::{Options, Service},
    wait,
};

const DESTINATIONS: usize = 6;

/// A takeover and the time to notice that it is needed.
const SURVIVOR: Duration = Duration::from_secs(10);

async fn two_of_each() -> anyhow::Result<Scene> {
    let options = Options { orchestrators: 2, credentials: 2, ..Options::default() };
    Scene::open_with(options, &testkit::live_source::Options::default()).await
}

/// When the orchestrator dies, counted from the accepted start.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AtOnce,
    FirstFfmpeg,
    FirstConnection,
    FirstMedia,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_dies_during_a_start_is_not_noticed() -> anyhow::Result<()> {
    let scene = two_of_each().await?;
    let mut sinks = Vec::new();
    for number in 0..DESTINATIONS {
        let sink = Sink::start().await?;
        scene.send_to(&sink, &format!("twice{number}"), json!({})).await?;
        sinks.push(sink);
    }
    let moments = [Moment::AtOnce, Moment::FirstFfmpeg, Moment::FirstConnection, Moment::FirstMedia];
    for (round, moment) in moments.into_iter().enumerate() {
        let victim = scene.stack.process(Service::Orchestrator, round % 2)?;
        let mut events = events(&scene).await?;
        scene.api.start_no_wait(&scene.stream.id).await?;
        reach(moment, &scene, &sinks, round).await?;
        victim.kill();
        assert!(!victim.proc().alive());
        victim.restart().await?;
        for sink in &sinks {
            let what = format!("media after a death at {moment:?}");
            sink.wait_for(&what, PATIENCE, |seen| nth_publish(seen, round)?.first_media).await?;
        }
        scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["live"]).await?;
        for sink in &sinks {
            flows(sink, 100_000, PATIENCE).await?;
            let publishes = sink.seen().iter().filter(|one| one.published_at.is_some()).count();
            assert_eq!(publishes, round + 1, "one publish per start ({moment:?}): {:#?}", sink.seen());
            assert_eq!(sink.overlap_ms(), 0, "{moment:?}");
        }
        scene.api.stop(&scene.stream.id).await?;
        scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
        let told = until(&mut events, "stream:ended").await?;
        for kind in ["destination:connected", "destination:live", "destination:ended"] {
            let count = told.iter().filter(|((one, _), _)| one == kind).map(|(_, count)| *count);
            assert_eq!(count.collect::<Vec<_>>(), [1; DESTINATIONS], "{moment:?} {kind}: {told:?}");
        }
        for kind in ["stream:started", "stream:ended"] {
            assert_eq!(told.get(&(kind.to_owned(), String::new())), Some(&1), "{moment:?}: {told:?}");
        }
    }
    scene.close().await
}

fn nth_publish(seen: &[Seen], number: usize) -> Option<&Seen> {
    seen.iter().filter(|one| one.published_at.is_some()).nth(number)
}

async fn reach(moment: Moment, scene: &Scene, sinks: &[Sink], round: usize) -> anyhow::Result<()> {
    let any = |look: fn(&Seen) -> bool| sinks.iter().any(|sink| sink.look(|seen| seen.get(round).is_some_and(look)));
    wait::until_true(&format!("{moment:?}"), PATIENCE, async || match moment {
        Moment::AtOnce => true,
        Moment::FirstFfmpeg => !scene.stack.ffmpegs().is_empty(),
        Moment::FirstConnection => any(|_| true),
        Moment::FirstMedia => any(|one| one.first_media.is_some()),
    })
    .await
}

async fn events(scene: &Scene) -> anyhow::Result<Subscriber> {
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let events = nats.subscribe(format!("live.events.{}.>", scene.stream.id)).await?;
    nats.flush().await?;
    Ok(events)
}

/// How often each (type, destination) was told, up to and with the first event of the type `last`.
async fn until(events: &mut Subscriber, last: &str) -> anyhow::Result<BTreeMap<(String, String), usize>> {
    let mut told = BTreeMap::new();
    let listen = async {
        while let Some(message) = events.next().await {
            let event: Value = serde_json::from_slice(&message.payload).expect("an event is JSON");
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            let ended = kind == last;
            let of = [&event["destinationid"], &event["data"]["destinationId"]];
            let destination = of.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
            *told.entry((kind, destination)).or_default() += 1;
            if ended {
                break;
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, listen).await;
    anyhow::ensure!(heard.is_ok(), "no {last}: {told:?}");
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_orchestrator_finishes_what_a_dead_one_accepted() -> anyhow::Result<()> {
    // The gateway asks the first orchestrator; relay, vault and workers have the second, as after a failed look-up.
    let options = Options { orchestrators: 2, credentials: 2, workers: 0, relays: 2, ..Options::default() };
    let mut stack = Stack::start_with(options).await?;
    let survivor = stack.process(Service::Orchestrator, 1)?.grpc().unwrap_or_default();
    let vault = stack.process(Service::Credentials, 1)?.grpc().unwrap_or_default();
    for _ in 0..2 {
        let env = [("ORCHESTRATOR_URL", survivor.clone()), ("CREDENTIALS_URL", vault.clone())];
        stack.add_with(Service::EncoderWorker, &env).await?;
    }
    let api = stack.api();
    let stream = api.create_stream("show").await?;
    let relay = stack.process(Service::Relay, 1)?.rtmp().unwrap_or_default();
    let source = LiveSource::start(&format!("{relay}/{}", stream.stream_key))?;
    let scene = Scene { source, stream, api, stack };
    scene.source_is(true).await?;
    let mut sinks = Vec::new();
    for number in 0..DESTINATIONS {
        let sink = Sink::start().await?;
        scene.send_to(&sink, &format!("left{number}"), json!({})).await?;
        sinks.push(sink);
    }
    let first = scene.stack.process(Service::Orchestrator, 0)?;
    for (round, moment) in [Moment::AtOnce, Moment::FirstFfmpeg, Moment::FirstMedia].into_iter().enumerate() {
        scene.api.start_no_wait(&scene.stream.id).await?;
        reach(moment, &scene, &sinks, round).await?;
        first.kill();
        let killed = Instant::now();
        for sink in &sinks {
            let fed = |seen: &[Seen]| nth_publish(seen, round)?.first_media;
            let fed = sink.wait_for(&format!("media after a death at {moment:?}"), PATIENCE, fed).await?;
            let took = fed.saturating_duration_since(killed);
            assert!(took < SURVIVOR, "{moment:?}: {took:?}");
        }
        first.restart().await?;
        scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["live"]).await?;
        scene.api.stop(&scene.stream.id).await?;
        scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
        for sink in &sinks {
            let publishes = sink.seen().iter().filter(|one| one.published_at.is_some()).count();
            assert_eq!((publishes, sink.overlap_ms()), (round + 1, 0), "{moment:?}: {:#?}", sink.seen());
        }
    }
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_judges_tell_a_sickness_once() -> anyhow::Result<()> {
    let scene = two_of_each().await?;
    let sink = Sink::start().await?;
    let proxy = Proxy::start(sink.addr()).await?;
    let id = scene.send_to_url(&format!("rtmp://{}/live", proxy.addr()), "narrow", json!({})).await?;
    let mut events = events(&scene).await?;
    scene.api.start(&scene.stream.id).await?;
    scene.destination_is(&id, PATIENCE, &FED).await?;
    flows(&sink, 500_000, PATIENCE).await?;
    proxy.change(|network| network.bytes_per_second = Some(100_000));
    let mut told = until(&mut events, "health:degraded").await?;
    // The other replica would tell it within the same second.
    proxy.heal();
    merge(&mut told, until(&mut events, "health:recovered").await?);
    scene.api.stop(&scene.stream.id).await?;
    merge(&mut told, until(&mut events, "stream:ended").await?);
    for kind in ["health:degraded", "health:recovered"] {
        let count: usize = told.iter().filter(|((one, _), _)| one == kind).map(|(_, count)| *count).sum();
        assert_eq!(count, 1, "{kind}: {told:?}");
    }
    wait::until_true("no FFmpeg", Duration::from_secs(5), async || scene.stack.ffmpegs().is_empty()).await?;
    scene.close().await
}

fn merge(all: &mut BTreeMap<(String, String), usize>, more: BTreeMap<(String, String), usize>) {
    for (key, count) in more {
        *all.entry(key).or_default() += count;
    }
}
