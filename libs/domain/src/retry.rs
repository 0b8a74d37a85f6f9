//! When to try again: exponential backoff with full jitter, and a budget of consecutive attempts.

use std::time::Duration;

use crate::{fault::Fault, settings::Settings};

/// The first step.
pub const BASE: Duration = Duration::from_secs(1);
/// The longest step.
pub const CAP: Duration = Duration::from_secs(30);
/// So long a connection must hold before the attempts count from zero again.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The ceiling of the wait before `attempt` (1-based): 1, 2, 4, 8, 16, 30, 30 … s.
pub fn ceiling(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    BASE.saturating_mul(1 << doublings).min(CAP)
}

/// The wait before `attempt` with full jitter: `chance` (0.0 ≤ chance < 1.0) picks a point below [`ceiling`].
///
/// Full jitter spreads a crowd of destinations that one outage threw out together
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub fn delay(attempt: u32, chance: f64) -> Duration {
    ceiling(attempt).mul_f64(chance.clamp(0.0, 1.0))
}

/// What a destination allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether to reconnect at all.
    pub auto_reconnect: bool,
    /// Consecutive attempts before giving up.
    pub max_retries: u32,
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        Self {
            auto_reconnect: settings.auto_reconnect.unwrap_or(true),
            max_retries: settings.max_retries.unwrap_or(crate::settings::DEFAULT_MAX_RETRIES),
        }
    }
}

/// Consecutive failed attempts of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    used: u32,
}

/// What to do after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again, as the attempt of this number (1-based).
    Retry {
        /// Feeds [`delay`].
        attempt: u32,
    },
    /// A person must act.
    GiveUp,
}

impl Budget {
    /// Attempts used up so far.
    pub fn used(self) -> u32 {
        self.used
    }

    /// Judges a loss. `connected_for` is how long the connection that was lost had been carrying acknowledged media;
    /// `None` when this attempt never got that far.
    ///
    /// A permanent fault gives up at once. `publish_conflict` (the key is still busy, mostly with our own last
    /// connection) is retried and not counted, and so is a lost source, which is nobody's fault at the destination.
    pub fn lost(self, fault: &Fault, connected_for: Option<Duration>, policy: Policy) -> (Self, Verdict) {
        let used = if connected_for.is_some_and(|d| d >= STABLE_AFTER) { 0 } else { self.used };
        if !fault.is_transient() {
            return (Self { used }, Verdict::GiveUp);
        }
        let free = fault.code == "publish_conflict" || fault.blame == crate::fault::Blame::Source;
        if free {
            return (Self { used }, Verdict::Retry { attempt: used.max(1) });
        }
        if !policy.auto_reconnect || used >= policy.max_retries {
            return (Self { used }, Verdict::GiveUp);
        }
        (Self { used: used + 1 }, Verdict::Retry { attempt: used + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Blame, Retry};

    const POLICY: Policy = Policy { auto_reconnect: true, max_retries: 3 };

    fn lost() -> Fault {
        Fault::new(Blame::Destination, Retry::Transient, "connection_lost", "gone")
    }

    #[test]
    fn the_steps_double_up_to_the_cap() {
        let seconds: Vec<u64> = (1..=8).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(ceiling(u32::MAX), CAP);
    }

    #[test]
    fn jitter_stays_below_the_step() {
        assert_eq!(delay(3, 0.0), Duration::ZERO);
        assert_eq!(delay(3, 0.5), Duration::from_secs(2));
        assert!(delay(3, 0.999) < Duration::from_secs(4));
    }

    #[test]
    fn gives_up_after_the_last_attempt() {
        let mut budget = Budget::default();
        for attempt in 1..=3 {
            let (next, verdict) = budget.lost(&lost(), None, POLICY);
            assert_eq!(verdict, Verdict::Retry { attempt });
            budget = next;
        }
        assert_eq!(budget.lost(&lost(), None, POLICY).1, Verdict::GiveUp);
    }

    #[test]
    fn a_stable_minute_refills_the_budget() {
        let worn = Budget { used: 3 };
        let (budget, verdict) = worn.lost(&lost(), Some(STABLE_AFTER), POLICY);
        assert_eq!((budget.used(), verdict), (1, Verdict::Retry { attempt: 1 }));
        assert_eq!(worn.lost(&lost(), Some(STABLE_AFTER / 2), POLICY).1, Verdict::GiveUp);
    }

    #[test]
    fn a_busy_key_and_a_lost_source_cost_nothing() {
        let busy = Fault::new(Blame::Destination, Retry::Transient, "publish_conflict", "busy");
        let source = Fault::new(Blame::Source, Retry::Transient, "source_lost", "gone");
        for fault in [busy, source] {
            let (budget, verdict) = Budget::default().lost(&fault, None, POLICY);
            assert_eq!((budget.used(), verdict), (0, Verdict::Retry { attempt: 1 }));
        }
    }

    #[test]
    fn a_permanent_fault_ends_it() {
        let refused = Fault::new(Blame::Destination, Retry::Permanent, "publish_refused", "bad key");
        assert_eq!(Budget::default().lost(&refused, None, POLICY).1, Verdict::GiveUp);
        let off = Policy { auto_reconnect: false, ..POLICY };
        assert_eq!(Budget::default().lost(&lost(), None, off).1, Verdict::GiveUp);
    }
}
