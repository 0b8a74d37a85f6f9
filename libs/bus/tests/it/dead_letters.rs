//! What nobody can read or finish goes aside, and the queue behind it flows.

use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use bus::{Bus, Options, streams, subjects};
use futures::StreamExt;
use testkit::{Nats, wait};

use crate::support::{SOON, ack_all, id, raw, report, run, soon, start, stored};

/// (reason, original subject, payload) of the first dead letter.
async fn dead(nats: &Nats) -> (String, String, Vec<u8>) {
    let stream: Stream = raw(nats).await.get_stream(streams::DEAD).await.unwrap();
    let letter = wait::until("a dead letter", SOON, async || stream.get_raw_message(1).await.ok()).await.unwrap();
    let header = |name: &str| letter.headers.get(name).unwrap().to_string();
    (header("Live-Dead-Reason"), header("Live-Dead-Subject"), letter.payload.to_vec())
}

#[tokio::test]
async fn an_unreadable_command_is_put_aside_and_the_next_one_comes() {
    let (nats, bus) = start().await;
    raw(&nats).await.publish("live.cmd.run", "\u{ff}garbage".into()).await.unwrap().await.unwrap();
    bus.publish_run(&run(1, 1)).await.unwrap();
    let mut puller = bus.run_commands().await.unwrap();
    assert_eq!(ack_all(soon("the good one", puller.next(4)).await).await, [(id(1), 1)]);
    let (reason, subject, payload) = dead(&nats).await;
    assert_eq!((reason.as_str(), subject.as_str()), ("cannot be read", "live.cmd.run"));
    assert_eq!(payload, "\u{ff}garbage".as_bytes());
    let nothing_left = async || stored(&nats, streams::COMMANDS).await == 0;
    wait::until_true("an empty queue", SOON, nothing_left).await.unwrap();
}

#[tokio::test]
async fn an_unreadable_report_is_put_aside_and_the_next_one_comes() {
    let (nats, bus) = start().await;
    // Empty is valid protobuf, but a report about no session is none.
    raw(&nats).await.publish("live.reports.x", "".into()).await.unwrap().await.unwrap();
    bus.publish_report(&report(1, 1)).await.unwrap();
    let mut reports = bus.reports().await;
    assert_eq!(soon("the good one", reports.next()).await.unwrap().message.sequence, 1);
    assert_eq!(dead(&nats).await.1, "live.reports.x");
}

#[tokio::test]
async fn what_was_tried_too_often_is_put_aside() {
    let (nats, _bus) = start().await;
    let bus =
        Bus::connect_with(&nats.url(), "test", Options { command_max_deliver: 3, ..Options::default() }).await.unwrap();
    let mut puller = bus.run_commands().await.unwrap();
    bus.publish_run(&run(1, 1)).await.unwrap();
    for attempt in 1..=3 {
        let commands = soon("one more try", puller.next(1)).await;
        assert_eq!(commands[0].attempts, attempt);
        commands[0].nak(Duration::from_millis(10)).await.unwrap();
    }
    bus.publish_run(&run(2, 1)).await.unwrap();
    assert_eq!(ack_all(soon("the next", puller.next(1)).await).await, [(id(2), 1)]);
    let (reason, subject, _) = wait::until("the dead letter", SOON, async || {
        // Somebody has to pull for it to be looked at again.
        let _ = tokio::time::timeout(Duration::from_millis(50), puller.next(1)).await;
        if stored(&nats, streams::DEAD).await > 0 { Some(dead(&nats).await) } else { None }
    })
    .await
    .unwrap();
    assert_eq!((reason.as_str(), subject), ("handed out more than 3 times", subjects::run(&id(1))));
}

#[tokio::test]
async fn a_reader_may_refuse_a_message_for_good() {
    let (nats, bus) = start().await;
    bus.publish_report(&report(1, 1)).await.unwrap();
    let mut reports = bus.reports().await;
    let delivery = soon("the report", reports.next()).await.unwrap();
    delivery.dead_letter("names a phase\r\nfrom the future").await.unwrap();
    assert_eq!(dead(&nats).await.0, "names a phase  from the future");
    let nothing_left = async || stored(&nats, streams::REPORTS).await == 0;
    wait::until_true("an empty queue", SOON, nothing_left).await.unwrap();
}
