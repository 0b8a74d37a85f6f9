//! How well a destination is served: judged from its samples alone, on every sample and on every tick.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Below this share of the expected frame rate a destination is degraded (the guide's sample: 25.5 of 30).
pub const FPS_SHARE: f64 = 0.9;
/// Below this share of the expected bitrate a destination is degraded.
pub const BITRATE_SHARE: f64 = 0.8;
/// So long a rate must be low before it counts, and good before it counts again, ms.
pub const HOLD_MS: i64 = 5_000;
/// So long without a sample is stale, ms.
pub const STALE_MS: i64 = 10_000;
/// So many reconnects …
pub const FLAPPING: usize = 3;
/// … within this window are flapping, which stays visible after recovery, ms.
pub const FLAPPING_WINDOW_MS: i64 = 600_000;

/// The verdict's one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing to judge: not running, or waiting for its first sample.
    Unknown,
    /// All is well.
    Healthy,
    /// Media flows, but too little, or it keeps breaking.
    Degraded,
    /// No update for [`STALE_MS`].
    Stale,
    /// Failed for good.
    Error,
}

impl Health {
    /// The name in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Stale => "stale",
            Self::Error => "error",
        }
    }
}

/// What should arrive, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Frames per second.
    pub fps: Option<f64>,
    /// kbit/s.
    pub kbps: Option<f64>,
}

/// One second of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, Unix ms.
    pub at_ms: i64,
    /// Frames per second that were sent.
    pub fps: f64,
    /// kbit/s that the sink acknowledged.
    pub kbps: f64,
    /// Reconnects since the session started.
    pub reconnects: u32,
    /// Whether the sink is connected; without that, rates say nothing.
    pub connected: bool,
}

/// A verdict with its sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One word.
    pub health: Health,
    /// What is wrong and what to do, for the streamer. Empty when healthy.
    pub issues: Vec<String>,
}

impl Verdict {
    /// Together with what the platform finds: its complaints come last, and what viewers notice is no good health.
    /// A destination that failed, or fell silent, is judged already.
    #[must_use]
    pub fn and_platform(mut self, is_bad: bool, issues: &[String]) -> Self {
        if matches!(self.health, Health::Error | Health::Stale) {
            return self;
        }
        if is_bad {
            self.health = Health::Degraded;
        }
        self.issues.extend_from_slice(issues);
        self
    }
}

/// The memory that judging needs. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    last: Option<Sample>,
    expected: Expected,
    fps: Rate,
    kbps: Rate,
    reconnects: VecDeque<i64>,
    watched_since_ms: Option<i64>,
}

/// One rate against its floor, with hysteresis: it turns after [`HOLD_MS`] on the other side.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    low: bool,
    turning_since_ms: Option<i64>,
}

impl Rate {
    fn see(&mut self, at_ms: i64, is_low: bool) {
        if is_low == self.low {
            self.turning_since_ms = None;
            return;
        }
        let since = *self.turning_since_ms.get_or_insert(at_ms);
        if at_ms - since >= HOLD_MS {
            *self = Self { low: is_low, turning_since_ms: None };
        }
    }
}

impl Judge {
    /// Starts watching at `now_ms`: from here on, silence counts.
    pub fn watch(&mut self, now_ms: i64) {
        self.watched_since_ms.get_or_insert(now_ms);
    }

    /// Takes a sample in. Samples older than the last one are ignored.
    pub fn sample(&mut self, sample: Sample, expected: Expected) {
        if self.last.is_some_and(|last| sample.at_ms < last.at_ms) {
            return;
        }
        let before = self.last.map_or(sample.reconnects, |last| last.reconnects.min(sample.reconnects));
        for _ in before..sample.reconnects.min(before.saturating_add(16)) {
            self.reconnected(sample.at_ms);
        }
        if sample.connected {
            self.fps.see(sample.at_ms, expected.fps.is_some_and(|fps| sample.fps < fps * FPS_SHARE));
            self.kbps.see(sample.at_ms, expected.kbps.is_some_and(|kbps| sample.kbps < kbps * BITRATE_SHARE));
        }
        self.expected = expected;
        self.last = Some(sample);
    }

    /// Counts one reconnect towards flapping.
    pub fn reconnected(&mut self, at_ms: i64) {
        self.reconnects.push_back(at_ms);
        while self.reconnects.len() > FLAPPING {
            self.reconnects.pop_front();
        }
    }

    /// The verdict at `now_ms`. `failed` is the fault of a destination that failed for good.
    pub fn verdict(&self, now_ms: i64, failed: Option<&Fault>) -> Verdict {
        if let Some(fault) = failed {
            return Verdict { health: Health::Error, issues: vec![fault.message.clone()] };
        }
        let Some(since) = self.last.map(|last| last.at_ms).or(self.watched_since_ms) else {
            return Verdict { health: Health::Unknown, issues: Vec::new() };
        };
        let silent_ms = now_ms - since;
        if silent_ms >= STALE_MS {
            let text = format!(
                "No update for {} s. We are moving it to another worker if it does not return.",
                silent_ms / 1000
            );
            return Verdict { health: Health::Stale, issues: vec![text] };
        }
        let Some(last) = self.last else {
            return Verdict { health: Health::Unknown, issues: Vec::new() };
        };
        let issues = self.issues(now_ms, last);
        Verdict { health: if issues.is_empty() { Health::Healthy } else { Health::Degraded }, issues }
    }

    fn issues(&self, now_ms: i64, last: Sample) -> Vec<String> {
        let mut issues = Vec::new();
        if let (true, Some(fps)) = (self.fps.low, self.expected.fps) {
            issues.push(format!(
                "Low FPS: {:.1} (expected {fps:.0}). Choose a faster preset or a lower resolution, or check the encoder.",
                last.fps
            ));
        }
        if let (true, Some(kbps)) = (self.kbps.low, self.expected.kbps) {
            issues.push(format!(
                "Low bitrate: {:.0} kbps arrive (expected {kbps:.0}). The way to this destination is too narrow: lower its bitrate.",
                last.kbps
            ));
        }
        let recent = self.reconnects.iter().filter(|at| now_ms - **at < FLAPPING_WINDOW_MS).count();
        if recent >= FLAPPING {
            issues.push(format!(
                "Unstable connection: {FLAPPING} reconnects within 10 minutes. Check the destination's server or lower its bitrate."
            ));
        }
        issues
    }
}

/// The word for the whole stream: the worst of its destinations, except that a stream with any good destination is
/// at worst degraded.
pub fn overall(destinations: impl IntoIterator<Item = Health>) -> Health {
    let all: Vec<Health> = destinations.into_iter().filter(|h| *h != Health::Unknown).collect();
    let bad = |h: &Health| matches!(h, Health::Error | Health::Stale);
    if all.is_empty() {
        Health::Unknown
    } else if all.iter().all(|h| *h == Health::Healthy) {
        Health::Healthy
    } else if all.iter().all(bad) {
        if all.contains(&Health::Error) { Health::Error } else { Health::Stale }
    } else {
        Health::Degraded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Blame, Retry};

    const EXPECTED: Expected = Expected { fps: Some(30.0), kbps: Some(4_500.0) };

    fn run(judge: &mut Judge, seconds: std::ops::Range<i64>, fps: f64, kbps: f64) {
        for s in seconds {
            judge.sample(Sample { at_ms: s * 1000, fps, kbps, reconnects: 0, connected: true }, EXPECTED);
        }
    }

    fn check(judge: &Judge, now_s: i64, health: Health, issues: &[&str]) {
        let verdict = judge.verdict(now_s * 1000, None);
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert_eq!(verdict.issues.len(), issues.len(), "{verdict:?}");
        for (got, start) in verdict.issues.iter().zip(issues) {
            assert!(got.starts_with(start), "{got}");
        }
    }

    #[test]
    fn nothing_seen_is_unknown_then_stale() {
        let mut judge = Judge::default();
        check(&judge, 100, Health::Unknown, &[]);
        judge.watch(100_000);
        check(&judge, 105, Health::Unknown, &[]);
        check(&judge, 110, Health::Stale, &["No update"]);
    }

    #[test]
    fn the_guides_sample_is_degraded_and_recovers() {
        let mut judge = Judge::default();
        run(&mut judge, 0..10, 30.0, 4_500.0);
        check(&judge, 10, Health::Healthy, &[]);
        run(&mut judge, 10..14, 25.5, 3_800.0);
        check(&judge, 14, Health::Healthy, &[]);
        run(&mut judge, 14..17, 25.5, 3_800.0);
        check(&judge, 17, Health::Degraded, &["Low FPS: 25.5"]);
        run(&mut judge, 17..23, 30.0, 4_500.0);
        check(&judge, 23, Health::Healthy, &[]);
    }

    #[test]
    fn a_narrow_way_is_degraded_within_ten_seconds() {
        let mut judge = Judge::default();
        run(&mut judge, 0..10, 30.0, 4_500.0);
        run(&mut judge, 10..16, 30.0, 200.0);
        check(&judge, 16, Health::Degraded, &["Low bitrate: 200"]);
    }

    #[test]
    fn silence_is_stale() {
        let mut judge = Judge::default();
        run(&mut judge, 0..10, 30.0, 4_500.0);
        check(&judge, 18, Health::Healthy, &[]);
        check(&judge, 19, Health::Stale, &["No update"]);
    }

    #[test]
    fn three_reconnects_in_ten_minutes_are_flapping_until_they_are_old() {
        let mut judge = Judge::default();
        for (s, reconnects) in [(0, 0), (10, 1), (20, 2), (30, 3)] {
            judge.sample(Sample { at_ms: s * 1000, fps: 30.0, kbps: 4_500.0, reconnects, connected: true }, EXPECTED);
        }
        check(&judge, 31, Health::Degraded, &["Unstable"]);
        judge.sample(Sample { at_ms: 700_000, fps: 30.0, kbps: 4_500.0, reconnects: 3, connected: true }, EXPECTED);
        check(&judge, 701, Health::Healthy, &[]);
    }

    #[test]
    fn a_final_fault_is_an_error_with_its_sentence() {
        let fault = Fault::new(Blame::Destination, Retry::Permanent, "publish_refused", "The key was refused.");
        let verdict = Judge::default().verdict(0, Some(&fault));
        assert_eq!((verdict.health, verdict.issues), (Health::Error, vec!["The key was refused.".to_owned()]));
    }

    #[test]
    fn a_platform_that_complains_degrades_and_recovers() {
        let issues = ["The platform: send keyframes more often.".to_owned()];
        let ours = |health| Verdict { health, issues: Vec::new() };
        for (health, is_bad, expected, count) in [
            (Health::Healthy, true, Health::Degraded, 1),
            (Health::Unknown, true, Health::Degraded, 1),
            (Health::Healthy, false, Health::Healthy, 1),
            (Health::Stale, true, Health::Stale, 0),
            (Health::Error, true, Health::Error, 0),
        ] {
            let both = ours(health).and_platform(is_bad, &issues);
            assert_eq!((both.health, both.issues.len()), (expected, count), "{health:?}");
        }
        assert_eq!(ours(Health::Healthy).and_platform(false, &[]), ours(Health::Healthy));
    }

    #[test]
    fn the_stream_is_as_good_as_its_destinations() {
        use Health::{Degraded, Error, Healthy, Stale, Unknown};
        for (all, expected) in [
            (vec![], Unknown),
            (vec![Unknown, Healthy], Healthy),
            (vec![Healthy, Error], Degraded),
            (vec![Error, Stale], Error),
            (vec![Stale], Stale),
            (vec![Healthy, Degraded], Degraded),
        ] {
            assert_eq!(overall(all.clone()), expected, "{all:?}");
        }
    }
}
