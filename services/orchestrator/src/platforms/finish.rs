//! Ends what was made at one platform for one destination, however long it takes.

use service_kit::{CancellationToken, grpc::deadline};
use tokio::time::sleep;
use wire::v1;

use super::{
    answer::{self, Failed, Finished},
    claim::{Claim, Lost},
};
use crate::{
    ctx::Ctx,
    error::Error,
    settle::settle,
    store::{
        broadcasts::{self, Named},
        platform_claims::{Due, OnPlatform, Task},
        streams,
    },
    world::World,
};

/// Claims it, calls until there is an answer, writes the answer. Returns what came of it, for the metric.
///
/// # Errors
/// [`Error::Database`], [`Error::DatabaseTimeout`], [`Error::Stored`].
pub(super) async fn finish(ctx: &Ctx, stopping: CancellationToken, due: Due) -> Result<&'static str, Error> {
    let Some((claim, row)) = Claim::take(ctx, stopping, due, Task::Finish).await? else { return Ok("taken") };
    let Some(named) = open(&row) else { return Ok("taken") };
    match call(ctx, &claim, &row).await {
        Ok(answer) => write(ctx, &claim, &row, named, answer).await,
        Err(Lost) => Ok("lost"),
    }
}

fn open(row: &OnPlatform) -> Option<Named> {
    let broadcast = &row.destination.broadcast;
    Some(Named { destination: row.destination.id(), run_ms: broadcast.open_run_ms?, take: broadcast.open_take? })
}

async fn call(ctx: &Ctx, claim: &Claim, row: &OnPlatform) -> Result<Finished, Lost> {
    let options = &ctx.options.platforms;
    let bound_ms = u64::try_from(options.call.as_millis()).unwrap_or(u64::MAX);
    for _ in 0..options.busy_times {
        let mut client = ctx.credentials.clone();
        let destination = &row.destination;
        let request = v1::FinishRequest {
            tenant_id: destination.tenant_id.clone(),
            broadcast: destination.broadcast.open(destination.id),
        };
        let request = deadline(bound_ms, request);
        let called = claim.during(async move { client.finish(request).await.map(tonic::Response::into_inner) });
        match answer::finished(called.await?) {
            Finished::Busy => {}
            answer => return Ok(answer),
        }
        sleep(options.busy).await;
        claim.renew().await?;
    }
    let fault = answer::unreachable_fault();
    Ok(Finished::Failed(Failed { fault, retry_after: options.busy }))
}

async fn write(
    ctx: &Ctx,
    claim: &Claim,
    row: &OnPlatform,
    named: Named,
    answer: Finished,
) -> Result<&'static str, Error> {
    let written = ctx.db.bounded(async {
        let now_ms = ctx.now_ms();
        let mut tx = ctx.db.begin().await?;
        let Some(stream) = streams::lock_any(&mut tx, claim.stream()).await? else { return Ok("gone") };
        let is_ours = claim.give_back(&mut tx).await?;
        let outcome = match answer {
            Finished::Done => {
                broadcasts::finished(&mut tx, named).await?;
                "done"
            }
            Finished::Failed(failed) if is_ours && is_hopeless(ctx, row, &failed, now_ms) => {
                let code = failed.fault.code.as_str();
                tracing::error!(destination = %named.destination, code, "a broadcast could not be ended and is given up");
                broadcasts::finished(&mut tx, named).await?;
                "given_up"
            }
            Finished::Failed(failed) if is_ours => {
                later(ctx, &mut tx, row, failed, now_ms).await?;
                "later"
            }
            Finished::Failed(_) | Finished::Busy => "lost",
        };
        let world = World::load(&mut tx, stream).await?;
        settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
        tx.commit().await?;
        Ok(outcome)
    });
    let outcome = written.await?;
    ctx.wake.reconcile(claim.stream());
    Ok(outcome)
}

/// Refusals that may be about a state that is just changing.
const REFUSED_TIMES: i32 = 3;
/// The least pause after a further one.
const REFUSED_PAUSE: std::time::Duration = std::time::Duration::from_secs(300);

/// A person could still help (sign in again), but not for what was deleted, and not for ever: what is deleted must not
/// keep its secrets.
fn is_hopeless(ctx: &Ctx, row: &OnPlatform, failed: &Failed, now_ms: i64) -> bool {
    let since = row.destination.broadcast.finish_since_ms.unwrap_or(now_ms);
    let is_deleted = row.destination.deleted_at_ms.is_some() || row.stream_is_deleted;
    (is_deleted && !failed.fault.is_transient()) || now_ms - since >= ctx.options.platforms.finish_for_ms
}

async fn later(ctx: &Ctx, tx: &mut crate::db::Tx, row: &OnPlatform, failed: Failed, now_ms: i64) -> Result<(), Error> {
    let attempts = row.destination.broadcast.finish_attempts;
    // Only a person can help; until then asking costs.
    let refused = !failed.fault.is_transient() && attempts >= REFUSED_TIMES;
    let floor = if refused { REFUSED_PAUSE } else { std::time::Duration::ZERO };
    let pause = answer::pause(&failed, attempts, (ctx.chance)(), &ctx.options.platforms);
    let pause_ms = i64::try_from(pause.max(floor).as_millis()).unwrap_or(i64::MAX / 2);
    tracing::info!(destination = %row.destination.id(), code = failed.fault.code, pause_ms, "broadcast not ended yet");
    Ok(broadcasts::finish_failed(tx, row.destination.id(), &failed.fault, now_ms + pause_ms).await?)
}
