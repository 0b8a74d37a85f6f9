//! What every handler works with.

use std::{sync::Arc, time::Duration};

use domain::target::TargetPolicy;
use service_kit::{Clock, Shutdown};

use crate::{
    auth::Authenticator, event_slots::EventSlots, input::Terms, input::start::OwnIngest, platforms::Directory,
    rate::RateLimits, upstream::Budget, upstream::Upstream,
};

/// The largest picture that YouTube takes, by its API's description (thumbnails.set, `maxSize`).
pub const MAX_PICTURE_BYTES: usize = 2 * 1024 * 1024;

/// The bounds and choices of a gateway.
#[derive(Clone, Debug)]
pub struct Options {
    /// What encoders publish to: `rtmp://host:port/live`.
    pub public_ingest_url: String,
    /// Whether destinations and sources may be on private hosts.
    pub target_policy: TargetPolicy,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// How long the services behind us may take for one request in all.
    pub upstream_timeout: Duration,
    /// How long a request may take that a platform has a part in.
    pub platform_timeout: Duration,
    /// The largest picture, in bytes.
    pub max_picture_bytes: usize,
    /// How long a connection test may take.
    pub test_timeout: Duration,
    /// How often an idle event stream says that it is alive.
    pub heartbeat: Duration,
    /// Events that may wait for a slow reader.
    pub event_buffer: usize,
    /// How long a reader with a full buffer may take nothing before it is cut.
    pub event_patience: Duration,
    /// Tries to delete the secret of something that could not be made.
    pub cleanup_tries: u32,
    /// The first pause between two of them; each next one is twice as long.
    pub cleanup_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_ingest_url: "rtmp://127.0.0.1:1935/live".to_owned(),
            target_policy: TargetPolicy::default(),
            max_body_bytes: 64 * 1024,
            upstream_timeout: Duration::from_millis(1_900),
            platform_timeout: Duration::from_secs(18),
            max_picture_bytes: MAX_PICTURE_BYTES,
            test_timeout: Duration::from_secs(28),
            heartbeat: Duration::from_secs(15),
            event_buffer: 256,
            event_patience: Duration::from_secs(10),
            cleanup_tries: 8,
            cleanup_pause: Duration::from_secs(1),
        }
    }
}

/// The parts of a running gateway. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// See [`App`].
pub struct Parts {
    /// Checks tokens.
    pub auth: Authenticator,
    /// Counts requests.
    pub rates: RateLimits,
    /// Counts event streams.
    pub event_slots: EventSlots,
    /// The services behind us.
    pub upstream: Upstream,
    /// Which platforms are set up.
    pub platforms: Directory,
    /// The event feed.
    pub bus: bus::Bus,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends the process; owns every task.
    pub shutdown: Shutdown,
    /// Our own ingest, which can't be a source.
    pub own_ingest: OwnIngest,
    /// Bounds and choices.
    pub options: Options,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The budget of one request.
    pub fn budget(&self) -> Budget {
        Budget::of(self.options.upstream_timeout)
    }

    /// The budget of one request that a platform has a part in.
    pub fn platform_budget(&self) -> Budget {
        Budget::of(self.options.platform_timeout)
    }

    /// What bodies are held to.
    pub fn terms(&self) -> Terms {
        Terms { policy: self.options.target_policy, now_s: self.now_s() }
    }

    /// Seconds since 1970.
    pub fn now_s(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
