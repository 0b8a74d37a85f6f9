//! The reports of workers, shared by the orchestrator's replicas.

use std::{collections::BTreeSet, time::Duration};

use bus::{Bus, streams};
use futures::StreamExt;
use testkit::wait;

use crate::support::{SOON, connect, report, soon, start, stored};

#[tokio::test]
async fn two_replicas_share_the_reports() {
    let (nats, bus) = start().await;
    let (one, two) = (connect(&nats).await, connect(&nats).await);
    let listen = async |bus: Bus| {
        let mut reports = bus.reports().await;
        let mut seen = Vec::new();
        while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(700), reports.next()).await {
            let delivery = delivery.unwrap();
            delivery.ack().await.unwrap();
            seen.push(delivery.message.sequence);
        }
        seen
    };
    let publish = async {
        for sequence in 0..400 {
            bus.publish_report(&report(1, sequence)).await.unwrap();
        }
        // A report that is sent twice is stored once.
        bus.publish_report(&report(1, 399)).await.unwrap();
    };
    let (one, two, ()) = tokio::join!(listen(one), listen(two), publish);
    assert!(!one.is_empty() && !two.is_empty(), "{} and {}", one.len(), two.len());
    let all: BTreeSet<_> = one.iter().chain(&two).collect();
    assert_eq!((all.len(), one.len() + two.len()), (400, 400), "each exactly once");
    let nothing_left = async || stored(&nats, streams::REPORTS).await == 0;
    wait::until_true("an empty queue", SOON, nothing_left).await.unwrap();
}

#[tokio::test]
async fn a_report_that_was_not_acknowledged_outlives_its_reader() {
    let (nats, bus) = start().await;
    bus.publish_report(&report(1, 1)).await.unwrap();
    let mut reports = bus.reports().await;
    let delivery = soon("the report", reports.next()).await.unwrap();
    delivery.nak(Duration::from_millis(50)).await.unwrap();
    drop(reports);
    let mut reports = connect(&nats).await.reports().await;
    let delivery = soon("the report again", reports.next()).await.unwrap();
    assert_eq!((delivery.message.sequence, delivery.attempts > 1), (1, true));
}
