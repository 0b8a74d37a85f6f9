//! The event feed, over a real NATS.

use std::time::Duration;

use bus::{Event, EventKind, MetricSample};
use domain::{
    ids::{DestinationId, SessionId, StreamId, TenantId},
    platform::Platform,
};
use gateway::event_slots::EventSlots;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::harness::{ALICE, BOB, DEADLINE, Gateway, Setup, now, read, signed, token, until};

struct Feed {
    response: reqwest::Response,
    text: String,
}

/// One server-sent event.
#[derive(Debug)]
struct Sent {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Feed {
    async fn open(gateway: &Gateway, tenant: &str, stream: &str, last: Option<u64>) -> Self {
        let request = gateway.request(tenant, "GET", &format!("/api/simulcast/{stream}/events"));
        let request = request.timeout(Duration::from_secs(60));
        let request = last.into_iter().fold(request, |r, id| r.header("last-event-id", id.to_string()));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next block: an event, or a comment as `None`. The outer `None` is the end.
    async fn block(&mut self) -> Option<Option<Sent>> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(parse(&block));
            }
            let chunk =
                tokio::time::timeout(DEADLINE, self.response.chunk()).await.expect("something comes").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> Sent {
        loop {
            if let Some(sent) = self.block().await.expect("the feed goes on") {
                return sent;
            }
        }
    }
}

fn parse(block: &str) -> Option<Sent> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let event = field("event:")?.to_owned();
    let id = field("id:").map(|id| id.parse().expect("a number"));
    Some(Sent { id, event, data: serde_json::from_str(field("data:")?).unwrap() })
}

struct World {
    _nats: testkit::Nats,
    bus: bus::Bus,
    gateway: Gateway,
    stream: String,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let nats = testkit::Nats::start().await.expect("nats-server");
        let bus = bus::Bus::connect(&nats.url(), "test").await.unwrap();
        bus.ensure_streams(1).await.unwrap();
        let gateway = Gateway::with(Setup { nats: nats.url(), ..setup }).await;
        let stream = gateway.stream(ALICE).await;
        Self { _nats: nats, bus, gateway, stream }
    }

    fn event(&self, kind: EventKind) -> Event {
        Event {
            id: Uuid::now_v7(),
            kind,
            stream: self.stream.parse::<StreamId>().unwrap(),
            destination: None,
            tenant: TenantId(ALICE.into()),
            time: OffsetDateTime::from_unix_timestamp(now()).unwrap(),
            data: json!({}),
        }
    }

    async fn publish(&self, kind: EventKind) {
        self.bus.publish_event(&self.event(kind)).await.unwrap();
    }

    fn sample(&self, sequence: u64) -> MetricSample {
        let destination = DestinationId(Uuid::from_u128(7));
        MetricSample {
            stream: self.stream.parse().unwrap(),
            destination,
            session: SessionId::from(destination),
            epoch: 1,
            sequence,
            platform: Platform::RtmpCustom,
            fps: 30.0,
            bitrate: 4_500.0,
            frames_sent: 30,
            bytes_sent: 560_000,
            dropped_frames: 0,
            speed: 1.0,
            reconnects: 0,
            at_ms: now() * 1_000,
        }
    }
}

#[tokio::test]
async fn a_snapshot_then_events_and_metrics() {
    let world = World::start(Setup::default()).await;
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    let snapshot = feed.next().await;
    assert_eq!((snapshot.event.as_str(), snapshot.id), ("snapshot", None));
    assert_eq!(snapshot.data["simulcast"], json!({"streamId": world.stream, "status": "idle", "uptime": 0}));
    world.publish(EventKind::StreamStarted).await;
    let started = feed.next().await;
    assert_eq!(started.event, "stream:started");
    assert_eq!((&started.data["specversion"], &started.data["type"]), (&json!("1.0"), &json!("stream:started")));
    assert!(started.id.is_some());
    world.bus.publish_metric(&world.sample(1)).await.unwrap();
    let metrics = feed.next().await;
    assert_eq!((metrics.event.as_str(), metrics.id), ("metrics:update", None));
    assert_eq!(metrics.data["data"]["framesSent"], 30);
    world.publish(EventKind::HealthDegraded).await;
    let degraded = feed.next().await;
    assert!(degraded.event == "health:degraded" && degraded.id > started.id, "{degraded:?}");
}

#[tokio::test]
async fn last_event_id_resumes_without_gap_or_repeat() {
    let world = World::start(Setup::default()).await;
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    feed.next().await;
    world.publish(EventKind::StreamStarting).await;
    let seen = feed.next().await.id;
    drop(feed);
    world.publish(EventKind::StreamStarted).await;
    world.publish(EventKind::DestinationConnected).await;
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, seen).await;
    assert_eq!(feed.next().await.event, "snapshot");
    assert_eq!(feed.next().await.event, "stream:started");
    assert_eq!(feed.next().await.event, "destination:connected");
    world.publish(EventKind::StreamEnded).await;
    assert_eq!(feed.next().await.event, "stream:ended");
}

#[tokio::test]
async fn garbage_ids_foreign_streams_and_bad_tokens_get_no_feed() {
    let world = World::start(Setup::default()).await;
    let path = format!("/api/simulcast/{}/events", world.stream);
    for garbage in ["x", "", "-1", "1e3", "99999999999999999999999", "1,2"] {
        let request = world.gateway.request(ALICE, "GET", &path).header("last-event-id", garbage);
        read(request).await.refused(400, "last_event_id_invalid");
    }
    world.gateway.get(BOB, &path).await.refused(404, "stream_not_found");
    read(world.gateway.bare("GET", &format!("{path}?access_token={}", token(ALICE))))
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn events_of_others_are_not_shown() {
    let world = World::start(Setup::default()).await;
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    feed.next().await;
    let foreign = Event { tenant: TenantId(BOB.into()), ..world.event(EventKind::StreamStarting) };
    world.bus.publish_event(&foreign).await.unwrap();
    let other = Event { stream: StreamId(Uuid::now_v7()), ..world.event(EventKind::StreamStarting) };
    world.bus.publish_event(&other).await.unwrap();
    world.publish(EventKind::StreamEnded).await;
    assert_eq!(feed.next().await.event, "stream:ended");
}

#[tokio::test]
async fn an_idle_feed_has_a_heartbeat() {
    let mut setup = Setup::default();
    setup.options.heartbeat = Duration::from_millis(50);
    let world = World::start(setup).await;
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    feed.next().await;
    assert!(feed.block().await.expect("the feed goes on").is_none(), "a comment");
}

#[tokio::test]
async fn a_feed_ends_with_its_token_and_with_the_gateway() {
    let world = World::start(Setup::default()).await;
    let path = format!("/api/simulcast/{}/events", world.stream);
    let short = signed(&json!({"sub": ALICE, "exp": now() + 1}));
    let response = world.gateway.bare("GET", &path).bearer_auth(short).send().await.unwrap();
    assert!(response.text().await.unwrap().contains("event: snapshot"));
    let mut feed = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    feed.next().await;
    world.gateway.shutdown.trigger();
    while feed.block().await.is_some() {}
}

#[tokio::test]
async fn only_so_many_feeds_of_one_tenant() {
    let setup = Setup { event_slots: EventSlots::new(2, 3), ..Setup::default() };
    let world = World::start(setup).await;
    let path = format!("/api/simulcast/{}/events", world.stream);
    let one = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    let _two = Feed::open(&world.gateway, ALICE, &world.stream, None).await;
    let refused = world.gateway.get(ALICE, &path).await.refused(429, "too_many_event_streams");
    assert_eq!(refused.header("retry-after"), "5");
    drop(one);
    let begun = tokio::time::Instant::now();
    loop {
        let response = world.gateway.request(ALICE, "GET", &path).send().await.unwrap();
        if response.status() == 200 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "the place comes back");
    }
}

#[tokio::test]
async fn a_reader_that_never_reads_is_cut() {
    use tokio::io::AsyncWriteExt;

    let mut setup = Setup::default();
    setup.options.event_buffer = 4;
    setup.options.event_patience = Duration::from_millis(200);
    setup.limits.stalled_write_timeout = Duration::from_millis(500);
    let world = World::start(setup).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(world.gateway.address).await.unwrap();
    let head = format!(
        "GET /api/simulcast/{}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        world.stream,
        token(ALICE)
    );
    deaf.write_all(head.as_bytes()).await.unwrap();
    until("the feed is open", || world.gateway.fake.calls().contains(&"get_status")).await;
    // Its connection and its pump, besides others.
    let open = world.gateway.shutdown.tasks.len();
    assert!(open > 2, "{open}");
    let mut large = world.event(EventKind::StreamStarted);
    large.data = json!({"padding": "x".repeat(200_000)});
    let flood = async {
        loop {
            large.id = Uuid::now_v7();
            world.bus.publish_event(&large).await.unwrap();
        }
    };
    let cut = async {
        while world.gateway.shutdown.tasks.len() > open - 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Half a second without progress, and the time it takes to fill the buffers on the way on a busy machine.
    tokio::select! {
        () = flood => {}
        cut = tokio::time::timeout(Duration::from_secs(25), cut) => cut.expect("it is cut"),
    }
    drop(deaf);
}
