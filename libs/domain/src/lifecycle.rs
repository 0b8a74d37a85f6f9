//! The words for what is wanted and what a session is doing. Shared by the planner and the state machines.

use std::{fmt, str::FromStr};

use crate::session;

/// What a person (or auto start) wants of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Every enabled destination gets the stream.
    Running,
    /// No destination gets anything.
    Stopped,
}

impl Wish {
    /// The name it is stored under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// How far a session has come, as it is stored: what its worker reported, or that none has claimed it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Offered to the workers; nobody has claimed it.
    Placed,
    /// A worker owns it.
    Claimed,
    /// The worker waits for the source.
    WaitingSource,
    /// The worker is connecting to the sink.
    Connecting,
    /// The sink has acknowledged media.
    Connected,
    /// The connection was lost; the worker tries again.
    Reconnecting,
    /// Over for good: a person must change something first.
    Failed,
    /// Over, as asked.
    Ended,
    /// Given back by its worker (drain, lost lease): to be placed again.
    Released,
}

/// What a platform says of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It waits for media, or is on its way to live.
    Waiting,
    /// Viewers see it.
    Live,
    /// It is over.
    Ended,
    /// The platform can't be asked, or does not say.
    #[default]
    Unknown,
}

/// The text names none of the words of an enum here. It is a stored value, so this is our bug, never a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown lifecycle word")]
pub struct UnknownWord;

impl FromStr for Wish {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Running, Self::Stopped].into_iter().find(|w| w.as_str() == text).ok_or(UnknownWord)
    }
}

impl Truth {
    /// The name in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for Truth {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Waiting, Self::Live, Self::Ended, Self::Unknown];
        all.into_iter().find(|t| t.as_str() == text).ok_or(UnknownWord)
    }
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 9] = [
        Self::Placed,
        Self::Claimed,
        Self::WaitingSource,
        Self::Connecting,
        Self::Connected,
        Self::Reconnecting,
        Self::Failed,
        Self::Ended,
        Self::Released,
    ];

    /// The name it is stored under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Claimed => "claimed",
            Self::WaitingSource => "waiting_source",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Released => "released",
        }
    }

    /// Whether nothing of the session runs any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Ended | Self::Released)
    }

    /// Whether a worker runs it.
    pub fn is_owned(self) -> bool {
        !self.is_over() && self != Self::Placed
    }
}

impl FromStr for Phase {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or(UnknownWord)
    }
}

/// What a worker reports. It never reports [`Phase::Placed`].
impl From<session::Phase> for Phase {
    fn from(reported: session::Phase) -> Self {
        match reported {
            session::Phase::Claimed => Self::Claimed,
            session::Phase::WaitingSource => Self::WaitingSource,
            session::Phase::Connecting => Self::Connecting,
            session::Phase::Connected => Self::Connected,
            session::Phase::Reconnecting => Self::Reconnecting,
            session::Phase::Failed => Self::Failed,
            session::Phase::Ended => Self::Ended,
            session::Phase::Released => Self::Released,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_storage() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
            assert!(!(phase.is_over() && phase.is_owned()), "{phase}");
        }
        for wish in [Wish::Running, Wish::Stopped] {
            assert_eq!(wish.as_str().parse(), Ok(wish));
        }
        for truth in [Truth::Waiting, Truth::Live, Truth::Ended, Truth::Unknown] {
            assert_eq!(truth.as_str().parse(), Ok(truth));
        }
        assert_eq!("walking".parse::<Phase>(), Err(UnknownWord));
    }
}
