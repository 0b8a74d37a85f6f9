//! What the tests share.

use std::{future::Future, time::Duration};

use bus::{Bus, Delivery, Event, EventKind, MetricSample};
use domain::{
    ids::{DestinationId, SessionId, StreamId, TenantId, WorkerId},
    platform::Platform,
};
use testkit::Nats;
use time::OffsetDateTime;
use uuid::Uuid;
use wire::v1::{ControlSession, Phase, RunSession, SessionReport, control_session::Action};

/// For anything that should happen.
pub const SOON: Duration = Duration::from_secs(15);

pub async fn start() -> (Nats, Bus) {
    let nats = Nats::start().await.unwrap();
    let bus = connect(&nats).await;
    (nats, bus)
}

/// One more process on the same server.
pub async fn connect(nats: &Nats) -> Bus {
    let bus = Bus::connect(&nats.url(), "test").await.unwrap();
    bus.ensure_streams(1).await.unwrap();
    bus
}

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"))
}

pub fn run(n: u128, epoch: u64) -> RunSession {
    RunSession { session_id: id(n), epoch, kind: 1, stream_id: id(1), destination_id: id(n) }
}

pub fn report(n: u128, sequence: u64) -> SessionReport {
    SessionReport { session_id: id(n), epoch: 1, sequence, phase: Phase::Connected as i32, ..SessionReport::default() }
}

pub fn stop(n: u128) -> ControlSession {
    ControlSession { session_id: id(n), epoch: 1, action: Action::Stop as i32 }
}

pub fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

pub fn stream(n: u128) -> StreamId {
    StreamId(Uuid::from_u128(n))
}

pub fn event(stream_number: u128, kind: EventKind) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind,
        stream: stream(stream_number),
        destination: None,
        tenant: TenantId("alice".into()),
        time: OffsetDateTime::UNIX_EPOCH,
        data: serde_json::json!({}),
    }
}

pub fn sample(stream_number: u128, sequence: u64) -> MetricSample {
    MetricSample {
        stream: stream(stream_number),
        destination: DestinationId(Uuid::from_u128(3)),
        session: SessionId(Uuid::from_u128(3)),
        epoch: 1,
        sequence,
        platform: Platform::RtmpCustom,
        fps: 30.0,
        bitrate: 6000.0,
        frames_sent: 1,
        bytes_sent: 1,
        dropped_frames: 0,
        speed: 1.0,
        reconnects: 0,
        at_ms: 1,
    }
}

/// Acknowledges all and returns (session, epoch) of each.
pub async fn ack_all(commands: Vec<Delivery<RunSession>>) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    for command in commands {
        command.ack().await.unwrap();
        seen.push((command.message.session_id, command.message.epoch));
    }
    seen
}

/// A plain client, for what the bus does not let one do.
pub async fn raw(nats: &Nats) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap())
}

/// How many messages a stream holds.
pub async fn stored(nats: &Nats, stream_name: &str) -> u64 {
    raw(nats).await.get_stream(stream_name).await.unwrap().cached_info().state.messages
}

pub fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}
