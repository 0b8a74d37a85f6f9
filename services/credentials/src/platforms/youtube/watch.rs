//! What is remembered of a broadcast between two looks, and what it means. Pure.

use std::time::Duration;

use domain::fault::{Blame, Fault, Retry};

use super::{
    model::{Broadcast, Flow, Life, Stream, Video},
    pace::{self, Asked, Due},
    words,
};
use crate::platforms::{Judgement, Repair, State, Truth};

/// Media that YouTube does not see for so long is not arriving.
const SILENCE_MS: i64 = 15_000;
/// An automatic start takes some seconds after media is there; then we start it.
const AUTO_START_MS: i64 = 10_000;
/// A transition takes up to a minute; then it is stuck for ever.
const STUCK_MS: i64 = 60_000;
/// Transitions and binds that were tried in vain before another broadcast is made.
const ATTEMPTS: u32 = 5;
/// Between two of them; doubled each time.
const ATTEMPT_MS: i64 = 4_000;
/// While no media is sent, or all is over, there is nothing to ask: the caller looks when media begins.
const IDLE: Duration = Duration::from_secs(5);
/// A look that comes earlier or later than was asked for, by more than this, follows one of another replica.
const JITTER_MS: i64 = 3_000;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub id: String,
    /// When it was first, and last, used.
    born_ms: i64,
    pub used_ms: i64,
    /// When the next look was asked for.
    expected_ms: i64,
    asked: Asked,
    publishing_ms: i64,
    life: Option<Life>,
    starts_itself: bool,
    bound: Option<String>,
    flow: Option<Flow>,
    /// The stream with its key is not at YouTube any more.
    keyless: bool,
    health: Judgement,
    issues: Vec<String>,
    viewers: u64,
    live_ms: i64,
    starting_ms: Option<i64>,
    active_ms: Option<i64>,
    unwell_ms: Option<i64>,
    attempts: u32,
    attempted_ms: i64,
}

/// What going live needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    GoLive,
    Bind,
}

impl Watch {
    pub fn new(id: &str, now_ms: i64) -> Self {
        Self { id: id.to_owned(), born_ms: now_ms, ..Self::default() }
    }

    /// Whether media is being sent, since when.
    pub fn publishing(&mut self, since_ms: i64) {
        if self.publishing_ms != since_ms {
            (self.publishing_ms, self.active_ms) = (since_ms, None);
        }
    }

    /// A look begins. Somebody else may have looked meanwhile and told the caller more: then all is asked again.
    pub fn begin(&mut self, now_ms: i64) {
        self.used_ms = now_ms;
        if (now_ms - self.expected_ms).abs() > JITTER_MS {
            self.asked = Asked::default();
            self.life = self.life.filter(|life| !life.is_over());
        }
    }

    /// When the next look was asked for.
    pub fn expect(&mut self, at_ms: i64) {
        self.expected_ms = at_ms;
    }

    /// When YouTube is worth asking.
    pub fn due(&self) -> Due {
        match self.life {
            None => Due { broadcast: 0, ..Due::NEVER },
            Some(life) if life.is_over() => Due::NEVER,
            Some(Life::Live) => pace::live(self.asked, self.publishing_ms, self.live_ms, self.unwell_ms),
            Some(_) if self.publishing_ms == 0 => Due::NEVER,
            Some(_) => pace::waiting(self.asked, self.publishing_ms.max(self.born_ms)),
        }
    }

    /// YouTube's answer; `None` when it does not know the broadcast.
    pub fn saw_broadcast(&mut self, seen: Option<&Broadcast>, now_ms: i64) {
        self.asked.broadcast = now_ms;
        let life = seen.map_or(Life::Complete, |seen| seen.status.clone().unwrap_or_default().life_cycle_status);
        if let Some(details) = seen.and_then(|seen| seen.content_details.as_ref()) {
            self.starts_itself = details.enable_auto_start.unwrap_or(false);
            self.bound = details.bound_stream_id.clone();
        }
        if life == Life::Live && self.live_ms == 0 {
            self.live_ms = now_ms;
        }
        self.starting_ms = if life.is_starting() { self.starting_ms.or(Some(now_ms)) } else { None };
        self.life = Some(life);
    }

    /// YouTube's answer; `None` when it does not know the stream.
    pub fn saw_stream(&mut self, seen: Option<&Stream>, now_ms: i64) {
        (self.asked.stream, self.keyless) = (now_ms, seen.is_none());
        let status = seen.and_then(|seen| seen.status.clone()).unwrap_or_default();
        self.active_ms = if status.stream_status == Flow::Active { self.active_ms.or(Some(now_ms)) } else { None };
        self.flow = Some(status.stream_status);
        let health = status.health_status.unwrap_or_default();
        (self.health, self.issues) = (words::judgement(&health), words::sentences(&health));
        let unwell = self.health == Judgement::Bad || status.stream_status != Flow::Active;
        self.unwell_ms = if unwell { self.unwell_ms.or(Some(now_ms)) } else { None };
    }

    /// YouTube's answer. An end, or a video that is not there, has the broadcast looked at.
    pub fn saw_video(&mut self, seen: Option<&Video>, now_ms: i64) {
        self.asked.video = now_ms;
        let details = seen.and_then(|video| video.live_streaming_details.clone());
        if seen.is_none() || details.as_ref().is_some_and(|details| details.actual_end_time.is_some()) {
            self.life = None;
        }
        let viewers = details.and_then(|details| details.concurrent_viewers);
        self.viewers = viewers.and_then(|text| text.parse().ok()).unwrap_or(0);
    }

    /// The broadcast's state must be read before anything is decided.
    pub fn unclear(&self) -> bool {
        self.life.is_none()
    }

    /// What to do at YouTube, at most now.
    pub fn step(&self, stream: Option<&str>, now_ms: i64) -> Option<Step> {
        let pause = ATTEMPT_MS << self.attempts.min(ATTEMPTS);
        if self.attempts >= ATTEMPTS || (self.attempts > 0 && now_ms < self.attempted_ms + pause) {
            return None;
        }
        let life = self.life.filter(|_| self.publishing_ms > 0)?;
        if life.is_early() && stream.is_some() && self.bound.as_deref() != stream {
            return Some(Step::Bind);
        }
        let active = self.active_ms?;
        let waits = self.starts_itself && life != Life::Testing && now_ms - active < AUTO_START_MS;
        (matches!(life, Life::Ready | Life::Created | Life::Testing) && !waits).then_some(Step::GoLive)
    }

    /// A step is being taken.
    pub fn attempted(&mut self, now_ms: i64) {
        self.attempts += 1;
        self.attempted_ms = now_ms;
    }

    /// The state has changed behind our back: it is read at once.
    pub fn reread(&mut self) {
        self.asked.broadcast = 0;
    }

    /// YouTube saw no media when we told it to go live.
    pub fn not_active(&mut self) {
        self.active_ms = None;
    }

    /// What it all means.
    pub fn truth(&self, now_ms: i64) -> Truth {
        let state = match self.life {
            None => State::Unknown,
            Some(Life::Live) => State::Live,
            Some(life) if life.is_over() => State::Ended,
            Some(_) => State::Waiting,
        };
        let trouble = self.trouble(now_ms);
        let again = match (&trouble, self.due()) {
            (Some(_), _) => Duration::from_secs(1),
            (None, due) if due == Due::NEVER => IDLE,
            (None, due) => pace::until(due.first(), now_ms),
        };
        let live = state == State::Live;
        Truth {
            state,
            viewers: if live { self.viewers } else { 0 },
            health: self.health,
            issues: self.issues.clone(),
            repair: trouble.as_ref().map(|(repair, _)| *repair),
            fault: trouble.map(|(_, fault)| fault),
            playback_url: None,
            again: Some(again),
        }
    }

    fn trouble(&self, now_ms: i64) -> Option<(Repair, Fault)> {
        if self.publishing_ms == 0 {
            return None;
        }
        match self.life? {
            Life::Revoked => Some((
                Repair::Ask,
                fault(
                    Retry::Permanent,
                    "platform_rejects_stream",
                    "YouTube has taken the broadcast down. Look into YouTube Studio for the reason.",
                ),
            )),
            Life::Complete => Some((
                Repair::Renew,
                fault(
                    Retry::Transient,
                    "broadcast_ended",
                    "The broadcast is over at YouTube although the stream goes on. A new one is made.",
                ),
            )),
            life if life.is_starting() && self.starting_ms.is_some_and(|since| now_ms - since > STUCK_MS) => Some((
                Repair::Renew,
                fault(
                    Retry::Transient,
                    "platform_unavailable",
                    "YouTube did not bring the broadcast on air within a minute. A new one is made.",
                ),
            )),
            life if life != Life::Live && self.attempts >= ATTEMPTS && now_ms > self.attempted_ms + STUCK_MS => Some((
                Repair::Renew,
                fault(
                    Retry::Transient,
                    "platform_unavailable",
                    "YouTube does not bring the broadcast on air. A new one is made.",
                ),
            )),
            _ if self.keyless => Some((
                Repair::Renew,
                fault(
                    Retry::Transient,
                    "platform_rejects_stream",
                    "The stream key was deleted at YouTube. Another one is made, and a broadcast with it.",
                ),
            )),
            _ => self.silence(),
        }
    }

    /// Judged by a look that came late enough after the publish began.
    fn silence(&self) -> Option<(Repair, Fault)> {
        let late = self.asked.stream >= self.publishing_ms + SILENCE_MS;
        let silent = matches!(self.flow?, Flow::Created | Flow::Ready | Flow::Inactive | Flow::Error);
        (late && silent).then(|| {
            let message = "YouTube gets no media although it is being sent. The connection is made anew.";
            (Repair::Reconnect, fault(Retry::Transient, "platform_rejects_stream", message))
        })
    }
}

fn fault(retry: Retry, code: &str, message: &str) -> Fault {
    Fault::new(Blame::Platform, retry, code, message)
}
