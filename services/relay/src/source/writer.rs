//! The publisher's end of a source.

use std::{sync::Arc, time::Instant};

use media::flv::{Tag, TagKind, metadata};

use super::{Source, batcher::Batcher, headers::Effect, ring::Batch};
use crate::meters;

/// Takes tags, hands batches to the readers. Call [`Writer::flush`] a moment after [`Writer::push`] left something.
pub(crate) struct Writer {
    source: Arc<Source>,
    batcher: Batcher,
    ingest: metrics::Counter,
}

impl Writer {
    pub(crate) fn new(source: Arc<Source>, flush_bytes: usize) -> Self {
        Self { source, batcher: Batcher::new(flush_bytes), ingest: meters::ingest_bytes() }
    }

    /// Takes the next tag.
    pub(crate) fn push(&mut self, tag: &Tag, now: Instant) {
        if tag.kind == TagKind::Script {
            self.push_script(tag);
            return;
        }
        let (effect, has_video) = self.examine(tag, now);
        if matches!(effect, Effect::NewPicture | Effect::NewKind) {
            self.flush();
            self.source.state().ring.close_entry();
        }
        let entry = if has_video { tag.is_keyframe() } else { self.batcher.is_empty() };
        let full = self.batcher.push(tag, entry);
        self.store(full);
        if self.batcher.is_full() {
            self.flush();
        }
        if effect != Effect::None {
            self.source.joinable.send_replace(());
        }
    }

    /// Only `onMetaData` goes on, at time 0. Captions and cue points do not: FFmpeg 5.1 makes a stream of them that
    /// no destination takes.
    fn push_script(&mut self, tag: &Tag) {
        if metadata::read(tag).is_none() {
            meters::script_dropped();
            return;
        }
        let tag = Tag { ts: 0, ..tag.clone() };
        let mut state = self.source.state();
        let changed = state.headers.take(&tag) != Effect::None;
        state.probe.push(&tag);
        drop(state);
        if changed {
            self.source.news.notify_one();
        }
    }

    fn examine(&self, tag: &Tag, now: Instant) -> (Effect, bool) {
        let mut state = self.source.state();
        state.first_media.get_or_insert(now);
        let effect = state.headers.take(tag);
        if state.probe.push(tag) {
            self.source.news.notify_one();
        }
        (effect, state.headers.layout().video)
    }

    /// Hands out what is collected.
    pub(crate) fn flush(&mut self) {
        let batch = self.batcher.flush();
        self.store(batch);
    }

    /// Whether something waits for a flush.
    pub(crate) fn is_pending(&self) -> bool {
        !self.batcher.is_empty()
    }

    fn store(&self, batch: Option<Batch>) {
        let Some(batch) = batch else { return };
        self.ingest.increment(batch.bytes.len() as u64);
        let entry = batch.entry;
        self.source.state().ring.push(batch);
        if entry {
            self.source.joinable.send_replace(());
        }
        self.source.wake_readers();
    }
}
