//! The cache of one source: the last GOP for new readers, a little more for slow ones. One `Bytes` per batch of tags,
//! shared by all readers. Pure: no clock, no locks.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

/// Encoded tags that were collected for one wake-up.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// Whole FLV tags.
    pub(super) bytes: Bytes,
    /// A reader can start here.
    pub(super) entry: bool,
    /// Time of the first tag.
    pub(super) ts: u32,
}

/// Where a reader stands.
#[derive(Debug)]
pub(super) struct Cursor {
    next: u64,
    /// Wait for an entry: the reader lost its place.
    resync: bool,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Next {
    /// The next batch.
    Batch(Bytes),
    /// The reader was too slow: this is the newest entry, at this time.
    Skipped(Bytes, u32),
    /// Too slow, and there is no entry yet.
    Lost,
    /// Nothing new.
    Nothing,
}

pub(super) struct Ring {
    batches: VecDeque<Batch>,
    /// Number of the first batch.
    first: u64,
    bytes: usize,
    /// Number of the newest entry.
    entry: Option<u64>,
    max_bytes: usize,
    keep_ms: u32,
}

impl Ring {
    pub(super) fn new(max_bytes: usize, keep: Duration) -> Self {
        let keep_ms = keep.as_millis() as u32;
        Self { batches: VecDeque::new(), first: 0, bytes: 0, entry: None, max_bytes, keep_ms }
    }

    pub(super) fn push(&mut self, batch: Batch) {
        if batch.entry {
            self.entry = Some(self.end());
        }
        let now = batch.ts;
        self.bytes += batch.bytes.len();
        self.batches.push_back(batch);
        while self.batches.len() > 1 && (self.bytes > self.max_bytes || self.first_is_past(now)) {
            self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.bytes.len());
            self.first += 1;
        }
        self.entry = self.entry.filter(|entry| *entry >= self.first);
    }

    fn first_is_past(&self, now: u32) -> bool {
        let age = self.batches.front().map_or(0, |batch| now.wrapping_sub(batch.ts));
        let old = age > self.keep_ms && age < 0x8000_0000;
        old && self.entry.is_none_or(|entry| self.first < entry)
    }

    fn end(&self) -> u64 {
        self.first + self.batches.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Batch> {
        self.batches.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// New readers wait for the next entry (what follows needs another decoder configuration).
    pub(super) fn close_entry(&mut self) {
        self.entry = None;
    }

    /// A cursor at the newest entry, and its time.
    pub(super) fn join(&self) -> Option<(Cursor, u32)> {
        let entry = self.entry?;
        Some((Cursor { next: entry, resync: false }, self.get(entry)?.ts))
    }

    pub(super) fn has_entry(&self) -> bool {
        self.entry.is_some()
    }

    pub(super) fn next(&self, cursor: &mut Cursor) -> Next {
        if cursor.next < self.first {
            return self.skip(cursor);
        }
        while let Some(batch) = self.get(cursor.next) {
            cursor.next += 1;
            if cursor.resync && !batch.entry {
                continue;
            }
            if std::mem::take(&mut cursor.resync) {
                return Next::Skipped(batch.bytes.clone(), batch.ts);
            }
            return Next::Batch(batch.bytes.clone());
        }
        Next::Nothing
    }

    fn skip(&self, cursor: &mut Cursor) -> Next {
        match self.entry.and_then(|entry| Some((entry, self.get(entry)?))) {
            Some((entry, batch)) => {
                cursor.next = entry + 1;
                cursor.resync = false;
                Next::Skipped(batch.bytes.clone(), batch.ts)
            }
            None => {
                cursor.next = self.end();
                let lost = !std::mem::replace(&mut cursor.resync, true);
                if lost { Next::Lost } else { Next::Nothing }
            }
        }
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(number: u32, entry: bool, size: usize) -> Batch {
        let mut bytes = vec![u8::from(entry); size.max(5)];
        bytes[1..5].copy_from_slice(&number.to_be_bytes());
        Batch { bytes: Bytes::from(bytes), entry, ts: number * 40 }
    }

    fn number(bytes: &Bytes) -> u32 {
        u32::from_be_bytes(bytes[1..5].try_into().unwrap())
    }

    fn ring(batches: u32, gop: u32, max_bytes: usize, keep_ms: u64) -> Ring {
        let mut ring = Ring::new(max_bytes, Duration::from_millis(keep_ms));
        (0..batches).for_each(|n| ring.push(batch(n, n % gop == 0, 100)));
        ring
    }

    #[test]
    fn a_new_reader_starts_at_the_newest_entry_and_sees_everything_after() {
        let ring = ring(128, 50, 1 << 20, 0);
        let (mut cursor, ts) = ring.join().unwrap();
        assert_eq!(ts, 100 * 40);
        for want in 100..128 {
            let Next::Batch(bytes) = ring.next(&mut cursor) else { panic!("batch {want}") };
            assert_eq!(number(&bytes), want);
        }
        assert!(matches!(ring.next(&mut cursor), Next::Nothing));
        assert_eq!(ring.first, 100, "without slow readers to keep for, only the last GOP is held");
    }

    #[test]
    fn a_slow_reader_is_kept_for_a_while_then_moved_to_the_newest_entry() {
        let mut ring = ring(60, 50, 1 << 20, 1000);
        let (mut slow, _) = ring.join().unwrap();
        (60..110).for_each(|n| ring.push(batch(n, n % 50 == 0, 100)));
        let Next::Skipped(bytes, ts) = ring.next(&mut slow) else { panic!("skipped") };
        assert_eq!((number(&bytes), ts), (100, 4000));
        let Next::Batch(bytes) = ring.next(&mut slow) else { panic!("goes on") };
        assert_eq!(number(&bytes), 101);
    }

    #[test]
    fn a_gop_above_the_memory_bound_closes_the_door_until_the_next_keyframe() {
        let mut ring = ring(100, 1000, 2000, 60_000);
        assert!(ring.join().is_none() && ring.held() <= 2000);
        let mut slow = Cursor { next: 3, resync: false };
        assert!(matches!(ring.next(&mut slow), Next::Lost));
        assert!(matches!(ring.next(&mut slow), Next::Nothing));
        ring.push(batch(100, false, 100));
        assert!(matches!(ring.next(&mut slow), Next::Nothing));
        ring.push(batch(101, true, 100));
        assert!(matches!(ring.next(&mut slow), Next::Skipped(_, _)));
        assert!(ring.join().is_some());
    }

    #[test]
    fn the_32_bit_wrap_of_time_changes_nothing() {
        let mut ring = Ring::new(1 << 20, Duration::from_millis(400));
        for n in 0..200 {
            ring.push(Batch { ts: (u32::MAX - 3000).wrapping_add(n * 40), ..batch(n, n % 25 == 0, 100) });
            assert!(ring.batches.len() <= 25 + 12, "{}", ring.batches.len());
        }
        assert!(ring.join().is_some_and(|(_, ts)| ts == (u32::MAX - 3000).wrapping_add(175 * 40)));
    }

    #[test]
    fn one_batch_above_the_bound_is_still_delivered() {
        let mut ring = Ring::new(50, Duration::ZERO);
        ring.push(batch(0, true, 1000));
        assert!(ring.join().is_some());
    }

    proptest! {
        #[test]
        fn readers_see_entries_first_in_order_and_memory_is_bounded(
            steps in prop::collection::vec((any::<bool>(), 5usize..400, 0u8..8), 1..300),
            max_bytes in 1000usize..5000,
            keep_ms in 0u64..2000,
        ) {
            let mut ring = Ring::new(max_bytes, Duration::from_millis(keep_ms));
            let mut reader: Option<Cursor> = None;
            let mut last: Option<u32> = None;
            for (n, (entry, size, reads)) in steps.into_iter().enumerate() {
                ring.push(batch(n as u32, entry, size));
                prop_assert!(ring.held() <= max_bytes);
                let Some(cursor) = &mut reader else {
                    reader = ring.join().map(|(cursor, _)| cursor);
                    continue;
                };
                for _ in 0..reads {
                    match ring.next(cursor) {
                        Next::Batch(bytes) => {
                            prop_assert!(last.map_or(bytes[0] == 1, |last| number(&bytes) == last + 1));
                            last = Some(number(&bytes));
                        }
                        Next::Skipped(bytes, _) => {
                            prop_assert!(bytes[0] == 1 && last.is_none_or(|last| number(&bytes) > last));
                            last = Some(number(&bytes));
                        }
                        Next::Lost | Next::Nothing => break,
                    }
                }
            }
        }
    }
}
