//! What people see of a stream as a whole. Level-triggered, like the state of a destination.

use std::{fmt, str::FromStr};

use crate::lifecycle::{UnknownWord, Wish};

/// The word in the REST contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Never started.
    Idle,
    /// Wanted, but no destination has acknowledged media yet.
    Starting,
    /// A destination has acknowledged media in this run.
    Live,
    /// Not wanted any more, something still runs.
    Stopping,
    /// It ran and nothing runs any more.
    Ended,
}

/// What is stored of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What is wanted.
    pub wish: Wish,
    /// A destination is connected.
    pub delivering: bool,
    /// A session is placed or runs, or a platform is still ending its broadcast.
    pub active: bool,
}

/// A change that is told to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `stream:started`
    Started,
    /// `stream:ended`
    Ended,
}

/// The status that follows from what is seen. The same `seen` again changes nothing.
pub fn next(was: Status, seen: Seen) -> (Status, Option<Edge>) {
    match (seen.wish, was) {
        (Wish::Running, Status::Live) => (Status::Live, None),
        (Wish::Running, _) if seen.delivering => (Status::Live, Some(Edge::Started)),
        (Wish::Running, _) => (Status::Starting, None),
        (Wish::Stopped, Status::Idle) => (Status::Idle, None),
        (Wish::Stopped, _) if seen.active => (Status::Stopping, None),
        (Wish::Stopped, Status::Ended) => (Status::Ended, None),
        (Wish::Stopped, _) => (Status::Ended, Some(Edge::Ended)),
    }
}

impl Status {
    /// All words.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Starting, Self::Live, Self::Stopping, Self::Ended];

    /// The word in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or(UnknownWord)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(was: Status, wish: Wish, delivering: bool, active: bool, want: &str) {
        let seen = Seen { wish, delivering, active };
        let (now, edge) = next(was, seen);
        let edge_text = edge.map_or_else(String::new, |e| format!(" {e:?}").to_lowercase());
        assert_eq!(format!("{now}{edge_text}"), want);
        assert_eq!(next(now, seen), (now, None), "a repeated observation changes nothing");
    }

    #[test]
    fn a_stream_follows_its_wish_and_its_sessions() {
        use Status::{Ended, Idle, Live, Starting, Stopping};
        use Wish::{Running, Stopped};
        check(Idle, Stopped, false, false, "idle");
        check(Idle, Running, false, false, "starting");
        check(Starting, Running, false, true, "starting");
        check(Starting, Running, true, true, "live started");
        check(Live, Running, false, true, "live");
        check(Live, Stopped, true, true, "stopping");
        check(Stopping, Stopped, false, false, "ended ended");
        check(Starting, Stopped, false, false, "ended ended");
        check(Ended, Stopped, false, false, "ended");
        check(Ended, Running, false, false, "starting");
        check(Stopping, Running, true, true, "live started");
    }
}
