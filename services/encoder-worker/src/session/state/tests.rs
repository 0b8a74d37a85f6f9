use std::{collections::BTreeSet, time::Duration};

use domain::{
    fault::{Blame, Fault, Retry},
    retry::Policy,
};
use proptest::prelude::*;

use super::*;

fn transient() -> Fault {
    Fault::new(Blame::Destination, Retry::Transient, "connection_lost", "x")
}

fn refused() -> Fault {
    Fault::new(Blame::Destination, Retry::Permanent, "publish_refused", "x")
}

fn crash() -> Fault {
    Fault::new(Blame::Us, Retry::Transient, "encoder_failed", "x")
}

/// Runs a session by hand; keeps what is open, as the executor would.
struct Hand {
    state: State,
    rules: Rules,
    now: Duration,
    source: Attempt,
    sink: Attempt,
    reports: Vec<String>,
    finished: Option<Outcome>,
}

impl Hand {
    fn new() -> Self {
        let policy = Policy { auto_reconnect: true, max_retries: 3 };
        let rules = Rules { policy, ..Rules::default() };
        let (state, effects) = State::start(&rules, false, 0);
        let mut hand = Self {
            state,
            rules,
            now: Duration::ZERO,
            source: Attempt(0),
            sink: Attempt(0),
            reports: Vec::new(),
            finished: None,
        };
        hand.note(effects);
        hand
    }

    fn live() -> Self {
        let mut hand = Self::new();
        hand.give(Event::TargetReady);
        hand.give(Event::SourceOpened(hand.source));
        hand.give(Event::EncoderProducing(hand.source));
        hand.give(Event::SinkOpened(hand.sink));
        hand.give(Event::SinkAcked(hand.sink));
        hand.reports.clear();
        hand
    }

    /// Returns the effects, without reports.
    fn give(&mut self, event: Event) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, State::Finished);
        let (state, effects, fits) = next(state, event.clone(), Moment { now: self.now, chance: 0.5 }, &self.rules);
        assert!(fits, "{event:?} fits nothing");
        self.state = state;
        self.note(effects)
    }

    fn note(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        for effect in &effects {
            match effect {
                Effect::OpenSource(attempt) => self.source = *attempt,
                Effect::OpenSink(attempt) => self.sink = *attempt,
                Effect::Report(report) => self.reports.push(line(report)),
                Effect::Finish(outcome) => self.finished = Some(outcome.clone()),
                _ => {}
            }
        }
        effects.into_iter().filter(|effect| !matches!(effect, Effect::Report(_) | Effect::Disarm(_))).collect()
    }

    fn lose_sink(&mut self, fault: Fault) -> Vec<Effect> {
        self.give(Event::SinkGone(self.sink, SinkGone::Lost(fault)))
    }
}

fn line(report: &Report) -> String {
    let fault = report.fault.as_ref().map_or(String::new(), |fault| format!(" {}", fault.code));
    let retry = report.retry_in.map_or(String::new(), |wait| format!(" #{} {wait:?}", report.attempt));
    format!("{}{fault}{retry}", report.phase)
}

#[test]
fn a_start_goes_both_ways_at_once() {
    let mut hand = Hand::new();
    assert_eq!(hand.give(Event::SourceAbsent(Attempt(1))), []);
    assert_eq!(hand.give(Event::SourceOpened(Attempt(1))), []);
    assert_eq!(hand.give(Event::TargetReady), [Effect::OpenSink(Attempt(2))]);
    hand.give(Event::SinkOpened(Attempt(2)));
    hand.give(Event::EncoderProducing(Attempt(1)));
    hand.give(Event::SinkAcked(Attempt(2)));
    assert_eq!(hand.reports, ["waiting_source", "connecting", "connected"]);
}

#[test]
fn refused_at_first_is_final() {
    let mut hand = Hand::new();
    hand.give(Event::TargetReady);
    hand.give(Event::SourceOpened(hand.source));
    let effects = hand.lose_sink(refused());
    assert_eq!(effects, [Effect::CloseSource(Attempt(1)), Effect::Arm(Timer::Stop, hand.rules.stop_limit)]);
    hand.give(Event::SourceGone(Attempt(1), Gone::Closed));
    assert_eq!(hand.reports, ["connecting", "failed publish_refused"]);
    assert_eq!(hand.finished, Some(Outcome::Failed(refused())));
}

#[test]
fn a_lost_sink_comes_back_without_touching_the_source() {
    let mut hand = Hand::live();
    let wait = Duration::from_millis(500);
    assert_eq!(hand.lose_sink(transient()), [Effect::Arm(Timer::SinkRetry, wait)]);
    assert_eq!(hand.give(Event::Elapsed(Timer::SinkRetry)), [Effect::OpenSink(Attempt(3))]);
    hand.give(Event::SinkOpened(Attempt(3)));
    hand.give(Event::SinkAcked(Attempt(3)));
    assert_eq!(hand.reports, ["reconnecting connection_lost #1 500ms", "connected"]);
    assert!(matches!(&hand.state, State::Running(Running { reconnects: 1, .. })));
}

#[test]
fn the_budget_runs_out() {
    let mut hand = Hand::live();
    for _ in 0..3 {
        hand.lose_sink(transient());
        hand.give(Event::Elapsed(Timer::SinkRetry));
    }
    hand.lose_sink(transient());
    hand.give(Event::SourceGone(hand.source, Gone::Closed));
    assert!(matches!(&hand.finished, Some(Outcome::Failed(fault)) if !fault.is_transient()), "{:?}", hand.state);
    assert_eq!(hand.reports.last().map(String::as_str), Some("failed connection_lost"));
}

#[test]
fn a_busy_key_is_waited_for_without_end() {
    let mut hand = Hand::live();
    let busy = Fault::new(Blame::Destination, Retry::Transient, "publish_conflict", "x");
    for _ in 0..50 {
        hand.lose_sink(busy.clone());
        hand.give(Event::Elapsed(Timer::SinkRetry));
    }
    assert!(matches!(hand.state, State::Running(_)));
}

#[test]
fn an_ended_source_is_waited_for_and_burns_nothing() {
    let mut hand = Hand::live();
    let effects = hand.give(Event::SourceGone(Attempt(1), Gone::Ended));
    assert_eq!(effects, [Effect::OpenSource(Attempt(3)), Effect::Arm(Timer::Linger, hand.rules.linger_ended)]);
    assert_eq!(hand.give(Event::Elapsed(Timer::Linger)), [Effect::CloseSink(Attempt(2))]);
    hand.give(Event::SinkGone(Attempt(2), SinkGone::Closed));
    assert_eq!(hand.give(Event::SourceOpened(Attempt(3))), [Effect::OpenSink(Attempt(4))]);
    hand.give(Event::SinkOpened(Attempt(4)));
    hand.give(Event::SinkAcked(Attempt(4)));
    assert_eq!(hand.reports, ["waiting_source", "connecting", "connected"]);
    assert!(matches!(&hand.state, State::Running(Running { reconnects: 0, .. })));
}

#[test]
fn a_source_back_within_the_linger_keeps_the_publish() {
    let mut hand = Hand::live();
    hand.give(Event::SourceGone(Attempt(1), Gone::Ended));
    assert_eq!(hand.give(Event::SourceOpened(Attempt(3))), []);
    hand.give(Event::EncoderProducing(Attempt(3)));
    assert_eq!(hand.reports, ["waiting_source", "connected"]);
}

#[test]
fn a_sink_that_ends_a_quiet_publish_is_not_to_blame() {
    let mut hand = Hand::live();
    hand.give(Event::SourceGone(Attempt(1), Gone::Ended));
    assert_eq!(hand.lose_sink(transient()), []);
    assert_eq!(hand.give(Event::SourceOpened(Attempt(3))), [Effect::OpenSink(Attempt(4))]);
}

#[test]
fn a_broken_relay_is_tried_again_while_the_publish_stays() {
    let mut hand = Hand::live();
    hand.now = Duration::from_secs(5);
    let effects = hand.give(Event::SourceGone(Attempt(1), Gone::Aborted));
    let linger = Effect::Arm(Timer::Linger, hand.rules.linger_broken);
    assert_eq!(effects, [Effect::Arm(Timer::SourceRetry, hand.rules.reopen), linger.clone()]);
    assert_eq!(hand.give(Event::Elapsed(Timer::SourceRetry)), [Effect::OpenSource(Attempt(3))]);
    assert_eq!(hand.give(Event::SourceOpened(Attempt(3))), []);
    let again = hand.give(Event::SourceGone(Attempt(3), Gone::Aborted));
    assert_eq!(again, [Effect::Arm(Timer::SourceRetry, hand.rules.retry_floor), linger], "no spin");
    assert_eq!(hand.reports, [""; 0]);
}

#[test]
fn a_crashing_encoder_backs_off_and_gives_up() {
    let mut hand = Hand::live();
    let mut waits = Vec::new();
    for _ in 0..hand.rules.encoder_retries {
        let effects = hand.give(Event::SourceGone(hand.source, Gone::Encoder(crash())));
        waits.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Arm(Timer::SourceRetry, wait) => Some(wait.as_millis()),
            _ => None,
        }));
        hand.give(Event::Elapsed(Timer::SourceRetry));
        hand.give(Event::SourceOpened(hand.source));
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000]);
    hand.give(Event::SourceGone(hand.source, Gone::Encoder(crash())));
    hand.give(Event::SinkGone(hand.sink, SinkGone::Closed));
    assert!(matches!(&hand.finished, Some(Outcome::Failed(fault)) if fault.code == "encoder_failed"));
}

#[test]
fn a_fenced_reader_is_cut_and_says_nothing() {
    let mut hand = Hand::live();
    let effects = hand.give(Event::SourceGone(Attempt(1), Gone::Fenced));
    assert_eq!(effects[..2], [Effect::Cut, Effect::CloseSink(Attempt(2))]);
    hand.give(Event::SinkGone(Attempt(2), SinkGone::Closed));
    assert_eq!((hand.finished, hand.reports), (Some(Outcome::Lost), vec![]));
}

#[test]
fn stop_closes_both_and_then_reports() {
    let mut hand = Hand::live();
    let stop = Effect::Arm(Timer::Stop, hand.rules.stop_limit);
    let effects = hand.give(Event::Stop(StopReason::Wanted));
    assert_eq!(effects, [Effect::CloseSink(Attempt(2)), Effect::CloseSource(Attempt(1)), stop]);
    hand.give(Event::SinkGone(Attempt(2), SinkGone::Closed));
    assert_eq!(hand.finished, None);
    hand.give(Event::SourceGone(Attempt(1), Gone::Closed));
    assert_eq!((hand.finished, hand.reports), (Some(Outcome::Ended), vec!["ended".to_owned()]));
}

#[test]
fn stop_beats_drain_and_theft_beats_both() {
    let mut hand = Hand::live();
    hand.give(Event::Stop(StopReason::Drain));
    hand.give(Event::Stop(StopReason::Wanted));
    assert_eq!(hand.give(Event::Stop(StopReason::Lost)), [Effect::Cut]);
    assert_eq!(hand.give(Event::Elapsed(Timer::Stop)), [Effect::Cut, Effect::Finish(Outcome::Lost)]);
}

#[test]
fn a_refresh_restarts_what_changed() {
    let mut hand = Hand::live();
    let policy = Policy { auto_reconnect: false, max_retries: 0 };
    let effects = hand.give(Event::Refreshed(Refresh { policy, source: true, sink: false }));
    assert_eq!(effects[0], Effect::CloseSource(Attempt(1)));
    assert_eq!(hand.give(Event::SourceGone(Attempt(1), Gone::Closed)), [Effect::OpenSource(Attempt(3))]);
    hand.give(Event::SourceOpened(Attempt(3)));
    hand.lose_sink(transient());
    assert!(matches!(hand.state, State::Stopping(_)), "the new policy holds");
}

#[derive(Clone, Debug)]
enum Push {
    Target(bool),
    Source(u8),
    Sink(u8),
    Time,
    Outside(u8),
    Stray(u32, u8),
}

fn push() -> impl Strategy<Value = Push> {
    prop_oneof![
        2 => any::<bool>().prop_map(Push::Target),
        6 => (0_u8..9).prop_map(Push::Source),
        6 => (0_u8..5).prop_map(Push::Sink),
        3 => Just(Push::Time),
        1 => (0_u8..6).prop_map(Push::Outside),
        1 => (0_u32..20, 0_u8..6).prop_map(|(attempt, kind)| Push::Stray(attempt, kind)),
    ]
}

fn source_event(attempt: Attempt, kind: u8) -> Event {
    let gone = match kind {
        0 => return Event::SourceAbsent(attempt),
        1 => return Event::SourceOpened(attempt),
        2 => return Event::EncoderProducing(attempt),
        3 => Gone::Ended,
        4 => Gone::Aborted,
        5 => Gone::Encoder(crash()),
        6 => Gone::Unusable(refused()),
        7 => Gone::Fenced,
        _ => Gone::Closed,
    };
    Event::SourceGone(attempt, gone)
}

fn sink_event(attempt: Attempt, kind: u8) -> Event {
    let gone = match kind {
        0 => return Event::SinkOpened(attempt),
        1 => return Event::SinkAcked(attempt),
        2 => SinkGone::Lost(transient()),
        3 => SinkGone::Outdated,
        _ => SinkGone::Closed,
    };
    Event::SinkGone(attempt, gone)
}

fn outside(kind: u8) -> Event {
    let policy = Policy { auto_reconnect: true, max_retries: 2 };
    match kind {
        0 => Event::Stop(StopReason::Wanted),
        1 => Event::Stop(StopReason::Drain),
        2 => Event::Stop(StopReason::Lost),
        3 => Event::Refreshed(Refresh { policy, source: true, sink: true }),
        _ => Event::Doubted,
    }
}

/// An executor in miniature: knows what is open, and checks that the machine never opens twice, never closes what is
/// not open and, once told to stop, ends when everything it opened has reported.
#[derive(Default)]
struct World {
    sources: BTreeSet<Attempt>,
    sinks: BTreeSet<Attempt>,
    timers: BTreeSet<Timer>,
    finished: u32,
}

impl World {
    fn execute(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::OpenSource(attempt) => {
                    assert!(self.sources.is_empty(), "two source halves");
                    assert!(self.sources.insert(*attempt));
                }
                Effect::OpenSink(attempt) => {
                    assert!(self.sinks.is_empty(), "two publishes");
                    assert!(self.sinks.insert(*attempt));
                }
                Effect::CloseSource(attempt) => assert!(self.sources.contains(attempt)),
                Effect::CloseSink(attempt) => assert!(self.sinks.contains(attempt)),
                Effect::Arm(timer, _) => drop(self.timers.insert(*timer)),
                Effect::Disarm(timer) => drop(self.timers.remove(timer)),
                Effect::Finish(_) => self.finished += 1,
                Effect::FetchTarget | Effect::Report(_) | Effect::Cut => {}
            }
        }
    }

    /// The event of a push, if the world can produce it now.
    fn event(&mut self, push: Push) -> Option<Event> {
        match push {
            Push::Target(true) => Some(Event::TargetReady),
            Push::Target(false) => Some(Event::TargetMissing(refused())),
            Push::Source(kind) => {
                let event = source_event(*self.sources.first()?, kind);
                if matches!(event, Event::SourceGone(..)) {
                    self.sources.pop_first();
                }
                Some(event)
            }
            Push::Sink(kind) => {
                let event = sink_event(*self.sinks.first()?, kind);
                if matches!(event, Event::SinkGone(..)) {
                    self.sinks.pop_first();
                }
                Some(event)
            }
            Push::Time => self.timers.pop_first().filter(|timer| *timer != Timer::Stop).map(Event::Elapsed),
            Push::Outside(kind) => Some(outside(kind)),
            Push::Stray(attempt, kind) => {
                let attempt = Attempt(attempt);
                let known = self.sources.contains(&attempt) || self.sinks.contains(&attempt);
                (!known).then(|| if kind < 3 { source_event(attempt, kind + 3) } else { sink_event(attempt, kind - 2) })
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_start_is_matched_and_stop_ends(pushes in proptest::collection::vec(push(), 0..120), chance in 0.0_f64..1.0) {
        let rules = Rules::default();
        let mut world = World::default();
        let (mut state, effects) = State::start(&rules, false, 0);
        world.execute(&effects);
        let end = [Push::Outside(0)].into_iter().chain((0..4).flat_map(|_| [Push::Source(8), Push::Sink(4)]));
        for (tick, push) in pushes.into_iter().chain(end).enumerate() {
            let Some(event) = world.event(push) else { continue };
            let at = Moment { now: Duration::from_secs(tick as u64), chance };
            let (after, effects, _) = next(state, event, at, &rules);
            world.execute(&effects);
            state = after;
        }
        prop_assert_eq!(&state, &State::Finished);
        prop_assert_eq!(world.finished, 1);
        prop_assert!(world.sources.is_empty() && world.sinks.is_empty());
    }

    #[test]
    fn a_wanted_session_always_has_something_under_way(pushes in proptest::collection::vec(push(), 0..120)) {
        let rules = Rules::default();
        let mut world = World::default();
        let (mut state, effects) = State::start(&rules, false, 0);
        world.execute(&effects);
        for (tick, push) in pushes.into_iter().enumerate() {
            let Some(event) = world.event(push) else { continue };
            let at = Moment { now: Duration::from_secs(tick as u64), chance: 0.5 };
            let (after, effects, _) = next(state, event, at, &rules);
            world.execute(&effects);
            state = after;
            if matches!(state, State::Running(_)) {
                prop_assert!(!world.sources.is_empty() || world.timers.contains(&Timer::SourceRetry), "{:?}", state);
            }
        }
    }
}
