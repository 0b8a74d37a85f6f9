//! One destination on the board: its counters over all epochs of the run, whether media flows, and its health. Pure.

use bus::MetricSample;
use domain::{
    destination_state::Status,
    fault::Fault,
    health::{Expected, Health, Judge, STALE_MS, Sample, Verdict},
    ids::{Epoch, StreamId},
};

use super::{BoardRow, Flowing};
use crate::{rows::signed, store::totals::TotalsRow};

/// Acknowledged bytes that grew for so long mean that the destination takes the stream.
const FLOWS_MS: i64 = 1_000;
/// For so long, they are believed even against the last report (which may have been lost).
const SURE_MS: i64 = 6_000;

/// What is stored of the destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// What people see.
    pub status: Status,
    /// Since when the present connection stands.
    pub connected_since_ms: Option<i64>,
    /// Why it is not tried any more.
    pub gave_up: Option<Fault>,
    /// What is wrong at the moment, as a sentence.
    pub trouble: Option<String>,
    /// What should arrive.
    pub expected: Expected,
    /// The platform finds that viewers notice.
    pub platform_is_bad: bool,
    /// What the platform complains of.
    pub complaints: Vec<String>,
}

/// What people get to read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The last sample, if one came in this run.
    pub sample: Option<MetricSample>,
    /// Bytes acknowledged in this run.
    pub bytes: u64,
    /// Frames sent in this run.
    pub frames: u64,
    /// Frames left out in this run.
    pub dropped: u64,
    /// The last verdict.
    pub verdict: Verdict,
}

/// See the module.
#[derive(Debug)]
pub struct Watched {
    context: Context,
    totals: TotalsRow,
    sequence: u64,
    sample: Option<MetricSample>,
    growing_since_ms: Option<i64>,
    flow_noted: bool,
    judge: Judge,
    verdict: Verdict,
    seen_ms: i64,
    is_saved: bool,
}

impl Watched {
    /// Goes on from saved counters of the same run. A session that runs on from an earlier run begins at zero.
    pub fn new(row: &BoardRow, saved: Option<TotalsRow>) -> Self {
        let fresh = TotalsRow {
            destination_id: row.destination.id,
            stream_id: row.destination.stream_id,
            run_ms: row.run_ms,
            platform: row.destination.platform.clone(),
            epoch: 0,
            base_bytes: 0,
            base_frames: 0,
            base_dropped: 0,
            last_bytes: 0,
            last_frames: 0,
            last_dropped: 0,
            last_at_ms: 0,
        };
        let totals = match saved {
            Some(saved) if saved.run_ms == row.run_ms => saved,
            Some(old) => TotalsRow {
                run_ms: row.run_ms,
                base_bytes: -old.last_bytes,
                base_frames: -old.last_frames,
                base_dropped: -old.last_dropped,
                ..old
            },
            None => fresh,
        };
        Self {
            context: row.context(),
            totals,
            sequence: 0,
            sample: None,
            growing_since_ms: None,
            flow_noted: false,
            judge: Judge::default(),
            verdict: Verdict { health: Health::Unknown, issues: Vec::new() },
            seen_ms: 0,
            is_saved: true,
        }
    }

    /// Which run it is on the board for.
    pub fn run_ms(&self) -> i64 {
        self.totals.run_ms
    }

    /// Its stream.
    pub fn stream(&self) -> StreamId {
        StreamId(self.totals.stream_id)
    }

    /// Its counters.
    pub fn totals(&self) -> TotalsRow {
        self.totals.clone()
    }

    /// Takes a sample in. Returns whether it was newer than all before.
    pub fn take(&mut self, sample: &MetricSample) -> bool {
        let epoch = signed(sample.epoch);
        let present = epoch == self.totals.epoch;
        if epoch < self.totals.epoch || (present && self.sample.is_some() && sample.sequence <= self.sequence) {
            return false;
        }
        let grew = present && signed(sample.bytes_sent) > self.totals.last_bytes;
        if !present {
            self.begin_epoch(epoch);
        }
        self.growing_since_ms = match (grew, self.growing_since_ms) {
            (true, None) => Some(self.totals.last_at_ms.max(sample.at_ms - FLOWS_MS)),
            (true, since) => since,
            (false, _) => None,
        };
        if !grew {
            self.flow_noted = false;
        }
        self.totals.last_bytes = self.totals.last_bytes.max(signed(sample.bytes_sent));
        self.totals.last_frames = self.totals.last_frames.max(signed(sample.frames_sent));
        self.totals.last_dropped = self.totals.last_dropped.max(signed(sample.dropped_frames));
        self.totals.last_at_ms = sample.at_ms;
        self.sequence = sample.sequence;
        self.is_saved = false;
        if self.sample.as_ref().is_some_and(|last| last.reconnects != sample.reconnects) {
            self.flow_noted = false;
        }
        self.sample = Some(sample.clone());
        self.feed_judge(sample);
        true
    }

    fn begin_epoch(&mut self, epoch: i64) {
        let t = &mut self.totals;
        t.base_bytes += std::mem::take(&mut t.last_bytes);
        t.base_frames += std::mem::take(&mut t.last_frames);
        t.base_dropped += std::mem::take(&mut t.last_dropped);
        t.epoch = epoch;
        self.flow_noted = false;
    }

    fn feed_judge(&mut self, sample: &MetricSample) {
        let sample = Sample {
            at_ms: sample.at_ms,
            fps: sample.fps,
            kbps: sample.bitrate,
            reconnects: sample.reconnects,
            connected: self.context.status.is_delivering(),
        };
        self.judge.sample(sample, self.context.expected);
    }

    /// Whether media flows and nobody has noted it yet.
    pub fn flowing(&self, sample: &MetricSample) -> Option<Flowing> {
        let since = self.growing_since_ms.filter(|_| !self.flow_noted)?;
        let grown_ms = sample.at_ms - since;
        (grown_ms >= FLOWS_MS).then_some(Flowing {
            session: sample.session,
            epoch: Epoch(sample.epoch),
            stream: sample.stream,
            destination: sample.destination,
            sure: grown_ms >= SURE_MS,
        })
    }

    /// It is written down.
    pub fn flow_noted(&mut self) {
        self.flow_noted = true;
    }

    /// Takes over what is stored.
    pub fn refresh(&mut self, context: Context, now_ms: i64) {
        if context.status == Status::Connected {
            // Noted before the last report came: note it again.
            self.flow_noted = false;
        }
        self.context = context;
        self.seen_ms = now_ms;
    }

    /// Whether it was part of a run lately.
    pub fn seen_within(&self, keep_ms: i64, now_ms: i64) -> bool {
        self.seen_ms == 0 || now_ms - self.seen_ms < keep_ms
    }

    /// The verdict at `now_ms`. Silence counts only while our own feed of samples stands.
    pub fn judge(&mut self, now_ms: i64, feed_since_ms: Option<i64>) -> &Verdict {
        let next = self.verdict_at(now_ms);
        let since = self.context.connected_since_ms.max(feed_since_ms);
        let listened = feed_since_ms.is_some() && since.is_some_and(|at| now_ms - at >= STALE_MS);
        if next.health != Health::Stale || listened {
            self.verdict = next;
        }
        &self.verdict
    }

    fn verdict_at(&mut self, now_ms: i64) -> Verdict {
        let trouble: Vec<String> = self.context.trouble.iter().cloned().collect();
        match self.context.status {
            Status::Error => self.judge.verdict(now_ms, self.context.gave_up.as_ref()),
            Status::Connected | Status::Live => {
                self.judge.watch(now_ms);
                let ours = self.judge.verdict(now_ms, None);
                ours.and_platform(self.context.platform_is_bad, &self.context.complaints)
            }
            Status::Reconnecting => match self.judge.verdict(now_ms, None) {
                bad @ Verdict { health: Health::Degraded, .. } => bad,
                _ => Verdict { health: Health::Degraded, issues: trouble },
            },
            _ => Verdict { health: Health::Unknown, issues: trouble },
        }
    }

    /// What people get to read.
    pub fn reading(&self) -> Reading {
        let sum = |base: i64, last: i64| u64::try_from(base.saturating_add(last)).unwrap_or(0);
        Reading {
            sample: self.sample.clone(),
            bytes: sum(self.totals.base_bytes, self.totals.last_bytes),
            frames: sum(self.totals.base_frames, self.totals.last_frames),
            dropped: sum(self.totals.base_dropped, self.totals.last_dropped),
            verdict: self.verdict.clone(),
        }
    }

    /// The counters, if they changed since the last call.
    pub fn unsaved(&mut self) -> Option<TotalsRow> {
        (!std::mem::replace(&mut self.is_saved, true)).then(|| self.totals.clone())
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
