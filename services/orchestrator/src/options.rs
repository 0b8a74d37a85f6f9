//! Every bound of this service, in one place.

use std::time::Duration;

use domain::target::TargetPolicy;

use crate::config::Config;

/// How much and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether private hosts may be destinations and sources.
    pub targets: TargetPolicy,
    /// `host:port` of our own ingest.
    pub own_ingest: Option<String>,
    /// Streams one tenant may have.
    pub streams_per_tenant: i64,
    /// Destinations one tenant may have.
    pub destinations_per_tenant: i64,
    /// Destinations one stream may have.
    pub destinations_per_stream: i64,
    /// Longest title or name, in characters.
    pub name_chars: usize,
    /// Largest page of a list.
    pub page: i64,
    /// The bound of one piece of database work: a call answers `database_unavailable` within it.
    pub database: Duration,
    /// The longest a start waits.
    pub start_wait: Duration,
    /// How often a waiting call looks by itself; it is also notified.
    pub poll: Duration,
    /// How long a connection test may take.
    pub test: Duration,
    /// How long a test may stay unclaimed before it is placed again.
    pub test_claim: Duration,
    /// How often every stream that needs it is reconciled.
    pub reconcile: Duration,
    /// Streams reconciled at the same time.
    pub reconcile_parallel: usize,
    /// The pause before a stream that another replica holds is tried again.
    pub reconcile_busy: Duration,
    /// The bound of a Redis write on the way to a command.
    pub redis_write: Duration,
    /// How often expired leases are looked for.
    pub lease_scan: Duration,
    /// Most expired leases taken at once.
    pub lease_batch: usize,
    /// How often leases of running sessions are looked up one by one.
    pub lease_audit: Duration,
    /// So long without a lease means that the owner is gone.
    pub lease_missing: Duration,
    /// Reports handled at the same time; those of one session keep their order.
    pub report_lanes: usize,
    /// Reports that may wait in each lane.
    pub report_queue: usize,
    /// How often health is judged without a sample.
    pub judge: Duration,
    /// How often counters are saved.
    pub totals: Duration,
    /// A publisher that was seen within this time keeps its stream against a second one.
    pub publisher_alive_ms: i64,
    /// A source is announced after so long even if its codec and size are not known.
    pub announce_ms: i64,
    /// Errors kept per run.
    pub errors_per_run: i64,
    /// How long a call may be in flight under an idempotency key.
    pub idempotency_in_flight_ms: i64,
    /// How long an answer is kept for replay.
    pub idempotency_kept_ms: i64,
    /// How long an event is offered to the bus (the bus keeps events as long).
    pub outbox_kept_ms: i64,
    /// Events of one stream sent per transaction.
    pub outbox_batch: i64,
    /// Events of different streams sent at the same time.
    pub outbox_parallel: usize,
    /// How long a relay's ticket is valid.
    pub ticket_ms: i64,
    /// What concerns platforms.
    pub platforms: crate::platforms::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: TargetPolicy::default(),
            own_ingest: None,
            streams_per_tenant: 100,
            destinations_per_tenant: 500,
            destinations_per_stream: 50,
            name_chars: 200,
            page: 200,
            database: Duration::from_millis(1_700),
            start_wait: Duration::from_secs(30),
            poll: Duration::from_millis(250),
            test: Duration::from_secs(12),
            test_claim: Duration::from_secs(3),
            reconcile: Duration::from_secs(1),
            reconcile_parallel: 8,
            reconcile_busy: Duration::from_millis(30),
            redis_write: Duration::from_millis(300),
            lease_scan: Duration::from_millis(100),
            lease_batch: 256,
            lease_audit: Duration::from_secs(1),
            lease_missing: Duration::from_secs(6),
            report_lanes: 4,
            report_queue: 64,
            judge: Duration::from_secs(1),
            totals: Duration::from_secs(2),
            publisher_alive_ms: 5_000,
            announce_ms: 2_000,
            errors_per_run: 100,
            idempotency_in_flight_ms: 60_000,
            idempotency_kept_ms: 24 * 3_600_000,
            outbox_kept_ms: 24 * 3_600_000,
            outbox_batch: 64,
            outbox_parallel: 2,
            ticket_ms: 24 * 3_600_000,
            platforms: crate::platforms::Options::default(),
        }
    }
}

impl Options {
    /// The defaults with what the configuration says.
    pub fn from_config(config: &Config) -> Self {
        let own = config.public_ingest_url.as_deref();
        Self {
            targets: TargetPolicy { allow_private: config.allow_private_destinations },
            own_ingest: own.and_then(own_ingest),
            streams_per_tenant: config.max_streams_per_tenant,
            destinations_per_tenant: config.max_destinations_per_tenant,
            destinations_per_stream: config.max_destinations_per_stream,
            lease_missing: Duration::from_millis(config.lease_ttl_ms * 2),
            ..Self::default()
        }
    }
}

fn own_ingest(url: &str) -> Option<String> {
    let lab = TargetPolicy { allow_private: true };
    let url = domain::target::RtmpUrl::parse(url, lab).ok()?;
    Some(format!("{}:{}", url.host_text(), url.port))
}
