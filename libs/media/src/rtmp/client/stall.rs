//! Sees that a peer stopped taking media although its TCP connection stands.
//!
//! A frozen peer still acknowledges at TCP level until its receive buffer is full, and how big that is nobody knows:
//! 64 KiB or 6 MiB, that is one second or a hundred at 500 kbit/s. So three signs are watched, the first to speak wins:
//!
//! * nothing is acknowledged although something is owed (the buffer is full, or the network is gone);
//! * bytes are acknowledged but the far edge of the peer's window (acknowledged + advertised window) stands still:
//!   the peer's kernel takes bytes that its program does not read. This works long before the buffer is full;
//! * a peer that used to confirm in RTMP (the Acknowledgement message, asked for every `ack_window` bytes) confirms no
//!   more although its kernel takes bytes. This also sees through a TCP proxy.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// The limits. See the module for what they mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StallLimits {
    /// For the first two signs.
    pub(crate) quiet: Duration,
    /// For the third. Must exceed `ack_window` at the slowest rate that is still alive (64 KiB in 5 s = 105 kbit/s).
    pub(crate) ack_quiet: Duration,
    /// What the peer was asked to confirm.
    pub(crate) ack_window: u64,
}

/// Bytes that must have been acknowledged against a standing window edge. A slow reader's window opens in steps of a
/// segment, which on a loopback interface is 64 KiB, or by half its buffer. At 300 kbit/s this takes less than 4 s.
const EDGE_BYTES: u64 = 128 << 10;
/// RTMP confirmations that make a habit, if they came at least every second time they should have.
const HABIT: u64 = 2;
/// A longer gap between two looks means that this process was paused or starved: then everything is judged anew.
const PAUSED: Duration = Duration::from_millis(1_500);

/// What the kernel and the peer say at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Bytes handed to the kernel.
    pub(crate) written: u64,
    /// Bytes acknowledged by TCP.
    pub(crate) acked: u64,
    /// The advertised window, if the kernel tells.
    pub(crate) window: Option<u32>,
}

/// Which sign was seen, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The sign.
    pub sign: Sign,
    /// How long nothing moved.
    pub quiet: Duration,
    /// Bytes written but not acknowledged by TCP.
    pub unacked: u64,
}

/// The three signs of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// No TCP acknowledgement.
    NothingAcknowledged,
    /// The window's far edge stands.
    NothingRead,
    /// No RTMP acknowledgement.
    NothingConfirmed,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::NothingAcknowledged => "nothing acknowledged",
            Sign::NothingRead => "nothing read",
            Sign::NothingConfirmed => "nothing confirmed",
        };
        write!(f, "{sign} for {:.1} s, {} bytes outstanding", self.quiet.as_secs_f32(), self.unacked)
    }
}

/// Something that should move: its value and when it last did.
#[derive(Clone, Copy, Debug)]
struct Mark {
    value: u64,
    at: Instant,
}

/// See the module. Needs a look about four times a second.
#[derive(Debug)]
pub(crate) struct StallDetector {
    limits: StallLimits,
    looked: Instant,
    acked: Mark,
    edge: Option<Mark>,
    acked_at_edge: u64,
    confirmed: Mark,
    confirmations: u64,
}

impl StallDetector {
    pub(crate) fn new(limits: StallLimits, now: Instant) -> Self {
        let zero = Mark { value: 0, at: now };
        Self { limits, looked: now, acked: zero, edge: None, acked_at_edge: 0, confirmed: zero, confirmations: 0 }
    }

    /// The peer sent an Acknowledgement while `written` bytes were written. What it says is not used: servers count
    /// with or without the handshake, and some count from their last one.
    pub(crate) fn confirmed(&mut self, written: u64, now: Instant) {
        self.confirmations += 1;
        self.confirmed = Mark { value: written, at: now };
    }

    /// Looks once; `Some` when the peer takes nothing.
    pub(crate) fn look(&mut self, sample: Sample, now: Instant) -> Option<Stall> {
        if now.saturating_duration_since(self.looked) > PAUSED {
            self.restart(now);
        }
        self.looked = now;
        self.note_acked(sample, now);
        self.note_edge(sample, now);
        let stall = |sign, since: Instant| Stall {
            sign,
            quiet: now.saturating_duration_since(since),
            unacked: sample.written.saturating_sub(sample.acked),
        };
        let acked = stall(Sign::NothingAcknowledged, self.acked.at);
        if acked.quiet >= self.limits.quiet {
            return Some(acked);
        }
        if let Some(edge) = self.edge {
            let read = stall(Sign::NothingRead, edge.at);
            if read.quiet >= self.limits.quiet && sample.acked.saturating_sub(self.acked_at_edge) >= EDGE_BYTES {
                return Some(read);
            }
        }
        let confirmed = stall(Sign::NothingConfirmed, self.confirmed.at);
        let owed = sample.acked.saturating_sub(self.confirmed.value) > self.limits.ack_window * 2;
        let habit = self.confirmations >= HABIT
            && self.confirmed.value <= self.confirmations.saturating_mul(self.limits.ack_window * 2);
        (habit && owed && confirmed.quiet >= self.limits.ack_quiet).then_some(confirmed)
    }

    fn restart(&mut self, now: Instant) {
        self.acked.at = now;
        self.confirmed.at = now;
        if let Some(edge) = &mut self.edge {
            edge.at = now;
        }
    }

    fn note_acked(&mut self, sample: Sample, now: Instant) {
        if sample.acked > self.acked.value || sample.acked >= sample.written {
            self.acked = Mark { value: sample.acked, at: now };
        }
    }

    fn note_edge(&mut self, sample: Sample, now: Instant) {
        let Some(window) = sample.window else { return };
        let value = sample.acked + u64::from(window);
        if self.edge.is_none_or(|edge| value > edge.value) {
            self.edge = Some(Mark { value, at: now });
            self.acked_at_edge = sample.acked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);
    const LIMITS: StallLimits =
        StallLimits { quiet: Duration::from_secs(4), ack_quiet: Duration::from_secs(5), ack_window: 64 << 10 };

    /// A receiver whose kernel buffer is `buffer` bytes and whose program reads until `frozen`; 60 s at most.
    /// Returns when the stall is seen, counted from the freeze.
    fn seen(rate: u64, buffer: u64, tells_window: bool, confirms: bool, drain: u64) -> Option<(Sign, Duration)> {
        let start = Instant::now();
        let mut detector = StallDetector::new(LIMITS, start);
        let frozen = Duration::from_secs(10);
        let (mut written, mut read, mut confirmed) = (0_u64, 0_u64, 0_u64);
        for tick in 1..240 {
            let at = TICK * tick;
            written += rate / 4;
            let reads = if at < frozen { u64::MAX } else { drain / 4 };
            let acked = written.min(read + buffer);
            read = acked.min(read.saturating_add(reads));
            let acked = written.min(read + buffer);
            while confirms && read - confirmed >= LIMITS.ack_window {
                confirmed += LIMITS.ack_window;
                detector.confirmed(acked, start + at);
            }
            let window = tells_window.then(|| u32::try_from(buffer - (acked - read)).unwrap());
            if let Some(stall) = detector.look(Sample { written, acked, window }, start + at) {
                return Some((stall.sign, at.saturating_sub(frozen)));
            }
        }
        None
    }

    #[test]
    fn a_frozen_peer_is_seen_in_time() {
        for kbps in [500_u64, 1_000, 4_500] {
            for buffer in [64_u64 << 10, 256 << 10, 6 << 20] {
                let (_, after) = seen(kbps * 125, buffer, true, false, 0).expect("by its window");
                assert!(after <= Duration::from_secs(6), "{kbps} kbit/s, {buffer} B: {after:?}");
                let (_, after) = seen(kbps * 125, buffer, false, true, 0).expect("by RTMP");
                assert!(after <= Duration::from_secs(8), "{kbps} kbit/s, {buffer} B: {after:?}");
            }
        }
        let (sign, after) = seen(500 * 125, 64 << 10, false, false, 0).expect("by TCP alone");
        assert_eq!(sign, Sign::NothingAcknowledged);
        assert!(after <= Duration::from_secs(6), "{after:?}");
        let (_, after) = seen(300 * 125, 6 << 20, true, true, 0).expect("300 kbit/s");
        assert!(after <= Duration::from_secs(8), "{after:?}");
    }

    #[test]
    fn a_slow_peer_is_not_a_dead_one() {
        // 200 kbit/s left of 4.5 Mbit/s
        assert_eq!(seen(562_500, 128 << 10, true, true, 25_000), None);
        assert_eq!(seen(562_500, 6 << 20, true, true, 25_000), None);
    }

    #[test]
    fn silence_of_our_own_is_no_stall() {
        assert_eq!(seen(0, 64 << 10, true, true, 0), None);
    }

    #[test]
    fn a_pause_of_our_own_is_no_stall() {
        let start = Instant::now();
        let mut detector = StallDetector::new(LIMITS, start);
        let sample = Sample { written: 1_000, acked: 500, window: Some(0) };
        assert_eq!(detector.look(sample, start), None);
        assert_eq!(detector.look(sample, start + Duration::from_secs(60)), None);
        assert_eq!(detector.look(sample, start + Duration::from_millis(60_250)), None);
    }
}
