//! A gateway on a private port, with fakes behind it and a client in front.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway::{
    app::{App, MAX_PICTURE_BYTES, Options, Parts},
    auth::{Authenticator, Keys, token::Policy},
    event_slots::EventSlots,
    input::start::OwnIngest,
    platforms::Directory,
    rate::{Rate, RateLimits},
    serve,
    upstream::Upstream,
};
use jsonwebtoken::DecodingKey;
use reqwest::{Method, StatusCode, header::HeaderMap};
use secret::SecretString;
use serde_json::{Value, json};
use service_kit::{HttpLimits, Readiness, Shutdown, SystemClock, grpc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wire::v1::{platforms_server::PlatformsServer, streams_server::StreamsServer, vault_server::VaultServer};

use crate::fake::Fake;

pub const SECRET: &str = "a-test-secret-of-at-least-32-bytes!";
pub const INTERNAL: &str = "internal-test-token";
pub const INGEST: &str = "rtmp://ingest.example.com/live";
pub const ALICE: &str = "alice";
pub const BOB: &str = "bob";
/// No test waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How a PNG begins.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n-----";

/// What a test may choose.
pub struct Setup {
    pub options: Options,
    pub keys: Keys,
    pub policy: Policy,
    pub tenant: Rate,
    pub address: Rate,
    pub limits: HttpLimits,
    pub nats: String,
    pub origins: Vec<&'static str>,
    pub event_slots: EventSlots,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: Options { public_ingest_url: INGEST.into(), ..Options::default() },
            keys: Keys::Secret(DecodingKey::from_secret(SECRET.as_bytes()).into()),
            policy: Policy::default(),
            tenant: Rate { per_second: 0, burst: 0 },
            address: Rate { per_second: 0, burst: 0 },
            limits: HttpLimits {
                max_header_bytes: 96 * 1024,
                max_body_bytes: MAX_PICTURE_BYTES,
                ..HttpLimits::default()
            },
            nats: "nats://127.0.0.1:1".into(),
            origins: Vec::new(),
            event_slots: EventSlots::new(50, 100),
        }
    }
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    pub fake: Fake,
    pub shutdown: Shutdown,
    pub behind: Shutdown,
    pub readiness: Readiness,
    http: reqwest::Client,
}

/// An answer, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Reply {
    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or("")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The names of the fields at fault.
    pub fn fields(&self) -> Vec<&str> {
        let fields = self.json["error"]["fields"].as_array();
        fields.into_iter().flatten().filter_map(|f| f["field"].as_str()).collect()
    }

    /// Asserts an error in the envelope and returns itself.
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.json["success"], false, "{}", self.text);
        assert_eq!(self.json["error"]["request_id"], self.header("x-request-id"), "{}", self.text);
        assert!(!self.json["error"]["message"].as_str().unwrap_or("").is_empty(), "{}", self.text);
        assert!(self.json["error"]["fields"].is_array(), "{}", self.text);
        self
    }

    /// Asserts a good answer and returns its data.
    pub fn good(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.json["success"], true, "{}", self.text);
        self.json["data"].clone()
    }
}

impl Gateway {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        service_kit::install_crypto();
        let fake = Fake::default();
        let (behind, upstream) = serve_fake(&fake).await;
        let shutdown = Shutdown::new(Duration::from_secs(2));
        let bus = bus::Options { boot_wait: Duration::from_millis(1), ..bus::Options::default() };
        let app = App::new(Parts {
            auth: Authenticator::new(setup.keys, setup.policy),
            rates: RateLimits::new(setup.tenant, setup.address),
            event_slots: setup.event_slots,
            upstream: Upstream::new(&upstream, &upstream, &SecretString::from(INTERNAL)).unwrap(),
            platforms: Directory::default(),
            bus: bus::Bus::connect_with(&setup.nats, "gateway-test", bus).await.unwrap(),
            clock: Arc::new(SystemClock),
            shutdown: shutdown.clone(),
            own_ingest: OwnIngest::of(&setup.options.public_ingest_url),
            options: setup.options,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::until(&shutdown);
        let origins: Vec<_> = setup.origins.iter().map(|o| o.parse().unwrap()).collect();
        let (ready, down) = (readiness.clone(), shutdown.clone());
        let serving = async move { serve::serve(listener, app, &origins, ready, setup.limits, down).await };
        shutdown.tasks.spawn(serving);
        let http = reqwest::Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none());
        Self { address, fake, shutdown, behind, readiness, http: http.build().unwrap() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request without anything; add what the test is about.
    pub fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    /// A request of a tenant.
    pub fn request(&self, tenant: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(token(tenant))
    }

    pub async fn get(&self, tenant: &str, path: &str) -> Reply {
        read(self.request(tenant, "GET", path)).await
    }

    pub async fn post(&self, tenant: &str, path: &str, body: Value) -> Reply {
        read(self.request(tenant, "POST", path).json(&body)).await
    }

    pub async fn send(&self, tenant: &str, method: &str, path: &str, body: Value) -> Reply {
        read(self.request(tenant, method, path).json(&body)).await
    }

    /// A request that any route takes, as far as it can be said without knowing the route: good in form, for `stream`.
    pub fn fitting(&self, tenant: &str, method: &str, path: &str, stream: &str) -> reqwest::RequestBuilder {
        let end = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let query = if end == "categories" { "?query=x" } else { "" };
        let request = self.request(tenant, method, &format!("{path}{query}"));
        let body = match (method, end) {
            ("GET", _) => return request,
            (_, "thumbnail") => return request.header("content-type", "image/png").body(PNG),
            ("POST", "start" | "stop" | "test" | "rotate" | "refresh-token") => return request,
            (_, "page") => json!({"page_id": "1"}),
            ("POST", "destinations") => custom(stream),
            ("POST", "streams") => json!({"title": "x"}),
            ("POST", "exchange-token") => json!({"code": "c", "stream_id": stream, "name": "x"}),
            _ => json!({}),
        };
        request.json(&body)
    }

    /// Writes raw bytes and returns what comes back until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // The server may close before it has read everything.
        let _ = socket.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await.expect("the server closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A new stream of a tenant: its id.
    pub async fn stream(&self, tenant: &str) -> String {
        let data = self.post(tenant, "/api/streams", json!({"title": "My Stream"})).await.good(201);
        data["id"].as_str().unwrap().to_owned()
    }

    /// A new destination on another platform: its id.
    pub async fn on(&self, tenant: &str, platform: &str, stream: &str) -> String {
        let data = self.post(tenant, "/api/destinations", on(platform, stream)).await.good(201);
        data["id"].as_str().unwrap().to_owned()
    }

    /// A new destination of a stream: its id.
    pub async fn destination(&self, tenant: &str, stream: &str) -> String {
        let data = self.post(tenant, "/api/destinations", custom(stream)).await.good(201);
        data["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.soft.cancel();
        self.shutdown.hard.cancel();
        self.behind.soft.cancel();
        self.behind.hard.cancel();
    }
}

async fn serve_fake(fake: &Fake) -> (Shutdown, String) {
    let shutdown = Shutdown::new(Duration::from_secs(1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let guard = grpc::require_internal(&SecretString::from(INTERNAL));
    let router = grpc::server()
        .add_service(StreamsServer::with_interceptor(fake.clone(), guard.clone()))
        .add_service(VaultServer::with_interceptor(fake.clone(), guard.clone()))
        .add_service(PlatformsServer::with_interceptor(fake.clone(), guard));
    shutdown.tasks.spawn(grpc::serve(router, listener, shutdown.clone()));
    (shutdown, url)
}

/// A destination on another platform.
pub fn on(platform: &str, stream: &str) -> Value {
    json!({"stream_id": stream, "platform": platform, "name": "My channel", "is_enabled": true})
}

/// The product guide's example of a custom destination.
pub fn custom(stream: &str) -> Value {
    json!({
        "stream_id": stream, "platform": "rtmp_custom", "name": "Custom RTMP Server",
        "rtmp_url": "rtmp://custom-server.com/live", "stream_key": "your-stream-key",
        "settings": {"bitrate": 3500, "resolution": "1280x720", "framerate": 30}
    })
}

/// A good token of a tenant.
pub fn token(tenant: &str) -> String {
    signed(&json!({"sub": tenant, "exp": now() + 600}))
}

/// Claims under the right secret.
pub fn signed(claims: &Value) -> String {
    signed_with(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET.as_bytes())
}

/// Header and claims under some HMAC secret.
pub fn signed_with(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", part(&header.to_string()), part(&claims.to_string()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

pub fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub fn now() -> i64 {
    service_kit::Clock::now(&SystemClock).unix_timestamp()
}

pub async fn read(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    assert_clean(status, &text);
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status: status.as_u16(), headers, text, json }
}

/// No answer ever shows a key that was sent, or what is inside.
fn assert_clean(status: StatusCode, text: &str) {
    for secret in ["your-stream-key", crate::fake_platforms::CODE, "SELECT", "panicked", "tonic", "db.internal"] {
        assert!(!text.contains(secret), "{status}: {text}");
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
