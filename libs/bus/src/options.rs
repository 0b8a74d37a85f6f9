//! Every bound of the bus.

use std::time::Duration;

/// The bounds. The defaults are what the services run with; tests shorten some.
#[derive(Clone, Debug)]
pub struct Options {
    /// A publish is stored within this time, or it is an error (given back at most `connect_wait` later).
    pub publish_timeout: Duration,
    /// How long an operation waits for a connection before it says [`crate::Error::Disconnected`]. Long enough for a
    /// reconnect to a server that is there, short enough that a reconciler is not held up when none is.
    pub connect_wait: Duration,
    /// How long [`crate::Bus::connect`] waits for the first connection before it leaves that to the background.
    pub boot_wait: Duration,
    /// One question to the JetStream API.
    pub request_timeout: Duration,
    /// A server that answers no ping twice in a row is gone.
    pub ping_interval: Duration,
    /// The longest pause between two attempts to connect, or to set up a consumer.
    pub max_backoff: Duration,
    /// A command that is not acknowledged in this time goes to another worker. Lease and claim take milliseconds.
    pub command_ack_wait: Duration,
    /// A report that is not acknowledged in this time goes to another replica.
    pub report_ack_wait: Duration,
    /// A command that was handed out more often than this is a dead letter: by then it was placed again anyway.
    pub command_max_deliver: u64,
    /// A report that was handed out more often than this is a dead letter. Reports wait for Postgres, and every ack wait
    /// that passes counts: 100 times 10 s outlast an outage of a quarter of an hour.
    pub report_max_deliver: u64,
    /// Messages in flight to one consumer.
    pub batch: usize,
    /// A waiting pull request is renewed after this time.
    pub pull_expires: Duration,
    /// A pulled stream without a sign of life for twice this time is opened again.
    pub heartbeat: Duration,
    /// The server forgets a consumer nobody has pulled from for this long (feeds only, not the shared queues).
    pub inactive: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            publish_timeout: Duration::from_secs(2),
            connect_wait: Duration::from_millis(300),
            boot_wait: Duration::from_secs(1),
            request_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(5),
            max_backoff: Duration::from_secs(2),
            command_ack_wait: Duration::from_secs(5),
            report_ack_wait: Duration::from_secs(10),
            command_max_deliver: 5,
            report_max_deliver: 100,
            batch: 100,
            pull_expires: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            inactive: Duration::from_secs(30),
        }
    }
}

/// The pause after the `failures`-th failure in a row: 50 ms doubling, with up to a quarter of jitter.
pub(crate) fn backoff(failures: u32, max: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let base = Duration::from_millis(50).saturating_mul(1 << failures.min(8)).min(max);
    base.saturating_sub(base.mul_f64((RandomState::new().hash_one(failures) % 1000) as f64 / 4000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_stays_below_its_bound() {
        let max = Duration::from_secs(2);
        assert!(backoff(0, max) <= Duration::from_millis(50));
        assert!(backoff(3, max) > Duration::from_millis(290));
        for failures in 0..100 {
            assert!(backoff(failures, max) <= max && backoff(failures, max) >= Duration::from_millis(37));
        }
    }
}
