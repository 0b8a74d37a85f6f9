//! Counters over epochs and runs, flow, and when silence counts.

use domain::{
    ids::{DestinationId, SessionId},
    platform::Platform,
};
use proptest::prelude::*;
use sqlx::types::Json;
use uuid::Uuid;

use super::*;
use crate::rows::{BroadcastRow, DestinationRow, StoredSettings};

fn row(run_ms: i64, status: &str) -> BoardRow {
    let destination = DestinationRow {
        id: Uuid::from_u128(1),
        stream_id: Uuid::from_u128(2),
        tenant_id: "t".into(),
        platform: "rtmp_custom".into(),
        name: "d".into(),
        is_enabled: true,
        auto_start: false,
        settings: Json(StoredSettings::default()),
        rtmp_url: String::new(),
        account_id: String::new(),
        playback_url: String::new(),
        viewer_count: 0,
        attached: true,
        spec_version: 1,
        gave_up: None,
        status: status.into(),
        fault: None,
        retry_at_ms: None,
        mode: String::new(),
        reconnects: 0,
        connected_at_ms: Some(0),
        health: "unknown".into(),
        issues: Json(Vec::new()),
        created_at_ms: 0,
        deleted_at_ms: None,
        broadcast: BroadcastRow::default(),
    };
    BoardRow { destination, run_ms, source: None }
}

fn sample(epoch: u64, sequence: u64, bytes: u64) -> MetricSample {
    MetricSample {
        stream: StreamId(Uuid::from_u128(2)),
        destination: DestinationId(Uuid::from_u128(1)),
        session: SessionId(Uuid::from_u128(1)),
        epoch,
        sequence,
        platform: Platform::RtmpCustom,
        fps: 30.0,
        bitrate: 4_000.0,
        frames_sent: bytes / 10,
        bytes_sent: bytes,
        dropped_frames: 0,
        speed: 1.0,
        reconnects: 0,
        at_ms: i64::try_from(sequence).expect("small") * 1_000,
    }
}

#[test]
fn counters_add_up_over_epochs_and_old_samples_are_dropped() {
    let mut watched = Watched::new(&row(10, "live"), None);
    assert!(watched.take(&sample(3, 1, 100)));
    assert!(watched.take(&sample(3, 2, 300)));
    assert!(!watched.take(&sample(3, 2, 300)));
    assert!(watched.take(&sample(5, 1, 50)));
    assert!(!watched.take(&sample(3, 9, 900)));
    assert_eq!((watched.reading().bytes, watched.reading().frames), (350, 35));
}

#[test]
fn a_new_replica_goes_on_and_a_new_run_begins_at_zero() {
    let mut watched = Watched::new(&row(10, "live"), None);
    watched.take(&sample(3, 1, 100));
    watched.take(&sample(5, 1, 50));
    let saved = watched.unsaved().expect("changed");
    assert_eq!(watched.unsaved(), None);
    let mut other = Watched::new(&row(10, "live"), Some(saved.clone()));
    other.take(&sample(5, 2, 80));
    assert_eq!(other.reading().bytes, 180);
    let mut next_run = Watched::new(&row(20, "live"), Some(saved));
    assert_eq!(next_run.reading().bytes, 0);
    next_run.take(&sample(5, 2, 80));
    assert_eq!(next_run.reading().bytes, 30, "the same session ran on");
    next_run.take(&sample(6, 1, 7));
    assert_eq!(next_run.reading().bytes, 37);
}

#[test]
fn a_second_of_growth_is_flow_and_is_noted_once_per_connection() {
    let mut watched = Watched::new(&row(10, "connected"), None);
    let mut see = |sequence, bytes, reconnects| {
        let sample = MetricSample { reconnects, ..sample(3, sequence, bytes) };
        watched.take(&sample);
        let flowing = watched.flowing(&sample).is_some();
        if flowing {
            watched.flow_noted();
        }
        flowing
    };
    assert!(!see(1, 100, 0));
    assert!(see(2, 200, 0));
    assert!(!see(3, 300, 0));
    assert!(!see(4, 300, 1), "stalled");
    assert!(see(5, 400, 1), "flows again");
    assert!(see(6, 500, 2), "a quick reconnect is a new connection");
}

#[test]
fn silence_counts_only_while_we_listen() {
    let mut watched = Watched::new(&row(10, "live"), None);
    watched.take(&sample(3, 1, 100));
    assert_eq!(watched.judge(5_000, Some(0)).health, Health::Healthy);
    assert_eq!(watched.judge(20_000, None).health, Health::Healthy, "the bus is down");
    assert_eq!(watched.judge(20_000, Some(15_000)).health, Health::Healthy, "the bus is just back");
    assert_eq!(watched.judge(25_000, Some(15_000)).health, Health::Stale);
}

#[test]
fn trouble_shows_while_reconnecting() {
    let mut broken = row(10, "reconnecting");
    broken.destination.fault = Some(Json(Fault::new(
        domain::fault::Blame::Destination,
        domain::fault::Retry::Transient,
        "connection_lost",
        "The server closed the connection.",
    )));
    let mut watched = Watched::new(&broken, None);
    let verdict = watched.judge(1_000, Some(0)).clone();
    assert_eq!((verdict.health, verdict.issues.len()), (Health::Degraded, 1));
}

proptest! {
    #[test]
    fn counters_never_go_back(samples in prop::collection::vec((1u64..4, 1u64..20, 0u64..1_000), 1..60)) {
        let mut watched = Watched::new(&row(10, "live"), None);
        let mut last = 0;
        for (epoch, sequence, bytes) in samples {
            watched.take(&sample(epoch, sequence, bytes));
            let now = watched.reading().bytes;
            prop_assert!(now >= last);
            last = now;
        }
    }
}
