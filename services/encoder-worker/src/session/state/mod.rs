//! What a delivery session does next: a pure function of its state, an event and the time.
//!
//! Two halves run side by side. The *source* half is "find the relay, read, run FFmpeg"; the *sink* half is "connect,
//! publish, keep acknowledged bytes flowing". Either may be lost and come back while the other stays. Each start of a
//! half gets a new [`Attempt`], and whatever ends it reports under that number exactly once, so that late news of an
//! old attempt can never be taken for the new one.

mod next;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{
    fault::Fault,
    retry::{Budget, Policy},
    session::Phase,
};

pub use next::next;

/// Numbers the starts of either half within a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u32);

/// When, and with what luck: the inputs of [`next`] that come from outside.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since the session started, monotonic.
    pub now: Duration,
    /// Uniform in `0.0..1.0`.
    pub chance: f64,
}

/// The bounds of a session.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What the destination allows.
    pub policy: Policy,
    /// How long a publish stays open after its source ended.
    pub linger_ended: Duration,
    /// How long a publish stays open while the relay or FFmpeg is being replaced.
    pub linger_broken: Duration,
    /// FFmpeg failures in a row before the session gives up.
    pub encoder_retries: u32,
    /// So long FFmpeg must run for its failures to count from zero again.
    pub encoder_stable: Duration,
    /// The shortest wait before any retry: jitter may pick zero, and nobody shall be hammered.
    pub retry_floor: Duration,
    /// The wait before a relay is asked again that broke off after it had served: either it fenced us, which must show at
    /// once, or another one has the source already.
    pub reopen: Duration,
    /// How long stopping may take before what is left is cut.
    pub stop_limit: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            policy: Policy { auto_reconnect: true, max_retries: domain::settings::DEFAULT_MAX_RETRIES },
            linger_ended: Duration::from_secs(1),
            linger_broken: Duration::from_secs(5),
            encoder_retries: 5,
            encoder_stable: Duration::from_secs(10),
            retry_floor: Duration::from_millis(200),
            reopen: Duration::from_millis(10),
            stop_limit: Duration::from_secs(5),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The publish target is there.
    TargetReady,
    /// There is no target for this destination, for good.
    TargetMissing(Fault),
    /// No relay has the source right now; the search goes on.
    SourceAbsent(Attempt),
    /// A relay answered our ticket and FFmpeg is being started.
    SourceOpened(Attempt),
    /// FFmpeg's first media came out.
    EncoderProducing(Attempt),
    /// The source half is over: relay connection closed, FFmpeg reaped. Exactly once per [`Effect::OpenSource`].
    SourceGone(Attempt, Gone),
    /// The sink accepted the publish.
    SinkOpened(Attempt),
    /// The sink acknowledged media.
    SinkAcked(Attempt),
    /// The sink half is over. Exactly once per [`Effect::OpenSink`].
    SinkGone(Attempt, SinkGone),
    /// A timer ran out.
    Elapsed(Timer),
    /// The session shall end.
    Stop(StopReason),
    /// The spec was read again.
    Refreshed(Refresh),
    /// Redis can't say whether we are still the owner: let the relay say it.
    Doubted,
}

/// Why the source half is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Gone {
    /// The relay said that the source ended.
    Ended,
    /// The relay or the way to it broke.
    Aborted,
    /// The relay serves a higher epoch of this session.
    Fenced,
    /// FFmpeg failed.
    Encoder(Fault),
    /// This source can never go to this destination from here.
    Unusable(Fault),
    /// As we asked.
    Closed,
}

/// Why the sink half is over.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkGone {
    /// As we asked.
    Closed,
    /// Refused, lost or stalled.
    Lost(Fault),
    /// The media changed so much (codec, size) that a new publish is due.
    Outdated,
}

/// What was asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The stream or destination was stopped.
    Wanted,
    /// This worker drains: somebody else shall go on.
    Drain,
    /// Somebody else owns the session.
    Lost,
}

/// What changed in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The retry policy as it is now.
    pub policy: Policy,
    /// The output differs: FFmpeg must be started anew.
    pub source: bool,
    /// The target differs: publish anew.
    pub sink: bool,
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// Before the next try to read.
    SourceRetry,
    /// Before the next try to publish.
    SinkRetry,
    /// The publish without a source.
    Linger,
    /// Stopping.
    Stop,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the vault; answered by [`Event::TargetReady`] or [`Event::TargetMissing`].
    FetchTarget,
    /// Start the source half.
    OpenSource(Attempt),
    /// End it: close FFmpeg's stdin, then the ladder.
    CloseSource(Attempt),
    /// Start the sink half.
    OpenSink(Attempt),
    /// End it: unpublish, then close.
    CloseSink(Attempt),
    /// Let not one more byte out, and cut the sink.
    Cut,
    /// (Re)start a timer.
    Arm(Timer, Duration),
    /// Forget a timer.
    Disarm(Timer),
    /// Tell the orchestrator.
    Report(Report),
    /// The session is over; nothing follows.
    Finish(Outcome),
}

/// A change of phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How far.
    pub phase: Phase,
    /// With reconnecting and failed; may come with waiting for a source.
    pub fault: Option<Fault>,
    /// Consecutive attempts, with reconnecting.
    pub attempt: u32,
    /// When the next attempt is due, with reconnecting.
    pub retry_in: Option<Duration>,
    /// Connections lost and made again since the session started.
    pub reconnects: u32,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As asked.
    Ended,
    /// For good.
    Failed(Fault),
    /// Given back.
    Released,
    /// Taken away: nothing is reported, the new owner speaks.
    Lost,
}

/// The state of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Wanted.
    Running(Running),
    /// Winding down.
    Stopping(Stopping),
    /// Over.
    Finished,
}

/// A wanted session.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    source: Source,
    sink: Sink,
    has_target: bool,
    policy: Policy,
    budget: Budget,
    encoder_failures: u32,
    ever_connected: bool,
    lost_connection: bool,
    reconnects: u32,
    phase: Phase,
    last: Attempt,
}

/// A session on its way out: what is still open.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopping {
    outcome: Outcome,
    source: Option<Attempt>,
    sink: Option<Attempt>,
    reconnects: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Seeking(Attempt),
    Flowing { attempt: Attempt, since: Duration },
    Closing(Attempt),
    Pausing,
}

#[derive(Clone, Debug, PartialEq)]
enum Sink {
    Idle,
    Wanted,
    Opening(Attempt),
    Open { attempt: Attempt, acked_at: Option<Duration> },
    Closing(Attempt),
    Backoff,
}

impl State {
    /// A new session and its first effects. `ever_connected`: an earlier epoch reached the sink.
    pub fn start(rules: &Rules, ever_connected: bool, reconnects: u32) -> (Self, Vec<Effect>) {
        let first = Attempt(1);
        let running = Running {
            source: Source::Seeking(first),
            sink: Sink::Idle,
            has_target: false,
            policy: rules.policy,
            budget: Budget::default(),
            encoder_failures: 0,
            ever_connected,
            lost_connection: ever_connected,
            reconnects,
            phase: Phase::Claimed,
            last: first,
        };
        (Self::Running(running), vec![Effect::FetchTarget, Effect::OpenSource(first)])
    }

    /// Whether this or an earlier epoch reached the sink: then a refusal is not final.
    pub fn ever_connected(&self) -> bool {
        matches!(self, Self::Running(running) if running.ever_connected)
    }

    /// Connections lost and made again, while a publish is up or on its way back; else there is nothing to measure.
    pub fn measurable(&self) -> Option<u32> {
        match self {
            Self::Running(running) if matches!(running.phase, Phase::Connected | Phase::Reconnecting) => {
                Some(running.reconnects)
            }
            _ => None,
        }
    }

    /// What to report again from time to time, in case the last report was lost. Nothing in the final states.
    pub fn standing_report(&self) -> Option<Report> {
        match self {
            Self::Running(Running { phase: Phase::Reconnecting | Phase::Claimed, .. }) => None,
            Self::Running(running) => Some(running.report(running.phase)),
            _ => None,
        }
    }
}

impl Running {
    fn report(&self, phase: Phase) -> Report {
        Report { phase, fault: None, attempt: self.budget.used(), retry_in: None, reconnects: self.reconnects }
    }
}
