//! One live source: its cache, its headers, what was measured of it, and who reads it.

mod batcher;
mod headers;
mod reader;
mod ring;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use headers::Layout;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{
    ids::{PublishId, StreamId},
    source::SourceInfo,
};
use media::flv::probe::SourceProbe;
use tokio::sync::{Notify, watch};

use crate::{
    fence::{Cut, Pass},
    meters,
    options::Bounds,
};
use headers::Headers;
use ring::Ring;

/// Why a source ended. The names are those of `ReportSourceRequest.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The publisher said good-bye or closed its connection.
    Closed,
    /// The publisher fell silent.
    Timeout,
    /// The publisher sent what is no RTMP.
    Error,
    /// A later publish of the same stream won.
    Superseded,
    /// This relay shuts down.
    Drained,
}

impl EndReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Error | Self::Drained => "error",
            Self::Superseded => "superseded",
        }
    }

    /// Whether the stream itself is over, which readers see as a clean end of the body. Otherwise they should look for
    /// the stream again at once, so their body is aborted.
    fn is_clean(self) -> bool {
        matches!(self, Self::Closed | Self::Timeout | Self::Error)
    }
}

/// Which publish this is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) stream: StreamId,
    pub(crate) publish: PublishId,
    pub(crate) source_epoch: u64,
    /// SHA-256 of the key; `None` when published by ticket.
    pub(crate) key_sha256: Option<[u8; 32]>,
}

/// A live source, shared by its publisher, its reporter and its readers.
pub(crate) struct Source {
    identity: Identity,
    state: Mutex<State>,
    readers: Mutex<Vec<Arc<Cut>>>,
    /// Ends the publish.
    cut: Arc<Cut>,
    /// Bumped when a waiting reader should look again.
    joinable: watch::Sender<()>,
    /// The configuration changed: worth a report at once.
    pub(crate) news: Notify,
    second_kind_wait: Duration,
    announced_kind_wait: Duration,
}

struct State {
    ring: Ring,
    headers: Headers,
    probe: SourceProbe,
    first_media: Option<Instant>,
    ended: Option<EndReason>,
}

/// Whether a reader can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Ready,
    /// Look again when something changes, or after this time.
    Wait(Option<Duration>),
    Ended,
}

impl Source {
    pub(crate) fn new(identity: Identity, bounds: &Bounds) -> Arc<Self> {
        meters::sources(1.0);
        let state = State {
            ring: Ring::new(bounds.max_cached_bytes, bounds.keep_for_slow),
            headers: Headers::default(),
            probe: SourceProbe::new(),
            first_media: None,
            ended: None,
        };
        Arc::new(Self {
            identity,
            state: Mutex::new(state),
            readers: Mutex::default(),
            cut: Arc::default(),
            joinable: watch::Sender::new(()),
            news: Notify::new(),
            second_kind_wait: bounds.second_kind_wait,
            announced_kind_wait: bounds.announced_kind_wait,
        })
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was measured until now.
    pub(crate) fn info(&self) -> SourceInfo {
        self.state().probe.info()
    }

    pub(crate) fn readers(&self) -> usize {
        self.reader_list().len()
    }

    /// Ends the publish because a later one won.
    pub(crate) fn supersede(&self) {
        self.cut.cut();
    }

    /// Fires after [`Self::supersede`].
    pub(crate) fn superseded(&self) -> &Arc<Cut> {
        &self.cut
    }

    /// Ends the source for its readers. The first reason stands.
    pub(crate) fn end(&self, reason: EndReason) {
        let first = self.state().ended.replace(reason).is_none();
        if first {
            meters::sources(-1.0);
            meters::source_ended(reason.as_str());
        }
        self.wake_readers();
        self.joinable.send_replace(());
    }

    /// Waits for headers and a keyframe, then adds a reader. `None` when that takes longer than `wait`, or the source
    /// ended meanwhile.
    pub(crate) async fn join(self: &Arc<Self>, pass: Pass, wait: Duration) -> Option<Reader> {
        let mut changes = self.joinable.subscribe();
        let ready = async {
            loop {
                changes.mark_unchanged();
                match self.readiness(Instant::now()) {
                    Readiness::Ready => return true,
                    Readiness::Ended => return false,
                    Readiness::Wait(None) => {
                        let _ = changes.changed().await;
                    }
                    Readiness::Wait(Some(most)) => {
                        let _ = tokio::time::timeout(most, changes.changed()).await;
                    }
                }
            }
        };
        match tokio::time::timeout(wait, ready).await {
            Ok(true) => Reader::new(self, pass),
            Ok(false) | Err(_) => None,
        }
    }

    fn readiness(&self, now: Instant) -> Readiness {
        let state = self.state();
        if state.ended.is_some() {
            return Readiness::Ended;
        }
        let (Some(since), true) = (state.first_media, state.ring.has_entry()) else { return Readiness::Wait(None) };
        let layout = state.headers.layout();
        if layout.video && layout.audio {
            return Readiness::Ready;
        }
        let said = state.probe.said();
        let announced = if layout.video { said.has_audio } else { said.has_video };
        let most = if announced { self.announced_kind_wait } else { self.second_kind_wait };
        match most.checked_sub(now.saturating_duration_since(since)) {
            Some(left) if !left.is_zero() => Readiness::Wait(Some(left)),
            _ => Readiness::Ready,
        }
    }

    fn wake_readers(&self) {
        for reader in self.reader_list().iter() {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader_list(&self) -> MutexGuard<'_, Vec<Arc<Cut>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
