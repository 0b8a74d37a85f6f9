//! What the two halves of a session and its executor share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{output::Output, source::SourceInfo};
use tracing::Span;

use super::spec::Spec;
use crate::{
    encoder::log,
    gate::SessionGate,
    sink::{
        meter::Meter,
        outbox::{Limits, Outbox},
    },
};

/// See the module.
pub struct Shared {
    /// The session's span. What runs many times a second is not instrumented with it but enters it to log: entering a
    /// span costs as much as a read.
    pub span: Span,
    /// The gate before the socket.
    pub gate: Arc<SessionGate>,
    /// The tags between FFmpeg and the publisher.
    pub outbox: Outbox,
    /// What the sink got.
    pub meter: Mutex<Meter>,
    spec: Mutex<Arc<Spec>>,
    media: Mutex<Option<Media>>,
    /// The span of the start, until the session is connected.
    start: Mutex<Span>,
    began: Instant,
}

/// What goes through FFmpeg now.
#[derive(Clone)]
pub struct Media {
    /// What the relay measured.
    pub source: SourceInfo,
    /// What was decided about it.
    pub output: Output,
    /// What FFmpeg says.
    pub report: Arc<log::Report>,
}

impl Shared {
    /// For a session that starts now.
    pub fn new(spec: Spec, gate: Arc<SessionGate>, limits: Limits, start: Span) -> Self {
        Self {
            span: Span::current(),
            gate,
            outbox: Outbox::new(limits),
            meter: Mutex::default(),
            spec: Mutex::new(Arc::new(spec)),
            media: Mutex::default(),
            start: Mutex::new(start),
            began: Instant::now(),
        }
    }

    /// How long the session has been running.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The specification as it is now.
    pub fn spec(&self) -> Arc<Spec> {
        lock(&self.spec).clone()
    }

    /// A newer specification.
    pub fn set_spec(&self, spec: Spec) {
        *lock(&self.spec) = Arc::new(spec);
    }

    /// What goes through FFmpeg now, if anything.
    pub fn media(&self) -> Option<Media> {
        lock(&self.media).clone()
    }

    /// FFmpeg starts, or is over.
    pub fn set_media(&self, media: Option<Media>) {
        *lock(&self.media) = media;
    }

    /// A span below that of the start, as long as there is one.
    pub fn start_span(&self, make: impl FnOnce(&Span) -> Span) -> Span {
        make(&lock(&self.start))
    }

    /// The start is over: its span ends. Returns how long it took, the first time.
    pub fn started(&self) -> Option<Duration> {
        let mut start = lock(&self.start);
        let first = !start.is_none();
        *start = Span::none();
        first.then(|| self.began.elapsed())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
