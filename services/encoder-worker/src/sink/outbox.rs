//! The tags between FFmpeg and the publisher.
//!
//! FFmpeg's output is always taken, whatever the sink does, so something must be thrown away when the sink is slow or
//! not there, and always in a way that what follows can be decoded:
//! * *no publish*: the newest group of pictures is kept, so that a publish starts at once and not at the next keyframe;
//! * *a slow sink*: everything up to the newest keyframe goes, audio with it, so that both tracks stay together.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use media::flv::{Tag, TagKind};
use tokio::sync::Notify;

/// The bounds of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes kept at most.
    pub bytes: usize,
    /// How far a slow sink may lag, in ms.
    pub lag_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 6 << 20, lag_ms: 3_000 }
    }
}

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Metadata or a decoder configuration, the first or a new one.
    Header(Tag),
    /// Audio or video.
    Media(Tag),
    /// What follows comes from a new FFmpeg.
    Splice,
}

/// What a decoder needs before the first picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `onMetaData`.
    pub metadata: Option<Tag>,
    /// Video configuration.
    pub video: Option<Tag>,
    /// Audio configuration.
    pub audio: Option<Tag>,
}

impl Headers {
    /// In the order in which they are sent, at time 0.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        [&self.metadata, &self.video, &self.audio].into_iter().flatten().map(|tag| Tag { ts: 0, ..tag.clone() })
    }

    /// Puts a header tag into its place; returns whether it is new.
    fn take(&mut self, tag: &Tag) -> bool {
        let place = match tag.kind {
            TagKind::Script => &mut self.metadata,
            TagKind::Video => &mut self.video,
            TagKind::Audio => &mut self.audio,
        };
        let new = place.as_ref().is_none_or(|old| old.data != tag.data);
        *place = Some(tag.clone());
        new
    }
}

/// The queue. One side pushes, one publish at a time takes.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    headers: Headers,
    queue: VecDeque<Item>,
    bytes: usize,
    attached: bool,
    /// Nothing is taken in until the next FFmpeg starts.
    held: bool,
    /// Nothing is taken in until the next keyframe.
    wait_key: bool,
    dropped_frames: u64,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: Limits) -> Self {
        let inner = Inner {
            limits,
            headers: Headers::default(),
            queue: VecDeque::new(),
            bytes: 0,
            attached: false,
            held: false,
            wait_key: true,
            dropped_frames: 0,
        };
        Self { inner: Mutex::new(inner), filled: Notify::new() }
    }

    /// A new FFmpeg starts.
    pub fn begin(&self) {
        let mut inner = self.lock();
        inner.held = false;
        inner.wait_key = true;
        if inner.attached {
            inner.queue.push_back(Item::Splice);
        } else {
            inner.clear();
        }
    }

    /// Throws everything away and takes nothing in until [`Outbox::begin`]: what FFmpeg still holds is not to be sent.
    pub fn hold(&self) {
        let mut inner = self.lock();
        inner.held = true;
        inner.clear();
    }

    /// Takes tags in.
    pub fn push(&self, tags: impl IntoIterator<Item = Tag>) {
        let mut inner = self.lock();
        for tag in tags {
            inner.push(tag);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// A publish begins: returns the headers to send first. What comes out of [`Outbox::take`] then starts with a
    /// keyframe.
    pub fn attach(&self) -> Headers {
        let mut inner = self.lock();
        inner.attached = true;
        inner.queue.retain(|item| matches!(item, Item::Media(_)));
        inner.headers.clone()
    }

    /// The publish is over: keep the newest group of pictures for the next.
    pub fn detach(&self) {
        let mut inner = self.lock();
        if let Some(splice) = inner.queue.iter().rposition(|item| *item == Item::Splice) {
            inner.queue.drain(..=splice);
        }
        inner.skip_to_keyframe(false);
        inner.attached = false;
    }

    /// Takes what is there, at most `max` items.
    pub fn take(&self, max: usize) -> Vec<Item> {
        let mut inner = self.lock();
        let count = inner.queue.len().min(max);
        let items: Vec<Item> = inner.queue.drain(..count).collect();
        inner.bytes = inner.bytes.saturating_sub(items.iter().map(size).sum());
        items
    }

    /// Puts the rest of what was taken back in front.
    pub fn put_back(&self, items: impl DoubleEndedIterator<Item = Item>) {
        let mut inner = self.lock();
        for item in items.rev() {
            inner.bytes += size(&item);
            inner.queue.push_front(item);
        }
    }

    /// Waits until something may be there. Cancel safe.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Video frames that a slow sink cost, since the start.
    pub fn dropped_frames(&self) -> u64 {
        self.lock().dropped_frames
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, tag: Tag) {
        if self.held {
            return;
        }
        if tag.kind == TagKind::Script || tag.is_sequence_header() {
            if self.headers.take(&tag) && self.attached {
                self.queue.push_back(Item::Header(tag));
            }
            return;
        }
        let start = self.is_start(&tag);
        if self.wait_key && !start {
            self.dropped_frames += u64::from(self.attached && tag.kind == TagKind::Video);
            return;
        }
        self.wait_key = false;
        if start && !self.attached {
            self.clear();
        }
        self.bytes += tag.data.len();
        self.queue.push_back(Item::Media(tag));
        if self.bytes > self.limits.bytes || (self.attached && self.lag() > self.limits.lag_ms) {
            self.skip_to_keyframe(true);
        }
    }

    /// Where a decoder can begin: a keyframe, or any audio when there is no video.
    fn is_start(&self, tag: &Tag) -> bool {
        tag.is_keyframe() || (self.headers.video.is_none() && tag.kind == TagKind::Audio)
    }

    fn lag(&self) -> u32 {
        let time = |item: &Item| if let Item::Media(tag) = item { Some(tag.ts) } else { None };
        let (first, last) = (self.queue.iter().find_map(time), self.queue.iter().rev().find_map(time));
        match (first, last) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => 0,
        }
    }

    /// Drops media before the newest keyframe; all of it when there is none, or when (`must_shrink`) it is the first.
    fn skip_to_keyframe(&mut self, must_shrink: bool) {
        let media = |item: &Item| matches!(item, Item::Media(_));
        let newest = self.queue.iter().rposition(|item| matches!(item, Item::Media(tag) if self.is_start(tag)));
        let first = self.queue.iter().position(media);
        let keep_from = newest.filter(|newest| !must_shrink || Some(*newest) != first).unwrap_or(self.queue.len());
        self.wait_key |= keep_from == self.queue.len();
        let mut at = 0;
        let mut frames = 0;
        self.queue.retain(|item| {
            let keep = at >= keep_from || !media(item);
            at += 1;
            frames += u64::from(!keep && matches!(item, Item::Media(tag) if tag.kind == TagKind::Video));
            keep
        });
        self.bytes = self.queue.iter().map(size).sum();
        self.dropped_frames += if self.attached { frames } else { 0 };
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Media(tag) => tag.data.len(),
        Item::Header(_) | Item::Splice => 0,
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
