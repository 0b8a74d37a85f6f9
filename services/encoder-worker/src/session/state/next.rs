//! The transitions.

use std::time::Duration;

use domain::{
    fault::{Blame, Fault, Retry},
    retry::{self, Verdict},
    session::Phase,
};

use super::{
    Attempt, Effect, Event, Gone, Moment, Outcome, Refresh, Report, Rules, Running, Sink, SinkGone, Source, State,
    StopReason, Stopping, Timer,
};

/// What follows `event`. Total; an event that fits nothing (late news of an old attempt) changes nothing, and the
/// third value says so.
pub fn next(state: State, event: Event, at: Moment, rules: &Rules) -> (State, Vec<Effect>, bool) {
    match state {
        State::Running(running) => Step { running, at, rules, effects: Vec::new() }.take(event),
        State::Stopping(stopping) => wind_down(stopping, event),
        State::Finished => (State::Finished, Vec::new(), false),
    }
}

struct Step<'a> {
    running: Running,
    at: Moment,
    rules: &'a Rules,
    effects: Vec<Effect>,
}

type Taken = (State, Vec<Effect>, bool);

impl Step<'_> {
    fn take(mut self, event: Event) -> Taken {
        let fits = match event {
            Event::Stop(reason) => return self.stop(outcome(reason)),
            Event::TargetMissing(fault) => return self.stop(Outcome::Failed(fault)),
            Event::SourceGone(attempt, gone) => return self.source_gone(attempt, gone),
            Event::SinkGone(attempt, gone) => return self.sink_gone(attempt, gone),
            Event::TargetReady => self.target_ready(),
            Event::SourceAbsent(attempt) => self.source_absent(attempt),
            Event::SourceOpened(attempt) => self.source_opened(attempt),
            Event::EncoderProducing(attempt) => self.producing(attempt),
            Event::SinkOpened(attempt) => self.sink_opened(attempt),
            Event::SinkAcked(attempt) => self.sink_acked(attempt),
            Event::Elapsed(timer) => self.elapsed(timer),
            Event::Refreshed(refresh) => self.refreshed(refresh),
            Event::Doubted => self.close_source(),
        };
        self.stay(fits)
    }

    fn stay(self, fits: bool) -> Taken {
        (State::Running(self.running), self.effects, fits)
    }

    fn fresh(&mut self) -> Attempt {
        self.running.last.0 += 1;
        self.running.last
    }

    fn flowing(&self) -> bool {
        matches!(self.running.source, Source::Flowing { .. })
    }

    fn enter(&mut self, phase: Phase) {
        if self.running.phase != phase {
            self.running.phase = phase;
            self.effects.push(Effect::Report(self.running.report(phase)));
        }
    }

    fn enter_with(&mut self, phase: Phase, fault: Fault, attempt: u32, wait: Duration) {
        self.running.phase = phase;
        let report = self.running.report(phase);
        self.effects.push(Effect::Report(Report { fault: Some(fault), attempt, retry_in: Some(wait), ..report }));
    }

    // The source half.

    fn seek(&mut self) {
        let attempt = self.fresh();
        self.running.source = Source::Seeking(attempt);
        self.effects.push(Effect::OpenSource(attempt));
    }

    fn source_absent(&mut self, attempt: Attempt) -> bool {
        if self.running.source != Source::Seeking(attempt) {
            return false;
        }
        if matches!(self.running.sink, Sink::Idle | Sink::Wanted | Sink::Closing(_)) {
            self.enter(Phase::WaitingSource);
        }
        true
    }

    fn source_opened(&mut self, attempt: Attempt) -> bool {
        if self.running.source != Source::Seeking(attempt) {
            return false;
        }
        self.running.source = Source::Flowing { attempt, since: self.at.now };
        self.effects.push(Effect::Disarm(Timer::Linger));
        if self.running.sink == Sink::Idle {
            self.want_sink();
        }
        if matches!(self.running.sink, Sink::Wanted | Sink::Opening(_) | Sink::Closing(_)) {
            self.enter(Phase::Connecting);
        }
        true
    }

    fn producing(&mut self, attempt: Attempt) -> bool {
        let fits = matches!(self.running.source, Source::Flowing { attempt: own, .. } if own == attempt);
        if fits && matches!(self.running.sink, Sink::Open { acked_at: Some(_), .. }) {
            self.enter(Phase::Connected);
        }
        fits
    }

    fn source_gone(mut self, attempt: Attempt, gone: Gone) -> Taken {
        let since = match self.running.source {
            Source::Seeking(own) | Source::Closing(own) if own == attempt => None,
            Source::Flowing { attempt: own, since } if own == attempt => Some(since),
            _ => return self.stay(false),
        };
        self.running.source = Source::Pausing;
        match gone {
            Gone::Fenced => return self.stop(Outcome::Lost),
            Gone::Unusable(fault) => return self.stop(Outcome::Failed(fault)),
            Gone::Closed => self.seek(),
            Gone::Ended => {
                self.running.encoder_failures = 0;
                self.seek();
                self.linger(self.rules.linger_ended);
                self.enter(Phase::WaitingSource);
            }
            Gone::Aborted => {
                let served = since.is_some_and(|since| self.at.now.saturating_sub(since) >= self.rules.linger_ended);
                self.pause_source(if served { self.rules.reopen } else { self.rules.retry_floor });
                self.linger(self.rules.linger_broken);
            }
            Gone::Encoder(fault) => return self.encoder_failed(fault, since),
        }
        self.stay(true)
    }

    fn encoder_failed(mut self, fault: Fault, since: Option<Duration>) -> Taken {
        let stable = since.is_some_and(|since| self.at.now.saturating_sub(since) >= self.rules.encoder_stable);
        let failures = if stable { 1 } else { self.running.encoder_failures + 1 };
        self.running.encoder_failures = failures;
        // A source that can't be read burns nobody's budget: its encoder may still correct it.
        if fault.blame != Blame::Source && failures > self.rules.encoder_retries {
            return self.stop(Outcome::Failed(Fault { retry: Retry::Permanent, ..fault }));
        }
        let wait = self.wait(failures);
        self.pause_source(wait);
        self.linger(self.rules.linger_broken);
        let phase = if fault.blame == Blame::Source { Phase::WaitingSource } else { Phase::Reconnecting };
        self.enter_with(phase, fault, failures, wait);
        self.stay(true)
    }

    fn pause_source(&mut self, wait: Duration) {
        self.running.source = Source::Pausing;
        self.effects.push(Effect::Arm(Timer::SourceRetry, wait));
    }

    fn close_source(&mut self) -> bool {
        let (Source::Seeking(attempt) | Source::Flowing { attempt, .. }) = self.running.source else { return true };
        self.running.source = Source::Closing(attempt);
        self.effects.push(Effect::CloseSource(attempt));
        self.linger(self.rules.linger_broken);
        true
    }

    fn linger(&mut self, time: Duration) {
        if matches!(self.running.sink, Sink::Open { .. } | Sink::Opening(_)) {
            self.effects.push(Effect::Arm(Timer::Linger, time));
        }
    }

    fn wait(&self, attempt: u32) -> Duration {
        retry::delay(attempt, self.at.chance).max(self.rules.retry_floor)
    }

    // The sink half.

    fn target_ready(&mut self) -> bool {
        self.running.has_target = true;
        if self.running.sink == Sink::Wanted {
            self.open_sink();
        }
        true
    }

    fn want_sink(&mut self) {
        if self.running.has_target {
            self.open_sink();
        } else {
            self.running.sink = Sink::Wanted;
        }
    }

    fn open_sink(&mut self) {
        let attempt = self.fresh();
        self.running.sink = Sink::Opening(attempt);
        self.effects.push(Effect::OpenSink(attempt));
    }

    fn sink_opened(&mut self, attempt: Attempt) -> bool {
        let fits = self.running.sink == Sink::Opening(attempt);
        if fits {
            self.running.sink = Sink::Open { attempt, acked_at: None };
        }
        fits
    }

    fn sink_acked(&mut self, attempt: Attempt) -> bool {
        let Sink::Open { attempt: own, acked_at } = &mut self.running.sink else { return false };
        if *own != attempt || acked_at.is_some() {
            return false;
        }
        *acked_at = Some(self.at.now);
        self.running.reconnects += u32::from(self.running.lost_connection);
        self.running.lost_connection = false;
        self.running.ever_connected = true;
        self.enter(Phase::Connected);
        true
    }

    fn sink_gone(mut self, attempt: Attempt, gone: SinkGone) -> Taken {
        let acked_at = match self.running.sink {
            Sink::Opening(own) | Sink::Closing(own) if own == attempt => None,
            Sink::Open { attempt: own, acked_at } if own == attempt => acked_at,
            _ => return self.stay(false),
        };
        let closing = matches!(self.running.sink, Sink::Closing(_));
        self.effects.push(Effect::Disarm(Timer::Linger));
        self.running.sink = Sink::Idle;
        match gone {
            SinkGone::Lost(fault) if !closing => return self.sink_lost(fault, acked_at),
            _ if self.flowing() => self.want_sink(),
            _ => self.enter(Phase::WaitingSource),
        }
        self.stay(true)
    }

    fn sink_lost(mut self, fault: Fault, acked_at: Option<Duration>) -> Taken {
        self.running.lost_connection |= acked_at.is_some();
        if !self.flowing() && fault.is_transient() {
            // Servers end a publish that has gone quiet. The source's loss, not the destination's.
            self.enter(Phase::WaitingSource);
            return self.stay(true);
        }
        let connected_for = acked_at.map(|at| self.at.now.saturating_sub(at));
        let (budget, verdict) = self.running.budget.lost(&fault, connected_for, self.running.policy);
        self.running.budget = budget;
        let Verdict::Retry { attempt } = verdict else {
            return self.stop(Outcome::Failed(Fault { retry: Retry::Permanent, ..fault }));
        };
        let wait = self.wait(attempt);
        self.running.sink = Sink::Backoff;
        self.effects.push(Effect::Arm(Timer::SinkRetry, wait));
        self.enter_with(Phase::Reconnecting, fault, attempt, wait);
        self.stay(true)
    }

    fn close_sink(&mut self) {
        if let Sink::Opening(attempt) | Sink::Open { attempt, .. } = self.running.sink {
            self.running.sink = Sink::Closing(attempt);
            self.effects.push(Effect::CloseSink(attempt));
        }
    }

    // Both.

    fn elapsed(&mut self, timer: Timer) -> bool {
        match (timer, &self.running.source, &self.running.sink) {
            (Timer::SourceRetry, Source::Pausing, _) => self.seek(),
            (Timer::SinkRetry, Source::Flowing { .. }, Sink::Backoff) => self.open_sink(),
            (Timer::SinkRetry, _, Sink::Backoff) => {
                self.running.sink = Sink::Idle;
                self.enter(Phase::WaitingSource);
            }
            (Timer::Linger, source, _) if !matches!(source, Source::Flowing { .. }) => {
                self.close_sink();
                self.enter(Phase::WaitingSource);
            }
            _ => return false,
        }
        true
    }

    fn refreshed(&mut self, refresh: Refresh) -> bool {
        self.running.policy = refresh.policy;
        if refresh.sink {
            self.close_sink();
        }
        if refresh.source {
            self.close_source();
        }
        true
    }

    fn stop(self, outcome: Outcome) -> Taken {
        let Self { running, rules, mut effects, .. } = self;
        let (source, closing_source) = match running.source {
            Source::Seeking(attempt) | Source::Flowing { attempt, .. } => (Some(attempt), false),
            Source::Closing(attempt) => (Some(attempt), true),
            Source::Pausing => (None, false),
        };
        let (sink, closing_sink) = match running.sink {
            Sink::Opening(attempt) | Sink::Open { attempt, .. } => (Some(attempt), false),
            Sink::Closing(attempt) => (Some(attempt), true),
            Sink::Idle | Sink::Wanted | Sink::Backoff => (None, false),
        };
        effects.extend([Timer::SourceRetry, Timer::SinkRetry, Timer::Linger].map(Effect::Disarm));
        if outcome == Outcome::Lost {
            effects.push(Effect::Cut);
        }
        effects.extend(sink.filter(|_| !closing_sink).map(Effect::CloseSink));
        effects.extend(source.filter(|_| !closing_source).map(Effect::CloseSource));
        effects.push(Effect::Arm(Timer::Stop, rules.stop_limit));
        Stopping { outcome, source, sink, reconnects: running.reconnects }.settle(effects, true)
    }
}

fn outcome(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Wanted => Outcome::Ended,
        StopReason::Drain => Outcome::Released,
        StopReason::Lost => Outcome::Lost,
    }
}

fn wind_down(mut stopping: Stopping, event: Event) -> Taken {
    let mut effects = Vec::new();
    let fits = match event {
        Event::SourceGone(attempt, _) if stopping.source == Some(attempt) => {
            stopping.source = None;
            true
        }
        Event::SinkGone(attempt, _) if stopping.sink == Some(attempt) => {
            stopping.sink = None;
            true
        }
        Event::Stop(reason) => {
            stopping.change(reason, &mut effects);
            true
        }
        Event::Elapsed(Timer::Stop) => {
            effects.push(Effect::Cut);
            (stopping.source, stopping.sink) = (None, None);
            true
        }
        _ => false,
    };
    stopping.settle(effects, fits)
}

impl Stopping {
    /// A second reason while stopping: being robbed beats everything, being stopped beats being handed over.
    fn change(&mut self, reason: StopReason, effects: &mut Vec<Effect>) {
        match (reason, &self.outcome) {
            (StopReason::Lost, Outcome::Ended | Outcome::Released | Outcome::Failed(_)) => {
                self.outcome = Outcome::Lost;
                effects.push(Effect::Cut);
            }
            (StopReason::Wanted, Outcome::Released) => self.outcome = Outcome::Ended,
            _ => {}
        }
    }

    fn settle(self, mut effects: Vec<Effect>, fits: bool) -> Taken {
        if self.source.is_some() || self.sink.is_some() {
            return (State::Stopping(self), effects, fits);
        }
        effects.push(Effect::Disarm(Timer::Stop));
        // Released is reported by the executor once the lease is free; the robbed say nothing.
        let last = match &self.outcome {
            Outcome::Ended => Some((Phase::Ended, None)),
            Outcome::Failed(fault) => Some((Phase::Failed, Some(fault.clone()))),
            Outcome::Released | Outcome::Lost => None,
        };
        let reconnects = self.reconnects;
        effects.extend(
            last.map(|(phase, fault)| Effect::Report(Report { phase, fault, attempt: 0, retry_in: None, reconnects })),
        );
        effects.push(Effect::Finish(self.outcome));
        (State::Finished, effects, fits)
    }
}
