//! Every bound of the leases.

use std::time::Duration;

/// The bounds. All processes of an installation must agree on [`Options::ttl`].
#[derive(Clone, Debug)]
pub struct Options {
    /// A lease that is not renewed for this long is up for another worker.
    pub ttl: Duration,
    /// One call, with its connection and its one retry.
    pub call_timeout: Duration,
    /// Making a connection.
    pub connect_timeout: Duration,
    /// How long epoch floors and wishes are kept after they were last touched.
    pub keep: Duration,
    /// When nobody has scanned for this long, holders get one more TTL before they count as dead.
    pub scan_gap: Duration,
    /// An expired lease is reported this often (once per TTL) until a higher floor is set.
    pub reports: u32,
    /// Sessions in one renewal script; more are renewed in several calls.
    pub renew_batch: usize,
    /// Processes listed at most.
    pub max_processes: usize,
}

impl Options {
    /// The defaults with this TTL.
    pub fn with_ttl(ttl: Duration) -> Self {
        Self {
            ttl,
            call_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_millis(500),
            keep: Duration::from_secs(24 * 3600),
            scan_gap: Duration::from_secs(2),
            reports: 5,
            renew_batch: 500,
            max_processes: 1000,
        }
    }
}

/// Whole milliseconds, as Redis takes them.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
