//! Makes one platform ready for one destination's run.

use domain::{fault::Fault, settings::Settings};
use service_kit::{CancellationToken, grpc::deadline};
use tokio::time::sleep;
use wire::v1;

use super::{
    answer::{self, Failed, Prepared},
    claim::{Claim, Lost},
};
use crate::{
    ctx::Ctx,
    error::Error,
    rows::BroadcastRow,
    settle::settle,
    store::{
        broadcasts::{self, Named},
        destinations,
        platform_claims::{Due, OnPlatform, Task},
        streams,
    },
    world::World,
};

/// Claims it, calls until there is an answer, writes the answer. Returns what came of it, for the metric.
///
/// # Errors
/// [`Error::Database`], [`Error::DatabaseTimeout`], [`Error::Stored`].
pub(super) async fn prepare(ctx: &Ctx, stopping: CancellationToken, due: Due) -> Result<&'static str, Error> {
    let Some((claim, row)) = Claim::take(ctx, stopping, due, Task::Prepare).await? else { return Ok("taken") };
    match call(ctx, &claim, &row).await {
        Ok(Some(answer)) => write(ctx, &claim, &row, answer).await,
        Ok(None) => {
            claim.drop_it().await;
            Ok("unwanted")
        }
        Err(Lost) => Ok("lost"),
    }
}

/// `None`: nobody wants it any more.
async fn call(ctx: &Ctx, claim: &Claim, row: &OnPlatform) -> Result<Option<Prepared>, Lost> {
    let options = &ctx.options.platforms;
    let bound_ms = u64::try_from(options.call.as_millis()).unwrap_or(u64::MAX);
    for _ in 0..options.busy_times {
        let mut client = ctx.credentials.clone();
        let request = deadline(bound_ms, request(row));
        let called = claim.during(async move { client.prepare(request).await.map(tonic::Response::into_inner) });
        match answer::prepared(called.await?) {
            Prepared::Busy => {}
            answer => return Ok(Some(answer)),
        }
        sleep(options.busy).await;
        if !claim.renew().await? {
            return Ok(None);
        }
    }
    let fault = answer::unreachable_fault();
    Ok(Some(Prepared::Failed(Failed { fault, retry_after: options.busy })))
}

fn request(row: &OnPlatform) -> v1::PrepareRequest {
    let destination = &row.destination;
    v1::PrepareRequest {
        tenant_id: destination.tenant_id.clone(),
        broadcast: Some(destination.broadcast.present(destination.id, row.run_ms)),
        platform: v1::Platform::from(destination.platform()).into(),
        account_id: destination.account_id.clone(),
        stream_title: row.stream_title.clone(),
        settings: Some(destination.broadcast.platform_settings.0.clone().into()),
    }
}

async fn write(ctx: &Ctx, claim: &Claim, row: &OnPlatform, answer: Prepared) -> Result<&'static str, Error> {
    let written = ctx.db.bounded(async {
        let now_ms = ctx.now_ms();
        let mut tx = ctx.db.begin().await?;
        let Some(stream) = streams::lock_any(&mut tx, claim.stream()).await? else { return Ok("gone") };
        let is_ours = claim.give_back(&mut tx).await?;
        let outcome = match answer {
            Prepared::Ready(ready) => {
                let named = Named {
                    destination: claim.destination(),
                    run_ms: row.run_ms,
                    take: row.destination.broadcast.take,
                };
                let fresh = broadcasts::prepared(&mut tx, named, &ready).await?;
                if fresh { "ready" } else { "outdated" }
            }
            Prepared::Failed(failed) if is_ours => note_failure(ctx, &mut tx, claim, row, failed, now_ms).await?,
            Prepared::Failed(_) | Prepared::Busy => "lost",
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

async fn note_failure(
    ctx: &Ctx,
    tx: &mut crate::db::Tx,
    claim: &Claim,
    row: &OnPlatform,
    failed: Failed,
    now_ms: i64,
) -> Result<&'static str, Error> {
    let (code, destination) = (failed.fault.code.as_str(), claim.destination());
    if is_final(&failed.fault, &row.destination.settings()) {
        tracing::info!(%destination, code, "platform not prepared: a person must act");
        destinations::give_up(tx, destination, &failed.fault).await?;
        return Ok("refused");
    }
    let BroadcastRow { prep_attempts, .. } = row.destination.broadcast;
    let pause = answer::pause(&failed, prep_attempts, (ctx.chance)(), &ctx.options.platforms);
    let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2);
    tracing::info!(%destination, code, pause_ms, "platform not prepared yet");
    broadcasts::prepare_failed(tx, destination, &failed.fault, now_ms + pause_ms).await?;
    Ok("later")
}

/// What passes is tried again without end: no budget of a person's is used up by it. Who switched reconnecting off
/// wants to hear of the platform's first refusal, but not of ours.
fn is_final(fault: &Fault, settings: &Settings) -> bool {
    let impatient = settings.auto_reconnect == Some(false) && fault.blame != domain::fault::Blame::Us;
    !fault.is_transient() || impatient
}
