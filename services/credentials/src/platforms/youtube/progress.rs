//! What is remembered of a destination across calls and crashes. Ids and intents; never the key.

use serde::{Deserialize, Serialize};

use super::{api::Channel, fault::Problem};
use crate::platforms::Run;

/// Intents kept of one take. Each further one needs an answer that was lost for longer than [`SETTLE_MS`].
const INTENTS: usize = 8;
/// Broadcasts of earlier takes that could not be ended yet.
const STALE: usize = 8;
/// A write without an answer may still be under way for so long: it is looked for, not repeated.
pub(super) const SETTLE_MS: i64 = 3_000;

/// The names of the top-level text members are known outside: see [`crate::platforms::Book::taken`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// The platform's id of the account that everything here belongs to.
    pub account: String,
    /// The reusable stream. Outlives runs.
    pub stream_id: Option<String>,
    /// Where it takes media.
    pub ingest: Option<Ingest>,
    /// When its insert was last sent; 0 when nothing is under way.
    pub stream_sent_ms: i64,
    /// The run and take that all below belongs to.
    pub run_ms: i64,
    pub take: u32,
    /// What was, or may have been, sent to make the broadcast; the last one counts.
    pub intents: Vec<Intent>,
    /// The last intent's time, as text: no two destinations have the same.
    pub scheduled_start: Option<String>,
    pub broadcast_id: Option<String>,
    pub bound: bool,
    /// The picture was sent, or refused.
    pub pictured: bool,
    /// What could not be done as wished.
    pub notes: Vec<String>,
    /// The platform says that it is over.
    pub ended: bool,
    /// Broadcasts of earlier takes that are still open.
    pub stale: Vec<Stale>,
}

/// `address` without the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ingest {
    pub address: String,
    pub backups: Vec<String>,
}

/// A broadcast that we are about to make. Title and time tell it from every other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub title: String,
    pub scheduled_start: String,
    /// When it was chosen.
    #[serde(default)]
    pub made_ms: i64,
    /// When it was last sent.
    pub sent_ms: i64,
    /// An answer was lost: there may be a broadcast of it that we do not know.
    #[serde(default)]
    pub doubtful: bool,
}

/// An earlier broadcast, or the intent of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stale {
    pub id: Option<String>,
    pub intents: Vec<Intent>,
    pub attempts: u32,
}

impl Progress {
    /// Of the run's book. What can't be read is as if nothing were known.
    pub fn of(run: &Run) -> Self {
        run.remembered()
    }

    pub fn is_of(&self, run: &Run) -> bool {
        (self.run_ms, self.take) == (run.run_ms, run.take)
    }

    /// The present broadcast of the run's take.
    pub fn broadcast_of(&self, run: &Run) -> Option<&str> {
        self.broadcast_id.as_deref().filter(|_| self.is_of(run) && !self.ended)
    }

    /// Puts what belongs to an earlier take aside and begins this one.
    pub fn turn_to(&mut self, run: &Run, account: &str) {
        if self.account != account {
            *self = Self { account: account.to_owned(), ..Self::default() };
        }
        if !self.is_of(run) || self.ended {
            let old = std::mem::take(self);
            let open = !old.ended && (old.broadcast_id.is_some() || !old.intents.is_empty());
            let mut stale = old.stale;
            if open {
                stale.push(Stale { id: old.broadcast_id, intents: old.intents, attempts: 0 });
            }
            stale.drain(..stale.len().saturating_sub(STALE));
            *self = Self {
                account: old.account,
                stream_id: old.stream_id,
                ingest: old.ingest,
                stream_sent_ms: old.stream_sent_ms,
                run_ms: run.run_ms,
                take: run.take,
                stale,
                ..Self::default()
            };
        }
    }

    pub fn intend(&mut self, intent: Intent) {
        self.scheduled_start = Some(intent.scheduled_start.clone());
        self.intents.push(intent);
        self.intents.drain(..self.intents.len().saturating_sub(INTENTS));
    }

    /// Each sentence once.
    pub fn note(&mut self, sentence: &str) {
        if !self.notes.iter().any(|note| note == sentence) {
            self.notes.push(sentence.to_owned());
        }
    }
}

/// One destination being worked on.
pub(super) struct Work<'a> {
    pub channel: Channel<'a>,
    pub run: &'a Run,
    pub progress: Progress,
}

impl Work<'_> {
    /// Durable when it returns.
    pub async fn save(&self) -> Result<(), Problem> {
        Ok(self.run.remember(&self.progress).await?)
    }

    pub fn now_ms(&self) -> i64 {
        self.channel.api.clock.now_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_or_broken_reads_as_nothing() {
        let read = |value| serde_json::from_value::<Progress>(value).unwrap_or_default();
        assert_eq!(read(serde_json::json!({})), Progress::default());
        assert_eq!(read(serde_json::json!({"broadcast_id": 7})), Progress::default());
        let new = serde_json::json!({"broadcast_id": "b", "of_a_later_version": 1});
        assert_eq!(read(new).broadcast_id.as_deref(), Some("b"));
    }
}
