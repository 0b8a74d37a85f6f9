//! How the parts of a session tell it what happened.

use tokio::sync::mpsc;

use super::state::Event;

/// Sends events to one session. Never waits: a session that is over listens to nobody, and the number of events is
/// bounded by the number of halves (each sends at most four per attempt, and attempts are paced by timers).
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A sender and its receiver.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells the session, if it still listens.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}
