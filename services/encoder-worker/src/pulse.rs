//! Knows whether this process was paused.
//!
//! SIGSTOP, a frozen container or a suspended machine stop every thread between any two instructions. Whoever wakes
//! first must not send a byte before somebody has looked whether the sessions are still ours. A task beats every 100 ms;
//! a beat that comes more than a second late is a *gap*. Both orders are covered: a writer that wakes before the beat
//! sees an old beat, and one that wakes after it sees the gap counted.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// Longest silence between two beats that is not a pause, in ms. A third of the lease: a holder that was silent for
/// less can't have been replaced.
const LIMIT_MS: u64 = 1_000;

/// The pulse of this process.
#[derive(Debug)]
pub struct Pulse {
    last_ms: AtomicU64,
    gaps: AtomicU64,
    noticed: Notify,
}

impl Pulse {
    /// A pulse that beats now.
    pub fn new(now_ms: u64) -> Self {
        Self { last_ms: AtomicU64::new(now_ms), gaps: AtomicU64::new(0), noticed: Notify::new() }
    }

    /// One beat. Returns whether it came after a gap.
    pub fn beat(&self, now_ms: u64) -> bool {
        let gap = !self.is_fresh(now_ms);
        if gap {
            // Counted before the beat is renewed: a writer between the two sees one or the other.
            self.gaps.fetch_add(1, Ordering::SeqCst);
        }
        self.last_ms.store(now_ms, Ordering::SeqCst);
        if gap {
            self.noticed.notify_one();
        }
        gap
    }

    /// Whether the last beat is recent.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms.load(Ordering::SeqCst)) <= LIMIT_MS
    }

    /// Gaps so far.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::SeqCst)
    }

    /// Waits for the next gap that nobody has waited for yet. For one waiter.
    pub async fn gap_noticed(&self) {
        self.noticed.notified().await;
    }
}

/// Milliseconds of a clock that also runs while the machine sleeps.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_beat_is_a_gap() {
        let pulse = Pulse::new(1_000);
        assert!(!pulse.beat(1_100));
        assert!(!pulse.beat(2_100));
        assert!(pulse.beat(3_101));
        assert_eq!(pulse.gaps(), 1);
        assert!(pulse.is_fresh(4_101));
        assert!(!pulse.is_fresh(4_102));
    }

    #[test]
    fn the_clock_runs() {
        let before = now_ms();
        assert!(before > 0 && now_ms() >= before);
    }
}
