//! Finds the calls that are due and makes them, a bounded number at a time. Woken by whatever changes a wish; looks by
//! itself for what another replica left behind and for what is to be tried again.

use std::{collections::HashSet, time::Duration};

use domain::ids::DestinationId;
use service_kit::{CancellationToken, Shutdown};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{Instrument, field::Empty};

use super::{finish, prepare};
use crate::{
    ctx::Ctx,
    error::{Error, chain},
    names,
    store::platform_claims::{self, Due, Task},
};

type Calls = JoinSet<(DestinationId, Task)>;

/// How long calls may take to leave at the shutdown.
const LEAVE: Duration = Duration::from_secs(2);

/// Drives until the shutdown. Calls that run then are dropped: they can be made again.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut driver = Driver { ctx, stopping: shutdown.soft.clone(), running: HashSet::new() };
    let mut calls = Calls::new();
    let mut tick = interval(driver.ctx.options.platforms.look);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => break,
            () = driver.ctx.wake.to_tell() => {}
            Some(done) = calls.join_next() => driver.ended(done),
            _ = tick.tick() => {}
        }
        if let Err(error) = driver.look(&mut calls).await {
            tracing::debug!(error = chain(&error), "cannot look for due calls");
        }
        sleep(driver.ctx.options.platforms.calm).await;
    }
    // Each gives its claim back, so that another replica goes on at once.
    let _ = timeout(LEAVE, async { while calls.join_next().await.is_some() {} }).await;
}

struct Driver {
    ctx: Ctx,
    stopping: CancellationToken,
    running: HashSet<(DestinationId, Task)>,
}

impl Driver {
    fn ended(&mut self, done: Result<(DestinationId, Task), tokio::task::JoinError>) {
        match done {
            Ok(call) => {
                self.running.remove(&call);
            }
            Err(error) => {
                // A panic in a call: forget who was running, so that none is stuck; the claims still hold.
                tracing::error!(%error, "a platform call broke");
                self.running.clear();
            }
        }
    }

    async fn look(&mut self, calls: &mut Calls) -> Result<(), Error> {
        let (prepares, ends) = (self.free(Task::Prepare), self.free(Task::Finish));
        let now_ms = self.ctx.now_ms();
        let found = self.ctx.db.bounded(async {
            let mut conn = self.ctx.db.pool().acquire().await?;
            platform_claims::stamp_ends(&mut conn, now_ms).await?;
            let prepare = platform_claims::to_prepare(&mut conn, now_ms, limit(prepares, &self.running)).await?;
            let finish = platform_claims::to_finish(&mut conn, now_ms, limit(ends, &self.running)).await?;
            Ok((prepare, finish))
        });
        let (prepare, finish) = found.await?;
        self.begin(calls, prepare, Task::Prepare, prepares);
        self.begin(calls, finish, Task::Finish, ends);
        Ok(())
    }

    fn free(&self, task: Task) -> usize {
        let most = match task {
            Task::Prepare => self.ctx.options.platforms.prepare_parallel,
            Task::Finish => self.ctx.options.platforms.finish_parallel,
        };
        most.saturating_sub(self.running.iter().filter(|(_, t)| *t == task).count())
    }

    fn begin(&mut self, calls: &mut Calls, found: Vec<Due>, task: Task, free: usize) {
        let fresh: Vec<Due> =
            found.into_iter().filter(|d| !self.running.contains(&(d.id(), task))).take(free).collect();
        for due in fresh {
            self.running.insert((due.id(), task));
            let (ctx, stopping) = (self.ctx.clone(), self.stopping.clone());
            let (stream, destination) = (due.stream(), due.id());
            let word = task.as_str();
            let span =
                tracing::info_span!("orchestrator.platform", task = word, %stream, %destination, trace_id = Empty);
            let call = async move {
                Box::pin(one(&ctx, stopping, due, task)).await;
                (due.id(), task)
            };
            calls.spawn(call.instrument(span));
        }
    }
}

/// Enough rows to find a fresh one among those that run here.
fn limit(free: usize, running: &HashSet<(DestinationId, Task)>) -> i64 {
    i64::try_from(free + running.len()).unwrap_or(i64::MAX)
}

async fn one(ctx: &Ctx, stopping: CancellationToken, due: Due, task: Task) {
    let done = match task {
        Task::Prepare => prepare::prepare(ctx, stopping, due).await,
        Task::Finish => finish::finish(ctx, stopping, due).await,
    };
    match done {
        Ok(outcome) => names::count_call(task.as_str(), outcome),
        Err(error) => {
            names::count_call(task.as_str(), "failed");
            tracing::warn!(error = chain(&error), "platform call not written: it is made again");
        }
    }
}
