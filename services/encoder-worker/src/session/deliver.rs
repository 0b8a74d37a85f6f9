//! Runs a delivery: feeds events to the state machine and executes what it decides.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bus::MetricSample;
use domain::{output::decide, retry::Policy, session::Phase};
use service_kit::{Clock, SystemClock};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    events::Events,
    finish,
    reports::Reports,
    shared::Shared,
    spec::Spec,
    state::{
        Attempt, Effect, Event, Moment, Outcome, Refresh, Report, Rules, SinkGone, State, StopReason, Timer, next,
    },
};
use crate::{
    beat::beat,
    gate::SessionGate,
    metric,
    sink::{self, target::Target},
    source,
    work::{
        clients::{ClaimError, TargetError},
        context::Context,
        registry::Word,
    },
};

/// Between two metric samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The phase is said again after so many samples: a report that was lost with NATS's store is made good.
const REPEAT_EVERY: u32 = 15;
/// Answers waiting to be read; each is asked for by this session.
const MAX_NEWS: usize = 8;
/// Between two questions to a vault that is away.
const VAULT_RETRY: Duration = Duration::from_millis(300);

/// What comes in besides events of the halves.
enum News {
    Target(Result<Target, TargetError>),
    Spec(Result<Box<Spec>, ClaimError>),
}

/// Runs it to its end.
pub async fn run(context: Arc<Context>, spec: Spec, gate: Arc<SessionGate>, words: mpsc::Receiver<Word>, start: Span) {
    let rules = Rules { policy: Policy::from(&spec.settings), ..context.rules };
    let (state, effects) = State::start(&rules, spec.ever_connected, spec.prior_reconnects);
    let shared = Arc::new(Shared::new(spec, gate, context.outbox, start));
    let (events, inbox) = Events::channel();
    let (news, headlines) = mpsc::channel(MAX_NEWS);
    let mut delivery = Delivery {
        context,
        shared,
        rules,
        state,
        events,
        news,
        timers: BTreeMap::new(),
        source: None,
        sink: None,
        target: None,
        reports: Reports::new(),
        samples: 0,
        measured: None,
        cut: None,
        finished: None,
    };
    delivery.execute(effects);
    delivery.live(words, inbox, headlines).await;
    delivery.finish().await;
}

struct Delivery {
    context: Arc<Context>,
    shared: Arc<Shared>,
    rules: Rules,
    state: State,
    events: Events,
    news: mpsc::Sender<News>,
    timers: BTreeMap<Timer, Instant>,
    source: Option<Half>,
    sink: Option<Half>,
    target: Option<Target>,
    reports: Reports,
    samples: u32,
    /// Reconnects as of the last sample; `None` before the first.
    measured: Option<u32>,
    /// A sink half that was cut in this step.
    cut: Option<Attempt>,
    finished: Option<Outcome>,
}

/// A half that was started: how to close it, and how to cut it.
struct Half {
    attempt: Attempt,
    close: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Half {
    fn start(attempt: Attempt, run: impl FnOnce(CancellationToken) -> tokio::task::JoinHandle<()>) -> Self {
        let close = CancellationToken::new();
        Self { attempt, task: run(close.clone()), close }
    }
}

impl Delivery {
    async fn live(
        &mut self,
        mut words: mpsc::Receiver<Word>,
        mut inbox: mpsc::Receiver<Event>,
        mut headlines: mpsc::Receiver<News>,
    ) {
        let mut sample = pin!(sleep(Duration::ZERO));
        while self.finished.is_none() {
            let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
            tokio::select! {
                biased;
                Some(word) = words.recv() => self.told(word),
                Some(event) = inbox.recv() => self.take(event),
                Some(news) = headlines.recv() => self.read(news),
                timer = elapsed(due) => {
                    self.timers.remove(&timer);
                    self.take(Event::Elapsed(timer));
                }
                () = sample.as_mut() => {
                    sample.set(beat(SAMPLE_EVERY, Duration::ZERO));
                    self.sample();
                }
            }
        }
    }

    fn told(&mut self, word: Word) {
        match word {
            Word::Stop(reason) => self.take(Event::Stop(reason)),
            Word::Doubted => self.take(Event::Doubted),
            Word::Refresh => self.ask_for_spec(),
        }
    }

    fn take(&mut self, event: Event) {
        tracing::debug!(?event, "event");
        if let Event::SinkAcked(_) = event
            && let Some(took) = self.shared.started()
        {
            metrics::histogram!(metric::START_SECONDS).record(took.as_secs_f64());
        }
        let at = Moment { now: self.shared.now(), chance: (self.context.chance)() };
        let state = std::mem::replace(&mut self.state, State::Finished);
        let (state, effects, fits) = next(state, event, at, &self.rules);
        self.state = state;
        if !fits {
            metrics::counter!(metric::LATE_EVENTS).increment(1);
        }
        self.execute(effects);
        // An aborted half can't say that it is over.
        if let Some(attempt) = self.cut.take() {
            self.take(Event::SinkGone(attempt, SinkGone::Closed));
        }
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::FetchTarget => self.fetch_target(),
                Effect::OpenSource(attempt) => self.open_source(attempt),
                Effect::OpenSink(attempt) => self.open_sink(attempt),
                Effect::CloseSource(attempt) => close(&self.source, attempt),
                Effect::CloseSink(attempt) => close(&self.sink, attempt),
                Effect::Cut => self.cut(),
                Effect::Arm(timer, wait) => drop(self.timers.insert(timer, Instant::now() + wait)),
                Effect::Disarm(timer) => drop(self.timers.remove(&timer)),
                Effect::Report(report) => self.report(report),
                Effect::Finish(outcome) => self.finished = Some(outcome),
            }
        }
    }

    fn open_source(&mut self, attempt: Attempt) {
        let (context, shared, events) = (self.context.clone(), self.shared.clone(), self.events.clone());
        self.source = Some(Half::start(attempt, |close| {
            tokio::spawn(source::half::run(context, shared, attempt, events, close))
        }));
    }

    fn open_sink(&mut self, attempt: Attempt) {
        // The machine opens a sink only after `TargetReady`.
        let Some(target) = self.target.clone() else { return };
        let ever_connected = self.state.ever_connected();
        let (context, shared, events) = (self.context.clone(), self.shared.clone(), self.events.clone());
        self.sink = Some(Half::start(attempt, |close| {
            let run = sink::half::run(context, shared, target, attempt, ever_connected, events, close);
            tokio::spawn(run)
        }));
    }

    fn cut(&mut self) {
        self.shared.gate.shut();
        self.shared.outbox.hold();
        // Dropping a publisher resets its connection: what the kernel still holds is thrown away.
        if let Some(sink) = self.sink.take() {
            sink.task.abort();
            self.cut = Some(sink.attempt);
        }
    }

    fn report(&mut self, report: Report) {
        let mode = self.shared.media().map_or("", |media| media.output.mode());
        self.reports.send(&self.context, &self.shared.spec(), report, mode);
    }

    fn fetch_target(&self) {
        let (context, spec, news) = (self.context.clone(), self.shared.spec(), self.news.clone());
        let ask = async move {
            let Some(destination) = spec.destination else { return };
            loop {
                match context.clients.target(destination, spec.session, spec.epoch).await {
                    Err(TargetError::Unavailable) if !news.is_closed() => sleep(VAULT_RETRY).await,
                    answer => return drop(news.send(News::Target(answer)).await),
                }
            }
        };
        let span = self.shared.start_span(|parent| tracing::info_span!(parent: parent, "vault.target"));
        tokio::spawn(ask.instrument(span));
    }

    fn ask_for_spec(&self) {
        let (context, spec, news) = (self.context.clone(), self.shared.spec(), self.news.clone());
        let ask = async move {
            let answer = context.clients.claim(spec.session, spec.epoch).await.map(Box::new);
            let _ = news.send(News::Spec(answer)).await;
        };
        tokio::spawn(ask.in_current_span());
    }

    fn read(&mut self, news: News) {
        match news {
            News::Target(Ok(target)) => self.got_target(target),
            News::Target(Err(TargetError::Missing(fault))) => self.take(Event::TargetMissing(fault)),
            News::Target(Err(TargetError::NotOwner)) | News::Spec(Err(ClaimError::Refused)) => {
                self.take(Event::Stop(StopReason::Lost));
            }
            News::Spec(Ok(spec)) => self.got_spec(*spec),
            News::Target(Err(TargetError::Unavailable)) => {}
            News::Spec(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "not refreshed"),
        }
    }

    fn got_target(&mut self, target: Target) {
        let before = self.target.replace(target.clone());
        match before {
            None => self.take(Event::TargetReady),
            Some(before) if before.is_same(&target) => {}
            Some(_) => self.take(Event::Refreshed(Refresh { policy: self.policy(), source: false, sink: true })),
        }
    }

    fn got_spec(&mut self, spec: Spec) {
        let changed = self.shared.media().is_some_and(|media| {
            let output = decide(&media.source, &spec.settings, spec.platform);
            (output.video, output.audio) != (media.output.video, media.output.audio)
        });
        self.shared.set_spec(spec);
        self.take(Event::Refreshed(Refresh { policy: self.policy(), source: changed, sink: false }));
        // The key may be another one as well.
        self.fetch_target();
    }

    fn policy(&self) -> Policy {
        Policy::from(&self.shared.spec().settings)
    }

    fn sample(&mut self) {
        self.samples += 1;
        if self.samples.is_multiple_of(REPEAT_EVERY)
            && let Some(standing) = self.state.standing_report()
        {
            self.report(standing);
        }
        if let Some(reconnects) = self.state.measurable() {
            self.measured = Some(reconnects);
            self.publish_sample(reconnects);
        }
    }

    fn publish_sample(&self, reconnects: u32) {
        let spec = self.shared.spec();
        let Some(destination) = spec.destination else { return };
        let reading = self.shared.meter.lock().unwrap_or_else(PoisonError::into_inner).read(self.shared.now());
        let sample = MetricSample {
            stream: spec.stream,
            destination,
            session: spec.session,
            epoch: spec.epoch.0,
            sequence: u64::from(self.samples),
            platform: spec.platform,
            fps: round(reading.fps),
            bitrate: round(reading.kbps),
            frames_sent: reading.frames,
            bytes_sent: reading.bytes,
            dropped_frames: self.shared.outbox.dropped_frames(),
            speed: self.shared.media().map_or(0.0, |media| media.report.speed()),
            reconnects,
            at_ms: SystemClock.now_ms(),
        };
        let context = self.context.clone();
        tokio::spawn(async move {
            // A lost sample is replaced by the next one.
            let _ = context.bus.publish_metric(&sample).await;
        });
    }

    async fn finish(mut self) {
        let outcome = self.finished.take().unwrap_or(Outcome::Lost);
        self.shared.gate.shut();
        let label = match &outcome {
            Outcome::Ended => "ended",
            Outcome::Failed(_) => "failed",
            Outcome::Released => "released",
            Outcome::Lost => "lost",
        };
        metrics::counter!(metric::SESSION_ENDS, "outcome" => label).increment(1);
        let dropped = self.shared.outbox.dropped_frames();
        metrics::counter!(metric::DROPPED_FRAMES).increment(dropped);
        for half in [self.sink.take(), self.source.take()].into_iter().flatten() {
            // Over already, unless the stop limit ran out: then dropping it kills FFmpeg and resets the connection.
            half.task.abort();
            let _ = half.task.await;
        }
        if let Some(reconnects) = self.measured {
            // What was acknowledged since the last sample, up to the goodbye.
            self.samples += 1;
            self.publish_sample(reconnects);
        }
        let spec = self.shared.spec();
        finish::give_back(&self.context, &spec).await;
        if outcome == Outcome::Released {
            self.reports.phase(&self.context, &spec, Phase::Released, 0);
        }
        tracing::info!(outcome = label, "session over");
    }
}

fn close(half: &Option<Half>, attempt: Attempt) {
    if let Some(half) = half.as_ref().filter(|half| half.attempt == attempt) {
        half.close.cancel();
    }
}

async fn elapsed(due: Option<(Timer, Instant)>) -> Timer {
    match due {
        Some((timer, at)) => {
            sleep_until(at).await;
            timer
        }
        None => std::future::pending().await,
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
