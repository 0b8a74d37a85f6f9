//! The last samples of every running destination, in memory: every replica has its own board, fed by the same bus. What must
//! outlive a replica (health edges, counters) is written by the leader.

mod feed;
mod rows;
mod watched;
mod write;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::MetricSample;
use domain::{
    health::Verdict,
    ids::{DestinationId, Epoch, SessionId, StreamId},
};

use crate::store::totals::TotalsRow;
pub use feed::run;
pub use rows::{BoardRow, rows};
pub use watched::{Context, Reading, Watched};

/// Clones share the board.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<HashMap<DestinationId, Watched>>>);

/// What a sample led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Newer than all before.
    Fresh,
    /// Older, or seen before.
    Older,
    /// Of a destination that is not watched (yet).
    Unknown,
}

/// A session whose acknowledged bytes keep growing, and nobody has noted it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flowing {
    /// Which session.
    pub session: SessionId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Of which stream.
    pub stream: StreamId,
    /// Which destination.
    pub destination: DestinationId,
    /// It has for long enough to be believed against the last report.
    pub sure: bool,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, sample: &MetricSample) -> (Taken, Option<Flowing>) {
        let mut board = self.lock();
        let Some(watched) = board.get_mut(&sample.destination) else { return (Taken::Unknown, None) };
        if watched.take(sample) { (Taken::Fresh, watched.flowing(sample)) } else { (Taken::Older, None) }
    }

    fn flow_noted(&self, destination: DestinationId) {
        if let Some(watched) = self.lock().get_mut(&destination) {
            watched.flow_noted();
        }
    }

    /// Which of these are not on the board in their present run.
    fn missing(&self, rows: &[BoardRow]) -> Vec<BoardRow> {
        let board = self.lock();
        let there = |row: &BoardRow| board.get(&row.destination.id()).is_some_and(|w| w.run_ms() == row.run_ms);
        rows.iter().filter(|row| !there(row)).cloned().collect()
    }

    /// Puts a destination on the board, continuing saved counters.
    fn put(&self, row: &BoardRow, saved: Option<TotalsRow>) {
        let mut board = self.lock();
        let id = row.destination.id();
        let known = board.get(&id).map(Watched::totals).or(saved);
        board.insert(id, Watched::new(row, known));
    }

    /// Takes over what is stored of them; the others leave the board after `keep_ms` without being seen.
    fn refresh(&self, rows: &[BoardRow], now_ms: i64, keep_ms: i64) {
        let mut board = self.lock();
        for row in rows {
            if let Some(watched) = board.get_mut(&row.destination.id()) {
                watched.refresh(row.context(), now_ms);
            }
        }
        board.retain(|_, watched| watched.seen_within(keep_ms, now_ms));
    }

    fn verdicts(&self, now_ms: i64, feed_since_ms: Option<i64>) -> Vec<(DestinationId, Verdict)> {
        let mut board = self.lock();
        board.iter_mut().map(|(id, watched)| (*id, watched.judge(now_ms, feed_since_ms).clone())).collect()
    }

    fn unsaved(&self) -> Vec<TotalsRow> {
        self.lock().values_mut().filter_map(Watched::unsaved).collect()
    }

    /// What is known of the destinations of a stream in this run.
    pub fn of_stream(&self, stream: StreamId, run_ms: i64) -> HashMap<DestinationId, Reading> {
        let board = self.lock();
        let of_run = board.iter().filter(|(_, w)| w.stream() == stream && w.run_ms() == run_ms);
        of_run.map(|(id, watched)| (*id, watched.reading())).collect()
    }
}
