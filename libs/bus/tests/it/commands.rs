//! The queue of sessions that want a worker.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bus::{Bus, Options, streams};
use testkit::wait;

use crate::support::{SOON, ack_all, connect, id, run, sample, soon, start, stored};

#[tokio::test]
async fn two_workers_share_the_queue() {
    let (nats, bus) = start().await;
    let (one, two) = (connect(&nats).await, connect(&nats).await);
    for n in 1..=40 {
        bus.publish_run(&run(n, 1)).await.unwrap();
    }
    let drain = async |bus: Bus| {
        let mut puller = bus.run_commands().await.unwrap();
        let mut seen = Vec::new();
        while let Ok(commands) = tokio::time::timeout(Duration::from_millis(500), puller.next(3)).await {
            assert!(commands.len() <= 3);
            seen.extend(ack_all(commands).await);
            tokio::task::yield_now().await;
        }
        seen
    };
    let (one, two) = tokio::join!(drain(one), drain(two));
    assert!(!one.is_empty() && !two.is_empty(), "{} and {}", one.len(), two.len());
    let all: BTreeSet<_> = one.iter().chain(&two).cloned().collect();
    assert_eq!((all.len(), one.len() + two.len()), (40, 40), "each exactly once");
    let nothing_left = async || stored(&nats, streams::COMMANDS).await == 0;
    wait::until_true("an empty queue", SOON, nothing_left).await.unwrap();
}

#[tokio::test]
async fn a_command_arrives_at_once_and_no_more_than_asked_for() {
    let (_nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    // Its request waits at the server from now on: the queue is watched, not polled.
    assert!(tokio::time::timeout(Duration::from_millis(100), puller.next(8)).await.is_err());
    let published = Instant::now();
    bus.publish_run(&run(1, 1)).await.unwrap();
    let commands = soon("the command", puller.next(8)).await;
    assert!(published.elapsed() < Duration::from_millis(200), "{:?}", published.elapsed());
    assert_eq!(commands[0].attempts, 1);
    assert_eq!(ack_all(commands).await, [(id(1), 1)]);
    for n in 2..=6 {
        bus.publish_run(&run(n, 1)).await.unwrap();
    }
    assert_eq!(ack_all(soon("two", puller.next(2)).await).await.len(), 2);
    assert_eq!(ack_all(soon("three", puller.next(9)).await).await.len(), 3);
    assert!(tokio::time::timeout(Duration::from_millis(100), puller.next(0)).await.is_err());
}

#[tokio::test]
async fn a_newer_epoch_replaces_the_command_nobody_took() {
    let (nats, bus) = start().await;
    for epoch in 5..=7 {
        bus.publish_run(&run(1, epoch)).await.unwrap();
    }
    bus.publish_run(&run(1, 7)).await.unwrap();
    bus.publish_run(&run(2, 7)).await.unwrap();
    assert_eq!(stored(&nats, streams::COMMANDS).await, 2);
    let mut puller = bus.run_commands().await.unwrap();
    let mut seen = ack_all(soon("both", puller.next(9)).await).await;
    seen.sort();
    assert_eq!(seen, [(id(1), 7), (id(2), 7)]);
}

#[tokio::test]
async fn a_command_replaced_while_a_worker_has_it_is_offered_in_its_new_form() {
    let (nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    bus.publish_run(&run(1, 5)).await.unwrap();
    let older = soon("epoch 5", puller.next(1)).await;
    bus.publish_run(&run(1, 6)).await.unwrap();
    let newer = soon("epoch 6", puller.next(1)).await;
    assert_eq!(newer[0].message.epoch, 6);
    ack_all(older).await;
    assert_eq!(stored(&nats, streams::COMMANDS).await, 1);
    ack_all(newer).await;
    let nothing_left = async || stored(&nats, streams::COMMANDS).await == 0;
    wait::until_true("an empty queue", SOON, nothing_left).await.unwrap();
}

#[tokio::test]
async fn what_is_given_back_comes_again_after_the_delay() {
    let (_nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    bus.publish_run(&run(1, 1)).await.unwrap();
    let first = soon("the command", puller.next(1)).await;
    let given_back = Instant::now();
    first[0].nak(Duration::from_millis(300)).await.unwrap();
    let second = soon("the same again", puller.next(1)).await;
    assert!(given_back.elapsed() >= Duration::from_millis(290), "{:?}", given_back.elapsed());
    assert_eq!((second[0].attempts, &second[0].message), (2, &first[0].message));
}

#[tokio::test]
async fn what_is_never_answered_comes_again_and_progress_holds_it_off() {
    let (nats, _bus) = start().await;
    let options = Options { command_ack_wait: Duration::from_millis(600), ..Options::default() };
    let bus = Bus::connect_with(&nats.url(), "test", options).await.unwrap();
    let mut puller = bus.run_commands().await.unwrap();
    bus.publish_run(&run(1, 1)).await.unwrap();
    let taken = Instant::now();
    let first = soon("the command", puller.next(1)).await;
    for _ in 0..4 {
        let _ = tokio::time::timeout(Duration::from_millis(300), puller.next(1)).await.map(|_| panic!("too early"));
        first[0].progress().await.unwrap();
    }
    drop(first);
    let second = soon("the same again", puller.next(1)).await;
    assert_eq!(second[0].attempts, 2);
    assert!(taken.elapsed() > Duration::from_millis(1500), "{:?}", taken.elapsed());
}

#[tokio::test]
async fn a_command_on_its_way_to_a_dropped_future_is_not_lost() {
    let (_nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    for n in 1..=20 {
        // The future ends while its request waits at the server.
        assert!(tokio::time::timeout(Duration::from_millis(20), puller.next(4)).await.is_err());
        bus.publish_run(&run(n, 1)).await.unwrap();
        let commands = soon("the command", puller.next(4)).await;
        assert_eq!(commands[0].attempts, 1);
        assert_eq!(ack_all(commands).await, [(id(n), 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_metrics_delay_no_command() {
    let (nats, bus) = start().await;
    let mut puller = bus.run_commands().await.unwrap();
    let (wanted, took) = (100_000, Instant::now());
    let flood = bus.clone();
    let flood = tokio::spawn(async move {
        for sequence in 0..wanted {
            flood.publish_metric(&sample(1, sequence)).await.unwrap();
        }
    });
    let mut slowest = Duration::ZERO;
    let mut n = 0;
    while !flood.is_finished() || n < 20 {
        n += 1;
        let began = Instant::now();
        bus.publish_run(&run(n, 1)).await.unwrap();
        assert_eq!(ack_all(soon("the command", puller.next(1)).await).await, [(id(n), 1)]);
        slowest = slowest.max(began.elapsed());
    }
    flood.await.unwrap();
    println!("{n} commands beside {wanted} metrics in {:?}, the slowest took {slowest:?}", took.elapsed());
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(stored(&nats, streams::METRICS).await > 10_000);
}
