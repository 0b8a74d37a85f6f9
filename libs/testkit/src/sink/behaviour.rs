//! What a sink does with a connection.

use std::time::Duration;

/// The script of one connection. The default takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Before anything is read or answered.
    pub delay: Duration,
    /// How the publish is answered.
    pub answer: Answer,
    /// What happens after that.
    pub then: Then,
}

/// How a connection or its publish is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// `NetStream.Publish.Start`.
    #[default]
    Accept,
    /// TCP is accepted (by the kernel), nothing is ever read.
    NeverRead,
    /// Everything is read, the handshake is never answered.
    SilentHandshake,
    /// `connect` is refused: `NetConnection.Connect.Rejected`.
    RefuseConnect,
    /// The publish is refused with an `onStatus` error, then the connection is closed.
    RefuseKey {
        /// `NetStream.Publish.BadName`, …
        code: String,
        /// The words. `{key}` is replaced by the stream key, as careless servers do.
        description: String,
    },
    /// The publish is refused by closing the connection, as nginx does.
    CloseOnPublish,
}

/// What happens after a publish was accepted, counted in bytes received since then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Everything is taken.
    #[default]
    Keep,
    /// No more is read after so many bytes.
    StopReading(u64),
    /// The connection is reset (RST) after so many bytes.
    Reset(u64),
    /// The connection is closed (FIN) after so many bytes.
    Close(u64),
}

/// What happens to a second publisher of a key that is being published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicate {
    /// The second is refused: "Already publishing".
    #[default]
    Refuse,
    /// The first is closed.
    KickFirst,
    /// Both are taken.
    TakeBoth,
}

impl Behaviour {
    /// Takes everything.
    pub fn accept() -> Self {
        Self::default()
    }

    /// Answers the publish with `answer`.
    pub fn answer(answer: Answer) -> Self {
        Self { answer, ..Self::default() }
    }

    /// Accepts, and `then` this happens.
    pub fn then(then: Then) -> Self {
        Self { then, ..Self::default() }
    }

    /// Refuses the key the way most servers word it.
    pub fn refuse_key() -> Self {
        Self::answer(Answer::RefuseKey {
            code: "NetStream.Publish.BadName".to_owned(),
            description: "stream key refused".to_owned(),
        })
    }

    /// The same, `delay` later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
