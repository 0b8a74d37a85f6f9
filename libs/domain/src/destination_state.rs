//! What people see of a destination, computed from what is wanted and what its session does.
//!
//! It is level-triggered: the same observation twice changes nothing, so a lost or repeated report does no harm.

use std::{fmt, str::FromStr};

use crate::{
    fault::{Blame, Fault, Retry},
    lifecycle::{Phase, Truth, UnknownWord},
};

/// A destination's state, with what is only valid in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Never part of a run.
    Pending,
    /// Its platform is being prepared.
    Preparing {
        /// Why the last attempt led to nothing.
        fault: Option<Fault>,
        /// When it is tried next.
        retry_at_ms: Option<i64>,
    },
    /// All is ready but no source comes in.
    WaitingSource {
        /// Why the source is missing, if we pull it.
        fault: Option<Fault>,
    },
    /// On the way to its first acknowledged byte.
    Connecting {
        /// What delays it.
        fault: Option<Fault>,
    },
    /// The sink has acknowledged media.
    Connected,
    /// Media keeps flowing; on a platform that says what it shows: viewers see it.
    Live,
    /// It was connected and will be again.
    Reconnecting {
        /// What broke it.
        fault: Option<Fault>,
        /// When the worker tries next.
        retry_at_ms: Option<i64>,
    },
    /// Not wanted any more, still closing.
    Stopping,
    /// It took part in a run and stopped.
    Ended,
    /// Given up: a person must change something first.
    Error {
        /// What.
        fault: Fault,
    },
}

/// A [`State`] without its data: the word in the REST contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// See [`State::Pending`].
    Pending,
    /// See [`State::Preparing`].
    Preparing,
    /// See [`State::WaitingSource`].
    WaitingSource,
    /// See [`State::Connecting`].
    Connecting,
    /// See [`State::Connected`].
    Connected,
    /// See [`State::Live`].
    Live,
    /// See [`State::Reconnecting`].
    Reconnecting,
    /// See [`State::Stopping`].
    Stopping,
    /// See [`State::Ended`].
    Ended,
    /// See [`State::Error`].
    Error,
}

/// What is stored of a destination and its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The stream is wanted running, the destination is enabled and attached.
    pub wanted: bool,
    /// The stream's source is there.
    pub source_connected: bool,
    /// Why it was given up.
    pub gave_up: Option<Fault>,
    /// Its session, if there ever was one.
    pub session: Option<SessionSeen>,
    /// Why our pull of the source fails, if it does.
    pub source_fault: Option<Fault>,
    /// Its platform must be prepared for this run, and is not yet.
    pub preparing: Option<Preparing>,
    /// What its platform says; none for a server that says nothing, where flowing media is all there is to know.
    pub truth: Option<Truth>,
    /// Its broadcast is still being ended at the platform.
    pub finishing: bool,
}

/// How the preparation of a platform stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparing {
    /// Why the last attempt led to nothing.
    pub fault: Option<Fault>,
    /// When it is tried next.
    pub retry_at_ms: Option<i64>,
}

/// What is stored of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeen {
    /// How far it has come.
    pub phase: Phase,
    /// With reconnecting and failed.
    pub fault: Option<Fault>,
    /// With reconnecting.
    pub retry_at_ms: Option<i64>,
    /// Acknowledged bytes kept growing since it connected.
    pub flowing: bool,
    /// No worker has room for it.
    pub starved: bool,
}

/// A change that is told to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `destination:connecting`
    Connecting,
    /// `destination:connected`
    Connected,
    /// `destination:live`
    Live,
    /// `destination:reconnecting`
    Reconnecting,
    /// `destination:error`
    Error,
    /// `destination:ended`
    Ended,
}

/// The state that follows from what is seen, and what to tell the world. The same `seen` again changes nothing.
pub fn next(was: &State, seen: &Seen) -> (State, Vec<Edge>) {
    let now = if seen.wanted { running(was, seen) } else { stopped(was, seen) };
    let edges = edges(was.status(), now.status());
    (now, edges)
}

/// The fault of a session for which no worker has room.
pub fn no_capacity() -> Fault {
    Fault::new(
        Blame::Us,
        Retry::Transient,
        "no_capacity",
        "All our encoders are busy. The destination starts by itself as soon as one is free.",
    )
}

fn running(was: &State, seen: &Seen) -> State {
    if let Some(fault) = &seen.gave_up {
        return State::Error { fault: fault.clone() };
    }
    if let Some(preparing) = &seen.preparing {
        return prepared_soon(was, preparing);
    }
    let Some(session) = &seen.session else { return on_the_way(was, seen, None) };
    match session.phase {
        Phase::Connected if is_live(was, seen.truth, session.flowing) => State::Live,
        Phase::Connected => State::Connected,
        Phase::Reconnecting => State::Reconnecting { fault: session.fault.clone(), retry_at_ms: session.retry_at_ms },
        Phase::WaitingSource => State::WaitingSource { fault: seen.source_fault.clone() },
        Phase::Placed => on_the_way(was, seen, session.starved.then(no_capacity)),
        Phase::Connecting => resumed(was, session.fault.clone()),
        // A failure without `gave_up` was pardoned (start again, settings changed): it is about to be placed anew.
        Phase::Claimed | Phase::Failed | Phase::Ended | Phase::Released => on_the_way(was, seen, None),
    }
}

/// A platform's word goes before our own measurement. While it does not say, what it said last holds.
fn is_live(was: &State, truth: Option<Truth>, flowing: bool) -> bool {
    match truth {
        None => flowing,
        Some(Truth::Unknown) => *was == State::Live,
        Some(said) => said == Truth::Live,
    }
}

/// Being prepared for the first time, or for another broadcast within the run.
fn prepared_soon(was: &State, preparing: &Preparing) -> State {
    let Preparing { fault, retry_at_ms } = preparing.clone();
    match resumed(was, fault.clone()) {
        State::Reconnecting { fault, .. } => State::Reconnecting { fault, retry_at_ms },
        _ => State::Preparing { fault, retry_at_ms },
    }
}

/// No worker is connecting yet.
fn on_the_way(was: &State, seen: &Seen, fault: Option<Fault>) -> State {
    match resumed(was, fault) {
        State::Connecting { fault: None } if !seen.source_connected => {
            State::WaitingSource { fault: seen.source_fault.clone() }
        }
        State::Connecting { fault } if !seen.source_connected => State::WaitingSource { fault },
        other => other,
    }
}

/// Connecting for the first time, or again.
fn resumed(was: &State, fault: Option<Fault>) -> State {
    match was {
        State::Connected | State::Live => State::Reconnecting { fault, retry_at_ms: None },
        State::Reconnecting { fault: old, .. } => {
            State::Reconnecting { fault: fault.or_else(|| old.clone()), retry_at_ms: None }
        }
        _ => State::Connecting { fault },
    }
}

fn stopped(was: &State, seen: &Seen) -> State {
    let active = seen.session.as_ref().is_some_and(|s| !s.phase.is_over());
    match was {
        State::Error { fault } if !active => State::Error { fault: fault.clone() },
        State::Pending => State::Pending,
        _ if active => State::Stopping,
        State::Ended => State::Ended,
        _ if seen.finishing => State::Stopping,
        _ => State::Ended,
    }
}

fn edges(was: Status, now: Status) -> Vec<Edge> {
    if was == now {
        return Vec::new();
    }
    match now {
        Status::Connecting => vec![Edge::Connecting],
        Status::Connected => vec![Edge::Connected],
        Status::Live if was == Status::Connected => vec![Edge::Live],
        Status::Live => vec![Edge::Connected, Edge::Live],
        Status::Reconnecting => vec![Edge::Reconnecting],
        Status::Error => vec![Edge::Error],
        Status::Ended => vec![Edge::Ended],
        Status::Pending | Status::Preparing | Status::WaitingSource | Status::Stopping => Vec::new(),
    }
}

impl State {
    /// The word for it.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Preparing { .. } => Status::Preparing,
            Self::WaitingSource { .. } => Status::WaitingSource,
            Self::Connecting { .. } => Status::Connecting,
            Self::Connected => Status::Connected,
            Self::Live => Status::Live,
            Self::Reconnecting { .. } => Status::Reconnecting,
            Self::Stopping => Status::Stopping,
            Self::Ended => Status::Ended,
            Self::Error { .. } => Status::Error,
        }
    }

    /// Why it is where it is, if something is wrong.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Preparing { fault, .. }
            | Self::WaitingSource { fault }
            | Self::Connecting { fault }
            | Self::Reconnecting { fault, .. } => fault.as_ref(),
            Self::Error { fault } => Some(fault),
            _ => None,
        }
    }

    /// When it is tried next, while it is reconnecting or being prepared.
    pub fn retry_at_ms(&self) -> Option<i64> {
        match self {
            Self::Preparing { retry_at_ms, .. } | Self::Reconnecting { retry_at_ms, .. } => *retry_at_ms,
            _ => None,
        }
    }

    /// The state from its stored parts. An error without its fault gets one that says so.
    pub fn from_parts(status: Status, fault: Option<Fault>, retry_at_ms: Option<i64>) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Preparing => Self::Preparing { fault, retry_at_ms },
            Status::WaitingSource => Self::WaitingSource { fault },
            Status::Connecting => Self::Connecting { fault },
            Status::Connected => Self::Connected,
            Status::Live => Self::Live,
            Status::Reconnecting => Self::Reconnecting { fault, retry_at_ms },
            Status::Stopping => Self::Stopping,
            Status::Ended => Self::Ended,
            Status::Error => Self::Error { fault: fault.unwrap_or_else(unknown_failure) },
        }
    }
}

fn unknown_failure() -> Fault {
    Fault::new(Blame::Us, Retry::Permanent, "internal", "Something went wrong on our side. Start the stream again.")
}

impl Status {
    /// All words.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Preparing,
        Self::WaitingSource,
        Self::Connecting,
        Self::Connected,
        Self::Live,
        Self::Reconnecting,
        Self::Stopping,
        Self::Ended,
        Self::Error,
    ];

    /// The word in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Preparing => "preparing",
            Self::WaitingSource => "waiting_source",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
            Self::Error => "error",
        }
    }

    /// Whether a start that waits need not wait for it any longer.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Connected | Self::Live | Self::Error)
    }

    /// Whether the sink has acknowledged media and the connection stands.
    pub fn is_delivering(self) -> bool {
        matches!(self, Self::Connected | Self::Live)
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
#[path = "destination_state_tests.rs"]
mod tests;
