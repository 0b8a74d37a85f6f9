//! Makes the world as it is wished, stream by stream: on a wake, when a wait is over, and every second for all that are
//! unsettled. Several replicas may do so at once; each stream is held by one of them at a time.

mod carry_out;
mod effects;
mod pass;

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::StreamId;
use service_kit::Shutdown;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{ctx::Ctx, error::chain, names, store::streams};
pub use pass::{Outcome, pass};

/// The loop. One pass per stream at a time, a bounded number of streams at a time.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut reconciler = Reconciler { ctx, due: BTreeSet::new(), later: BTreeMap::new(), busy: BTreeSet::new() };
    let mut passes = JoinSet::new();
    let mut tick = interval(reconciler.ctx.options.reconcile);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        reconciler.begin_passes(&mut passes);
        let next = reconciler.later.values().min().copied();
        tokio::select! {
            () = shutdown.soft.cancelled() => break,
            woken = reconciler.ctx.wake.woken() => reconciler.due.extend(woken),
            Some(done) = passes.join_next() => reconciler.end_pass(done),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => reconciler.ripen(),
            _ = tick.tick() => reconciler.look_around().await,
        }
    }
    while passes.join_next().await.is_some() {}
}

struct Reconciler {
    ctx: Ctx,
    due: BTreeSet<StreamId>,
    later: BTreeMap<StreamId, Instant>,
    busy: BTreeSet<StreamId>,
}

type Done = (StreamId, Option<Outcome>);

impl Reconciler {
    fn begin_passes(&mut self, passes: &mut JoinSet<Done>) {
        let free = self.ctx.options.reconcile_parallel.saturating_sub(self.busy.len());
        let next: Vec<StreamId> = self.due.iter().filter(|id| !self.busy.contains(id)).take(free).copied().collect();
        for id in next {
            self.due.remove(&id);
            self.later.remove(&id);
            self.busy.insert(id);
            let ctx = self.ctx.clone();
            passes.spawn(async move { (id, one_pass(&ctx, id).await) });
        }
    }

    fn end_pass(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let (id, outcome) = match done {
            Ok(done) => done,
            Err(error) => {
                // A panic in a pass: forget who was busy, so that no stream is stuck; the lock in Postgres still holds.
                tracing::error!(%error, "a reconciler pass broke");
                self.busy.clear();
                return;
            }
        };
        self.busy.remove(&id);
        let again = match outcome {
            Some(Outcome::Busy) => Some(self.ctx.options.reconcile_busy),
            Some(Outcome::Settled { again }) => again,
            Some(Outcome::Gone) | None => None,
        };
        if let Some(pause) = again {
            let at = Instant::now() + pause;
            self.later.entry(id).and_modify(|t| *t = at.min(*t)).or_insert(at);
        }
    }

    fn ripen(&mut self) {
        let now = Instant::now();
        let ripe: Vec<StreamId> = self.later.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in ripe {
            self.later.remove(&id);
            self.due.insert(id);
        }
    }

    async fn look_around(&mut self) {
        let found = self.ctx.db.bounded(async {
            let mut conn = self.ctx.db.pool().acquire().await?;
            Ok(streams::unsettled(&mut conn).await?)
        });
        match found.await {
            Ok(ids) => self.due.extend(ids),
            Err(error) => tracing::debug!(error = chain(&error), "cannot look for unsettled streams"),
        }
    }
}

async fn one_pass(ctx: &Ctx, id: StreamId) -> Option<Outcome> {
    let begun = Instant::now();
    let outcome = pass(ctx, id).await;
    metrics::histogram!(names::PASS_SECONDS).record(begun.elapsed().as_secs_f64());
    match outcome {
        Ok(outcome) => {
            names::count(names::PASSES, outcome.as_str());
            Some(outcome)
        }
        Err(error) => {
            names::count(names::PASSES, "failed");
            tracing::warn!(stream = %id, error = chain(&error), "reconciler pass failed");
            None
        }
    }
}
