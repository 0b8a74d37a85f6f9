//! What stands between a session's publisher and its socket: the last question before bytes leave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use media::rtmp::publisher::{Gate, Opened, Shut};

use crate::pulse::{Pulse, now_ms};

/// How often a held writer looks again. It is held only after a pause of the whole process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The gate of one session.
#[derive(Debug)]
pub struct SessionGate {
    pulse: Arc<Pulse>,
    /// The gaps of the pulse after which ownership was confirmed.
    vouched: AtomicU64,
    shut: AtomicBool,
}

impl SessionGate {
    /// An open gate: the session was claimed just now.
    pub fn new(pulse: Arc<Pulse>) -> Arc<Self> {
        let vouched = AtomicU64::new(pulse.gaps());
        Arc::new(Self { pulse, vouched, shut: AtomicBool::new(false) })
    }

    /// Ownership was confirmed by a question that was asked when the pulse had `gaps` gaps.
    pub fn vouch(&self, gaps: u64) {
        self.vouched.fetch_max(gaps, Ordering::SeqCst);
    }

    /// The session is somebody else's: nothing leaves any more.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    /// Whether it was shut.
    pub fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    fn is_trusted(&self) -> bool {
        // The beat first: a beat that ends a gap counts the gap before it is seen as fresh.
        self.pulse.is_fresh(now_ms()) && self.pulse.gaps() == self.vouched.load(Ordering::SeqCst)
    }
}

impl Gate for SessionGate {
    fn is_open(&self) -> bool {
        !self.is_shut() && self.is_trusted()
    }

    fn opened(self: Arc<Self>) -> Opened {
        Box::pin(async move {
            loop {
                if self.is_shut() {
                    return Err(Shut);
                }
                if self.is_trusted() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_holds_until_somebody_vouches() {
        let pulse = Arc::new(Pulse::new(now_ms()));
        let gate = SessionGate::new(pulse.clone());
        assert!(gate.is_open());
        pulse.beat(now_ms() + 5_000);
        assert!(!gate.is_open());
        gate.vouch(0);
        assert!(!gate.is_open(), "an answer from before the gap says nothing");
        gate.vouch(pulse.gaps());
        assert!(gate.is_open());
        gate.shut();
        assert!(!gate.is_open());
    }

    #[test]
    fn a_writer_that_wakes_before_the_beat_is_held() {
        let pulse = Arc::new(Pulse::new(now_ms().saturating_sub(5_000)));
        assert!(!SessionGate::new(pulse).is_open());
    }

    #[tokio::test]
    async fn a_held_writer_learns_that_it_is_over() {
        let pulse = Arc::new(Pulse::new(now_ms().saturating_sub(5_000)));
        let gate = SessionGate::new(pulse);
        gate.shut();
        assert_eq!(gate.opened().await, Err(Shut));
    }
}
