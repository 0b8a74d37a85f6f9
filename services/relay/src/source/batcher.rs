//! Collects tags into batches, so that a reader costs one wake-up and one write per batch.

use bytes::Bytes;
use media::flv::{Tag, put_tag};

use super::ring::Batch;

pub(super) struct Batcher {
    scratch: bytes::BytesMut,
    entry: bool,
    ts: u32,
    max_bytes: usize,
}

impl Batcher {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { scratch: bytes::BytesMut::new(), entry: false, ts: 0, max_bytes }
    }

    /// Adds a tag; `entry` says that a reader can start with it, so it begins a batch. Returns what is full.
    pub(super) fn push(&mut self, tag: &Tag, entry: bool) -> Option<Batch> {
        let full = if entry || self.scratch.len() >= self.max_bytes { self.flush() } else { None };
        if self.scratch.is_empty() {
            self.entry = entry;
            self.ts = tag.ts;
        }
        put_tag(tag, &mut self.scratch);
        full
    }

    /// What is collected.
    pub(super) fn flush(&mut self) -> Option<Batch> {
        if self.scratch.is_empty() {
            return None;
        }
        // Copied to its exact size: a batch lives as long as the GOP, and spare capacity would live as long.
        let bytes = Bytes::copy_from_slice(&self.scratch);
        self.scratch.clear();
        Some(Batch { bytes, entry: self.entry, ts: self.ts })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scratch.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.scratch.len() >= self.max_bytes
    }
}

#[cfg(test)]
mod tests {
    use media::flv::TagKind;

    use super::*;

    #[test]
    fn an_entry_begins_a_batch_and_a_full_one_is_handed_out() {
        let tag = |ts| Tag { kind: TagKind::Video, ts, data: Bytes::from_static(&[0x27; 85]) };
        let mut batcher = Batcher::new(250);
        assert!(batcher.push(&tag(1), false).is_none());
        let before = batcher.push(&tag(2), true).unwrap();
        assert_eq!((before.entry, before.ts, before.bytes.len()), (false, 1, 100));
        assert!(batcher.push(&tag(3), false).is_none());
        assert!(batcher.push(&tag(4), false).is_none());
        assert!(batcher.is_full());
        let full = batcher.push(&tag(5), false).unwrap();
        assert_eq!((full.entry, full.ts, full.bytes.len()), (true, 2, 300));
        assert_eq!(batcher.flush().map(|b| (b.entry, b.ts)), Some((false, 5)));
        assert!(batcher.flush().is_none() && batcher.is_empty());
    }
}
