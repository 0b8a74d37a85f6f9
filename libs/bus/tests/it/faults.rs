//! NATS killed, emptied, stopped, and streams deleted under us.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bus::{Bus, CommandPuller, Error, Event, EventKind, MetricFilter, MetricSample, StoredEvent, streams};
use futures::{StreamExt, stream::BoxStream};
use testkit::{Nats, wait};
use wire::v1::{ControlSession, SessionReport};

use crate::support::{SOON, ack_all, event, id, raw, report, run, sample, soon, start, stop, stream, worker};

/// Everything that services listen to.
struct Ears {
    commands: CommandPuller,
    reports: BoxStream<'static, bus::Delivery<SessionReport>>,
    control: BoxStream<'static, ControlSession>,
    metrics: BoxStream<'static, MetricSample>,
    events: BoxStream<'static, StoredEvent>,
}

impl Ears {
    async fn open(bus: &Bus) -> Self {
        Self {
            commands: bus.run_commands().await.unwrap(),
            reports: bus.reports().await,
            control: bus.control(&worker("w-1")).await,
            metrics: bus.metrics(MetricFilter::All).await,
            events: bus.events(stream(1), None).await,
        }
    }

    /// Says one thing of each kind and waits until all of them were heard.
    async fn hear_round(&mut self, bus: &Bus, n: u128) -> Event {
        let sequence = u64::try_from(n).unwrap();
        // At least once: after a crash the server may hand out again what was acknowledged just before.
        bus.publish_run(&run(n, 1)).await.unwrap();
        while ack_all(soon("the command", self.commands.next(1)).await).await != [(id(n), 1)] {}

        bus.publish_report(&report(n, sequence)).await.unwrap();
        loop {
            let delivery = soon("the report", self.reports.next()).await.unwrap();
            delivery.ack().await.unwrap();
            if delivery.message.sequence == sequence {
                break;
            }
        }

        let said = event(1, EventKind::StreamStarted);
        bus.publish_event(&said).await.unwrap();
        assert_eq!(soon("the event", self.events.next()).await.unwrap().event, said);

        bus.publish_control(&worker("w-1"), &stop(n)).await.unwrap();
        assert_eq!(soon("the word", self.control.next()).await.unwrap().session_id, id(n));

        bus.publish_metric(&sample(1, sequence)).await.unwrap();
        assert_eq!(soon("the sample", self.metrics.next()).await.unwrap().sequence, sequence);
        said
    }
}

/// Publishes until it works.
async fn publish_at_last<Fut: Future<Output = Result<(), Error>>>(publish: impl Fn() -> Fut) {
    wait::until_true("a publish", SOON, async || publish().await.is_ok()).await.unwrap();
}

async fn is_back(bus: &Bus) {
    wait::until_true("the connection", SOON, async || bus.connected()).await.unwrap();
}

#[tokio::test]
async fn everything_goes_on_after_a_restart_with_an_empty_store() {
    let (nats, bus) = start().await;
    let mut ears = Ears::open(&bus).await;
    ears.hear_round(&bus, 1).await;
    nats.kill();
    nats.delete_store().unwrap();
    nats.restart().await.unwrap();
    let restarted = Instant::now();
    publish_at_last(|| async { bus.publish_run(&run(2, 1)).await }).await;
    let commands = soon("the command", ears.commands.next(1)).await;
    assert_eq!(ack_all(commands).await, [(id(2), 1)]);
    println!("a command got through {:?} after the restart", restarted.elapsed());
    ears.hear_round(&bus, 3).await;
}

#[tokio::test]
async fn everything_goes_on_after_a_restart_and_what_was_stored_is_still_there() {
    let (nats, bus) = start().await;
    let mut ears = Ears::open(&bus).await;
    ears.hear_round(&bus, 1).await;
    bus.publish_run(&run(2, 1)).await.unwrap();
    bus.publish_report(&report(2, 2)).await.unwrap();
    nats.kill();
    nats.restart().await.unwrap();
    let commands = soon("the stored command", ears.commands.next(1)).await;
    assert_eq!(ack_all(commands).await, [(id(2), 1)]);
    let delivery = soon("the stored report", ears.reports.next()).await.unwrap();
    delivery.ack().await.unwrap();
    assert_eq!(delivery.message.sequence, 2);
    is_back(&bus).await;
    ears.hear_round(&bus, 3).await;
}

#[tokio::test]
async fn everything_goes_on_after_the_streams_were_deleted() {
    let (nats, bus) = start().await;
    let mut ears = Ears::open(&bus).await;
    ears.hear_round(&bus, 1).await;
    let js = raw(&nats).await;
    for name in
        [streams::COMMANDS, streams::CONTROL, streams::REPORTS, streams::EVENTS, streams::METRICS, streams::DEAD]
    {
        js.delete_stream(name).await.unwrap();
    }
    // Metrics are not acknowledged and can't find out: another publish does, and sets all streams up.
    bus.publish_run(&run(2, 1)).await.unwrap();
    let commands = soon("the command", ears.commands.next(1)).await;
    assert_eq!(ack_all(commands).await, [(id(2), 1)]);
    // New messages only count from when the feed is open again: say it until it is heard.
    let heard = async {
        loop {
            bus.publish_metric(&sample(1, 2)).await.unwrap();
            bus.publish_control(&worker("w-1"), &stop(2)).await.unwrap();
            let both = async { (ears.metrics.next().await, ears.control.next().await) };
            if tokio::time::timeout(Duration::from_millis(300), both).await.is_ok() {
                return;
            }
        }
    };
    soon("the feeds", heard).await;
}

#[tokio::test]
async fn everything_goes_on_after_the_consumers_were_deleted() {
    let (nats, bus) = start().await;
    let mut ears = Ears::open(&bus).await;
    ears.hear_round(&bus, 1).await;
    let js = raw(&nats).await;
    for name in [streams::COMMANDS, streams::CONTROL, streams::REPORTS, streams::EVENTS, streams::METRICS] {
        let stream = js.get_stream(name).await.unwrap();
        let mut names = stream.consumer_names();
        while let Some(consumer) = names.next().await {
            stream.delete_consumer(&consumer.unwrap()).await.unwrap();
        }
    }
    ears.hear_round(&bus, 2).await;
}

#[tokio::test]
async fn without_a_server_every_publish_is_an_error_in_time() {
    let (nats, bus) = start().await;
    nats.kill();
    wait::until_true("the loss is noticed", SOON, async || !bus.connected()).await.unwrap();
    for n in 1..=3 {
        let began = Instant::now();
        assert!(matches!(bus.publish_run(&run(n, 1)).await, Err(Error::Disconnected)));
        assert!(matches!(bus.publish_report(&report(n, 1)).await, Err(Error::Disconnected)));
        assert!(matches!(bus.publish_event(&event(1, EventKind::StreamEnded)).await, Err(Error::Disconnected)));
        assert!(matches!(bus.publish_control(&worker("w"), &stop(n)).await, Err(Error::Disconnected)));
        assert!(matches!(bus.publish_metric(&sample(1, 1)).await, Err(Error::Disconnected)));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    nats.restart().await.unwrap();
    is_back(&bus).await;
    bus.publish_run(&run(9, 1)).await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_is_an_error_in_time_and_no_command_is_doubled() {
    let (nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    nats.pause();
    let began = Instant::now();
    let error = bus.publish_run(&run(1, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    nats.resume();
    // Whether the first one got through is unknown: it is published again, and stored once.
    publish_at_last(|| async { bus.publish_run(&run(1, 1)).await }).await;
    bus.publish_run(&run(2, 1)).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(ack_all(soon("both", puller.next(4)).await).await);
    }
    seen.sort();
    assert_eq!(seen, [(id(1), 1), (id(2), 1)]);
}

#[tokio::test]
async fn a_server_that_is_not_there_at_boot_is_no_error() {
    let nats = Nats::start().await.unwrap();
    nats.kill();
    let began = Instant::now();
    let bus = Bus::connect(&nats.url(), "test").await.unwrap();
    assert!(!bus.connected());
    assert!(matches!(bus.ensure_streams(1).await, Err(Error::Disconnected)));
    let mut ears = Ears::open(&bus).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut connects = bus.on_reconnect();
    connects.mark_unchanged();
    nats.restart().await.unwrap();
    soon("the first connection", connects.changed()).await.unwrap();
    publish_at_last(|| async { bus.publish_run(&run(1, 1)).await }).await;
    let commands = soon("the command", ears.commands.next(1)).await;
    assert_eq!(ack_all(commands).await, [(id(1), 1)]);
}

#[tokio::test]
async fn a_flood_of_starts_over_a_crash_loses_none_that_was_accepted() {
    let (nats, bus) = start().await;
    let publish = async {
        for n in 1..=200 {
            // As the orchestrator's outbox does: until it is accepted.
            publish_at_last(|| async { bus.publish_run(&run(n, 1)).await }).await;
        }
    };
    let work = async {
        let mut puller = bus.run_commands().await.unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut crashes = 0;
        while seen.len() < 200 {
            if seen.len() >= 50 && crashes == 0 {
                crashes += 1;
                nats.kill();
                nats.restart().await.unwrap();
            }
            let Ok(commands) = tokio::time::timeout(SOON, puller.next(4)).await else {
                panic!("{} of 200", seen.len())
            };
            seen.extend(ack_all(commands).await.into_iter().map(|(session, _)| session));
        }
        crashes
    };
    assert_eq!(tokio::join!(publish, work), ((), 1));
}

#[tokio::test]
async fn everything_goes_on_after_the_store_was_deleted_under_a_running_server() {
    let (nats, bus) = start().await;
    let mut ears = Ears::open(&bus).await;
    ears.hear_round(&bus, 1).await;
    nats.delete_store().unwrap();
    // The server notices when it opens its next file: large reports make it do so soon.
    let mut failed = 0;
    for n in 2..30 {
        let large = SessionReport { mode: "x".repeat(50_000), ..report(n, 1) };
        while bus.publish_report(&large).await.is_err() {
            failed += 1;
            assert!(failed < 10);
        }
        let delivery = soon("the report", ears.reports.next()).await.unwrap();
        delivery.ack().await.unwrap();
        assert_eq!(delivery.message.session_id, id(n));
    }
    assert!(failed > 0, "the server never noticed");
    println!("{failed} of 28 publishes failed");
    ears.hear_round(&bus, 31).await;
    // What was made anew is on disk again.
    bus.publish_report(&report(32, 1)).await.unwrap();
    nats.kill();
    nats.restart().await.unwrap();
    let delivery = soon("the stored report", ears.reports.next()).await.unwrap();
    assert_eq!(delivery.message.session_id, id(32));
}
