//! A relay in this process with everything around it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::BytesMut;
use domain::{
    ids::{Epoch, RelayId, SessionId, StreamId},
    source::SourceInfo,
    target::{RtmpUrl, TargetPolicy},
};
use lease::Directory;
use media::{
    flv::{Decoder, Tag},
    rtmp::{
        publisher::{self, PublishError, Publisher, Target},
        tls::Trust,
    },
};
use relay::{Options, Service, options::Bounds};
use reqwest::StatusCode;
use secret::{SecretString, StreamKey};
use service_kit::{
    Clock, Shutdown, SystemClock, grpc,
    ticket::{Ticket, TicketKey, Use},
};
use testkit::Redis;
use uuid::Uuid;

use crate::orchestrator::Orchestrator;

pub const KEY: &str = "abcd-efgh-ijkl-mnop-qrst";
pub const DEADLINE: Duration = Duration::from_secs(10);

pub struct Rig {
    pub orchestrator: Orchestrator,
    pub orchestrator_shutdown: Shutdown,
    pub stream: StreamId,
    pub addresses: relay::service::Addresses,
    pub shutdown: Shutdown,
    pub tickets: TicketKey,
    pub redis: Redis,
    pub http: reqwest::Client,
    sessions: AtomicU64,
}

/// Chosen for short tests; everything else as in production.
pub fn bounds() -> Bounds {
    let mut bounds = Bounds { report_every: Duration::from_millis(200), ..Bounds::default() };
    bounds.authorize_wait = Duration::from_secs(1);
    bounds.session.idle_timeout = Duration::from_secs(2);
    bounds.session.linger = Duration::from_millis(300);
    bounds
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(bounds(), false).await
    }

    pub async fn with(bounds: Bounds, takeover: bool) -> Self {
        service_kit::install_crypto();
        let redis = Redis::start().await.unwrap();
        let token = SecretString::from("internal-token-of-this-test");
        let orchestrator = Orchestrator::default();
        let orchestrator_shutdown = Shutdown::new(Duration::from_secs(1));
        let orchestrator_at = orchestrator.serve(&token, orchestrator_shutdown.clone()).await;
        let stream = StreamId(Uuid::now_v7());
        orchestrator.add_key(KEY, stream);
        let tickets = TicketKey::new(&SecretString::from("t".repeat(32))).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = Options {
            relay: RelayId("relay-under-test".into()),
            ops_listen: any,
            rtmp_listen: any,
            http_listen: any,
            http_advertise: None,
            rtmp_advertise: None,
            takeover,
            ticket_key: tickets.clone(),
            orchestrator: grpc::internal_channel(&format!("http://{orchestrator_at}"), &token).unwrap(),
            redis_url: SecretString::from(redis.url()),
            bounds,
        };
        let service = Service::bind(options).await.unwrap();
        let (addresses, shutdown) = (service.addresses(), Shutdown::new(Duration::from_secs(3)));
        tokio::spawn(service.run(shutdown.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let sessions = AtomicU64::new(1);
        Self { orchestrator, orchestrator_shutdown, stream, addresses, shutdown, tickets, redis, http, sessions }
    }

    pub fn rtmp_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.addresses.rtmp)
    }

    pub async fn directory(&self) -> Directory {
        Directory::connect(&self.redis.url()).await.unwrap()
    }

    pub async fn publish(&self, key: &str) -> Result<Publisher, PublishError> {
        let lab = TargetPolicy { allow_private: true };
        let target = Target {
            url: RtmpUrl::parse(&format!("rtmp://{}/live", self.addresses.rtmp), lab).unwrap(),
            key: StreamKey::new(key.to_owned()).unwrap(),
            addr: self.addresses.rtmp,
        };
        let options = publisher::Options { coalesce: Duration::ZERO, ..publisher::Options::new(trust()) };
        publisher::connect(target, options, |_, _| {}).await
    }

    pub fn session(&self) -> SessionId {
        SessionId(Uuid::from_u128(self.sessions.fetch_add(1, Ordering::Relaxed).into()))
    }

    pub fn ticket(&self, session: SessionId, epoch: u64, use_: Use) -> String {
        let expires_at_ms = now_ms() + 60_000;
        self.tickets.sign(&Ticket { stream: self.stream, session, epoch: Epoch(epoch), use_, expires_at_ms })
    }

    pub async fn get(&self, stream: StreamId, ticket: &str) -> reqwest::Response {
        let url = format!("http://{}/live/{stream}.flv", self.addresses.http);
        self.http.get(url).bearer_auth(ticket).send().await.unwrap()
    }

    /// A reader of a session of its own.
    pub async fn read(&self) -> Reader {
        let ticket = self.ticket(self.session(), 1, Use::Read);
        Reader::new(self.get(self.stream, &ticket).await)
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.http.get(format!("http://{}/metrics", self.addresses.ops)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let values = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.hard.cancel();
        self.shutdown.trigger();
        self.orchestrator_shutdown.trigger();
    }
}

pub fn trust() -> Trust {
    Trust::system(None).unwrap()
}

pub fn now_ms() -> i64 {
    SystemClock.now_ms()
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Clean,
    Aborted,
}

/// An HTTP-FLV reader.
pub struct Reader {
    response: reqwest::Response,
    pub info: SourceInfo,
    pub decoder: Decoder,
    buffer: BytesMut,
}

impl Reader {
    pub fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "video/x-flv");
        let info = serde_json::from_slice(response.headers()["x-source-info"].as_bytes()).unwrap();
        Self { response, info, decoder: Decoder::default(), buffer: BytesMut::new() }
    }

    /// The next tag, or how the body ended.
    pub async fn next(&mut self) -> Result<Tag, End> {
        let next = async {
            loop {
                if let Some(tag) = self.decoder.next(&mut self.buffer).expect("FLV") {
                    return Ok(tag);
                }
                match self.response.chunk().await {
                    Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                    Ok(None) => return Err(End::Clean),
                    Err(_) => return Err(End::Aborted),
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("a tag or the end in time")
    }

    pub async fn until_end(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }
}
