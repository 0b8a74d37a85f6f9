//! The common beat of all sessions of this process.
//!
//! What a copy session costs is mostly waking up: a few kilobytes are moved quickly, but only after a context switch, a
//! look at the timers and with cold caches. Sessions that wake at the same moments share one wake-up, so periodic work
//! sleeps until the next point of a grid that all share, and not for a time of its own.

use std::{sync::OnceLock, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// Between two bursts of a session. At 6 Mbit/s 80 ms are 60 KB, which a pipe holds.
pub const BURST: Duration = Duration::from_millis(80);
/// So long after FFmpeg was fed, what it makes of a burst is there.
pub const SETTLE: Duration = Duration::from_millis(20);

/// Sleeps until the next point of the grid that lies `after` behind a multiple of `every`.
pub fn beat(every: Duration, after: Duration) -> Sleep {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let origin = *ORIGIN.get_or_init(|| now);
    sleep_until(origin + next(now.saturating_duration_since(origin), every, after))
}

/// The first point after `now`; all are times since the origin.
fn next(now: Duration, every: Duration, after: Duration) -> Duration {
    let every = every.as_nanos().max(1);
    let after = after.as_nanos() % every;
    let beats = (now.as_nanos() + every - after) / every;
    let at = beats * every + after;
    Duration::from_nanos(u64::try_from(at).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(now: u64, every: u64, after: u64, expected: u64) {
        let ms = Duration::from_millis;
        assert_eq!(next(ms(now), ms(every), ms(after)), ms(expected), "{now} {every} {after}");
    }

    #[test]
    fn the_next_point_lies_ahead_by_one_beat_at_most() {
        check(0, 80, 0, 80);
        check(1, 80, 0, 80);
        check(79, 80, 0, 80);
        check(80, 80, 0, 160);
        check(0, 80, 20, 20);
        check(20, 80, 20, 100);
        check(99, 80, 20, 100);
        check(5, 80, 160, 80);
        check(1_000_007, 250, 0, 1_000_250);
    }
}
