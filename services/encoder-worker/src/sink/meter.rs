//! What a destination really got: counted by what its side has acknowledged, never by what was handed to a socket.

use std::{collections::VecDeque, time::Duration};

/// Rates are averages over this long: short enough to show a drop at once, long enough to be steady at 15 fps.
const WINDOW: Duration = Duration::from_secs(3);
/// Points kept; one a second.
const MAX_POINTS: usize = 16;
/// Batches written but not acknowledged that are kept apart; beyond it they merge.
const MAX_PENDING: usize = 512;

/// The counters of a session, over all its publishes.
#[derive(Debug, Default)]
pub struct Meter {
    points: VecDeque<Point>,
    pending: VecDeque<Batch>,
    /// Acknowledged by publishes that are over.
    before: u64,
    now: u64,
    frames: u64,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: Duration,
    bytes: u64,
    frames: u64,
}

/// Frames that are complete at the sink once it has acknowledged `until` bytes of the publish.
#[derive(Clone, Copy, Debug)]
struct Batch {
    until: u64,
    frames: u64,
}

/// Rates and totals at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Video frames per second.
    pub fps: f64,
    /// kbit/s, audio and protocol included.
    pub kbps: f64,
    /// Video frames, in all.
    pub frames: u64,
    /// Bytes, in all.
    pub bytes: u64,
}

impl Meter {
    /// `frames` more frames end where the publish has written (or will have written) `until` bytes.
    pub fn sent(&mut self, until: u64, frames: u64) {
        if frames == 0 {
            return;
        }
        let full = self.pending.len() >= MAX_PENDING;
        match self.pending.back_mut() {
            Some(last) if full => {
                *last = Batch { until, frames: last.frames + frames };
            }
            _ => self.pending.push_back(Batch { until, frames }),
        }
    }

    /// The publish has `acked` bytes acknowledged, of which `media` came after the publish was accepted.
    pub fn acked(&mut self, acked: u64, media: u64) {
        self.now = self.now.max(media);
        while let Some(batch) = self.pending.pop_front_if(|batch| batch.until <= acked) {
            self.frames += batch.frames;
        }
    }

    /// The publish is over; what it did not get acknowledged was not sent.
    pub fn over(&mut self) {
        self.before += std::mem::take(&mut self.now);
        self.pending.clear();
    }

    /// Reads rates and totals; keeps a point for the window.
    pub fn read(&mut self, at: Duration) -> Reading {
        let point = Point { at, bytes: self.before + self.now, frames: self.frames };
        while self.points.len() > 1 && self.points.get(1).is_some_and(|second| at.saturating_sub(second.at) >= WINDOW)
            || self.points.len() >= MAX_POINTS
        {
            self.points.pop_front();
        }
        let oldest = self.points.front().copied().unwrap_or(Point { at, ..point });
        self.points.push_back(point);
        let seconds = at.saturating_sub(oldest.at).as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Reading {
            fps: rate(point.frames - oldest.frames),
            kbps: rate(point.bytes - oldest.bytes) * 8.0 / 1000.0,
            frames: point.frames,
            bytes: point.bytes,
        }
    }

    /// Starts the window anew: what was before (a long silence) must not thin out what comes.
    pub fn restart_window(&mut self, at: Duration) {
        self.points.clear();
        self.points.push_back(Point { at, bytes: self.before + self.now, frames: self.frames });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn only_acknowledged_frames_count() {
        let mut meter = Meter::default();
        meter.restart_window(second(0));
        meter.sent(1_000, 15);
        meter.sent(2_000, 15);
        meter.acked(1_999, 1_500);
        let reading = meter.read(second(1));
        assert_eq!(reading, Reading { fps: 15.0, kbps: 12.0, frames: 15, bytes: 1_500 });
    }

    #[test]
    fn totals_go_over_reconnects_and_never_shrink() {
        let mut meter = Meter::default();
        meter.sent(100, 3);
        meter.acked(100, 80);
        meter.sent(200, 3);
        meter.over();
        meter.acked(50, 40);
        let reading = meter.read(second(1));
        assert_eq!((reading.bytes, reading.frames), (120, 3));
    }

    #[test]
    fn rates_are_those_of_the_window() {
        let mut meter = Meter::default();
        meter.restart_window(second(0));
        for n in 1..=10 {
            meter.sent(n * 100, if n <= 5 { 30 } else { 10 });
            meter.acked(n * 100, n * 125);
            let reading = meter.read(second(n));
            match n {
                1..=5 => assert_eq!((reading.fps, reading.kbps), (30.0, 1.0), "second {n}"),
                8..=10 => assert_eq!(reading.fps, 10.0, "second {n}"),
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_totals_grow(steps in proptest::collection::vec((0_u64..5_000, 0_u64..3, 0_u64..2_000), 0..2_000)) {
            let mut meter = Meter::default();
            let (mut until, mut acked, mut last) = (0, 0, 0);
            for (n, (bytes, frames, ack)) in steps.into_iter().enumerate() {
                until += bytes;
                acked = (acked + ack).min(until);
                meter.sent(until, frames);
                meter.acked(acked, acked);
                let reading = meter.read(Duration::from_millis(500 * n as u64));
                prop_assert!(reading.bytes >= last && reading.fps.is_finite());
                last = reading.bytes;
            }
            prop_assert!(meter.points.len() <= MAX_POINTS && meter.pending.len() <= MAX_PENDING);
        }
    }
}
