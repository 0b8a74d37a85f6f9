//! Start: commit the wish, then wait a bounded while for the destinations.

use std::time::Duration;

use bus::EventKind;
use domain::{
    destination_state::Status,
    ids::{StreamId, TenantId},
    target::StoredInput,
};
use serde_json::json;
use service_kit::CancellationToken;
use tokio::time::{Instant, timeout, timeout_at};
use wire::v1;

use super::{respond::View, stream_id, streams::reload, tenant};
use crate::{
    ctx::Ctx,
    error::Error,
    rows::StreamRow,
    settle::{settle, tell},
    store::{
        destinations, outbox, run_errors,
        streams::{self, Begin},
    },
};

/// At least this between two looks, however much happens.
const CALM: Duration = Duration::from_millis(20);

/// Idempotent. Pressed again while running, it brings every enabled destination in and forgives their faults.
#[tracing::instrument(name = "orchestrator.start", skip_all, fields(stream = r.stream_id))]
pub(super) async fn start(
    ctx: &Ctx,
    stopping: &CancellationToken,
    r: v1::StartRequest,
) -> Result<v1::StartResponse, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    let input = input_source(ctx, &r.input_source)?;
    let (generation, already_running) = ctx.db.bounded(commit(ctx, &tenant, id, input)).await?;
    ctx.wake.reconcile(id);
    let wait = Duration::from_millis(r.wait_ms.into()).min(ctx.options.start_wait);
    let view = tokio::select! {
        view = wait_for(ctx, &tenant, id, generation, Instant::now() + wait) => view?,
        () = stopping.cancelled() => look(ctx, &tenant, id).await?,
    };
    Ok(v1::StartResponse { stream: Some(view.stream()), destinations: view.destinations(), already_running })
}

fn input_source<'a>(ctx: &Ctx, text: &'a str) -> Result<Option<&'a str>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |code: &'static str, why: String| Error::field(code, "inputSource", format!("inputSource {why}"));
    let source = StoredInput::parse(text, ctx.options.targets).map_err(|bad| refuse(bad.code(), bad.to_string()))?;
    let host = format!("{}:{}", source.base.host_text(), source.base.port);
    if ctx.options.own_ingest.as_ref() == Some(&host) {
        return Err(refuse("address_not_allowed", "points to our own ingest; publish to the stream instead".into()));
    }
    Ok(Some(text))
}

async fn commit(ctx: &Ctx, tenant: &TenantId, id: StreamId, input: Option<&str>) -> Result<(i64, bool), Error> {
    let now_ms = ctx.now_ms();
    let mut tx = ctx.db.begin().await?;
    let stream = streams::lock(&mut tx, tenant, id).await?.ok_or(Error::NotFound)?;
    let already_running = stream.is_running();
    if already_running {
        again(&mut tx, &stream, input).await?;
    } else {
        begin(&mut tx, &stream, input, now_ms).await?;
    }
    let world = reload(&mut tx, id).await?;
    settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
    tx.commit().await?;
    Ok((world.stream.generation, already_running))
}

async fn again(tx: &mut crate::db::Tx, stream: &StreamRow, input: Option<&str>) -> Result<(), Error> {
    if input.is_some() && input != stream.input_source.as_deref() {
        let message = "The stream is running with another source. Stop it first.";
        return Err(Error::state("input_source_conflict", message));
    }
    destinations::rejoin(tx, stream.id()).await?;
    Ok(streams::adopt(tx, stream.id()).await?)
}

async fn begin(tx: &mut crate::db::Tx, stream: &StreamRow, input: Option<&str>, now_ms: i64) -> Result<(), Error> {
    let id = stream.id();
    let enlisted = destinations::enlist(tx, id, None).await?;
    if enlisted == 0 {
        let message = "The stream has no enabled destination. Add one, or switch one on.";
        return Err(Error::state("no_enabled_destinations", message));
    }
    let traceparent = service_kit::trace::traceparent();
    let how = Begin { auto: false, input_source: input, traceparent: traceparent.as_deref() };
    forget_old_input(tx, stream, input, now_ms).await?;
    streams::begin(tx, id, how, now_ms).await?;
    run_errors::clear(tx, id).await?;
    let world = reload(tx, id).await?;
    let data = json!({ "auto": false, "destinations": enlisted });
    tell(tx, &world, None, EventKind::StreamStarting, data, now_ms).await
}

/// Another source than last time: the vault need not keep the old one's play path.
async fn forget_old_input(
    tx: &mut crate::db::Tx,
    stream: &StreamRow,
    input: Option<&str>,
    now_ms: i64,
) -> Result<(), Error> {
    let old = stream.input_record().filter(|_| stream.input_source.as_deref() != input);
    if old.is_some() {
        outbox::delete_secrets(tx, &stream.tenant(), stream.id(), old, now_ms).await?;
    }
    Ok(())
}

async fn look(ctx: &Ctx, tenant: &TenantId, id: StreamId) -> Result<View, Error> {
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            View::load(&mut conn, tenant, id).await
        })
        .await
}

/// Waits until every destination of the run is connected or failed, the wish changes, or the deadline. Cancel safe.
async fn wait_for(
    ctx: &Ctx,
    tenant: &TenantId,
    id: StreamId,
    generation: i64,
    deadline: Instant,
) -> Result<View, Error> {
    let mut changes = ctx.wake.changes();
    loop {
        changes.mark_unchanged();
        let view = look(ctx, tenant, id).await?;
        if is_settled(&view, generation) || Instant::now() >= deadline {
            return Ok(view);
        }
        // Another replica's changes are only seen by looking.
        let _ = timeout_at(deadline, timeout(ctx.options.poll, changes.changed())).await;
        tokio::time::sleep_until((Instant::now() + CALM).min(deadline)).await;
    }
}

fn is_settled(view: &View, generation: i64) -> bool {
    let settled = |status: &str| status.parse().is_ok_and(Status::is_settled);
    view.stream.generation != generation
        || view.destinations.iter().filter(|d| d.is_wanted()).all(|d| settled(&d.status))
}
