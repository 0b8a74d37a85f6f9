//! Control, metrics and events: everybody's own feed.

use std::time::Duration;

use bus::{EventKind, MetricFilter, streams};
use futures::StreamExt;

use crate::support::{event, id, raw, sample, soon, start, stop, stored, stream, worker};

#[tokio::test]
async fn a_worker_hears_its_own_words_from_now_on_each_time_they_are_said() {
    let (_nats, bus) = start().await;
    bus.publish_control(&worker("w-1"), &stop(1)).await.unwrap();
    let mut control = bus.control(&worker("w-1")).await;
    bus.publish_control(&worker("w-2"), &stop(2)).await.unwrap();
    for _ in 0..2 {
        bus.publish_control(&worker("w-1"), &stop(3)).await.unwrap();
        assert_eq!(soon("the word", control.next()).await.unwrap().session_id, id(3));
    }
}

#[tokio::test]
async fn metrics_come_as_filtered_to_everyone_who_listens() {
    let (_nats, bus) = start().await;
    let mut all = bus.metrics(MetricFilter::All).await;
    let mut again = bus.metrics(MetricFilter::All).await;
    let mut one = bus.metrics(MetricFilter::Stream(stream(1))).await;
    let mut exactly = bus.metrics(MetricFilter::Destination(stream(1), sample(1, 0).destination)).await;
    bus.publish_metric(&sample(2, 7)).await.unwrap();
    bus.publish_metric(&sample(1, 8)).await.unwrap();
    for feed in [&mut all, &mut again] {
        assert_eq!(soon("sample 7", feed.next()).await.unwrap(), sample(2, 7));
        assert_eq!(soon("sample 8", feed.next()).await.unwrap(), sample(1, 8));
    }
    assert_eq!(soon("sample 8", one.next()).await.unwrap(), sample(1, 8));
    assert_eq!(soon("sample 8", exactly.next()).await.unwrap(), sample(1, 8));
}

#[tokio::test]
async fn an_unreadable_sample_is_left_out() {
    let (nats, bus) = start().await;
    let mut metrics = bus.metrics(MetricFilter::All).await;
    raw(&nats).await.publish("live.metrics.x.y", "{".into()).await.unwrap().await.unwrap();
    bus.publish_metric(&sample(1, 8)).await.unwrap();
    assert_eq!(soon("the good one", metrics.next()).await.unwrap().sequence, 8);
}

#[tokio::test]
async fn events_resume_after_the_last_one_seen() {
    let (nats, bus) = start().await;
    let started = event(1, EventKind::StreamStarted);
    bus.publish_event(&started).await.unwrap();
    bus.publish_event(&started).await.unwrap();
    bus.publish_event(&event(2, EventKind::StreamStarted)).await.unwrap();
    bus.publish_event(&event(1, EventKind::DestinationLive)).await.unwrap();
    assert_eq!(stored(&nats, streams::EVENTS).await, 3, "the same id is stored once");

    let mut from_start = bus.events(stream(1), Some(0)).await;
    let first = soon("the first", from_start.next()).await.unwrap();
    assert_eq!((first.seq, first.event), (1, started));
    let second = soon("the second", from_start.next()).await.unwrap();
    assert_eq!(second.event.kind, EventKind::DestinationLive);

    let mut resumed = bus.events(stream(1), Some(1)).await;
    assert_eq!(soon("the second again", resumed.next()).await.unwrap(), second);

    let mut from_now = bus.events(stream(1), None).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), from_now.next()).await.is_err());
    bus.publish_event(&event(1, EventKind::StreamEnded)).await.unwrap();
    for feed in [&mut from_now, &mut resumed, &mut from_start] {
        assert_eq!(soon("the last", feed.next()).await.unwrap().event.kind, EventKind::StreamEnded);
    }
    let mut all = bus.all_events(Some(0)).await;
    for expected in [1, 2, 3, 4] {
        assert_eq!(soon("all of them", all.next()).await.unwrap().seq, expected);
    }
}

#[tokio::test]
async fn a_sequence_from_before_the_store_was_lost_gives_everything() {
    let (_nats, bus) = start().await;
    bus.publish_event(&event(1, EventKind::StreamStarted)).await.unwrap();
    let mut events = bus.events(stream(1), Some(4711)).await;
    assert_eq!(soon("the event", events.next()).await.unwrap().seq, 1);
}
