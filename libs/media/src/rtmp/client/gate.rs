//! The hook that is asked before every write to a socket.
//!
//! A process can be paused (SIGSTOP, a frozen virtual machine) between any two instructions and wake long after its
//! session moved elsewhere. So the last question before bytes leave is "am I still the owner?", asked below all
//! buffering: below the tag queue, below the chunk muxer and below TLS records.

use std::{future::Future, pin::Pin, sync::Arc};

/// The answer that ends a connection: this process no longer owns the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is no longer ours")]
pub struct Shut;

/// What [`Gate::opened`] returns.
pub type Opened = Pin<Box<dyn Future<Output = Result<(), Shut>> + Send>>;

/// Decides whether bytes may leave.
pub trait Gate: Send + Sync {
    /// Whether bytes may leave right now. Called before each write to the socket, so it must be cheap.
    fn is_open(&self) -> bool;

    /// Waits until bytes may leave (`Ok`; [`Gate::is_open`] is asked once more then) or never may again (`Err`).
    fn opened(self: Arc<Self>) -> Opened;
}
