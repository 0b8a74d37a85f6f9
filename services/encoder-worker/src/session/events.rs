//! How the parts of a session tell it what happened.

use tokio::sync::mpsc;

use super::state::Event;

/// Events waiting for a session that is busy. Each half sends at most four per attempt.
const MAX_WAITING: usize = 32;

/// Sends events to one session.
#[derive(Clone, Debug)]
pub struct Events(mpsc::Sender<Event>);

impl Events {
    /// A sender and its receiver.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Tells the session, if it still listens.
    pub async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}
