//! Events to the bus, in order per stream, at least once. Twice is harmless: the row's id is the message's id.

use std::time::Duration;

use bus::Event;
use domain::ids::{DestinationId, StreamId, TenantId};
use service_kit::Shutdown;
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{Instrument, field::Empty};

use crate::{
    ctx::Ctx,
    error::{Error, chain},
    names,
    store::outbox::{self, OutboxRow},
};

/// A replica that was woken elsewhere looks this often by itself.
const LOOK: Duration = Duration::from_millis(500);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    loop {
        let pause = match drain(&ctx, &shutdown).await {
            Ok(()) => None,
            Err(error) => {
                tracing::debug!(error = chain(error.as_ref()), "events wait");
                Some(PAUSE)
            }
        };
        let woken = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => drop(timeout(LOOK, ctx.wake.outbox()).await),
            }
        };
        tokio::select! {
            () = shutdown.soft.cancelled() => break,
            () = woken => {}
        }
    }
    // What the shutdown itself brought.
    let _ = timeout(PAUSE, drain(&ctx, &shutdown)).await;
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn drain(ctx: &Ctx, shutdown: &Shutdown) -> Result<(), Failure> {
    while !shutdown.hard.is_cancelled() && one_stream(ctx).await? {}
    Ok(())
}

/// Sends the waiting events of one stream that no other replica is at. Returns whether there was one.
async fn one_stream(ctx: &Ctx) -> Result<bool, Failure> {
    let taken = ctx.db.bounded(async {
        let mut tx = ctx.db.begin().await?;
        let Some(stream) = outbox::take_stream(&mut tx).await? else { return Ok(None) };
        let rows = outbox::events_of(&mut tx, stream, ctx.options.outbox_batch).await?;
        Ok(Some((tx, rows)))
    });
    let Some((mut tx, rows)) = taken.await? else { return Ok(false) };
    let (sent, failure) = send(ctx, &rows).await;
    ctx.db
        .bounded(async {
            outbox::remove(&mut tx, &sent).await?;
            Ok(tx.commit().await?)
        })
        .await?;
    metrics::counter!(names::OUTBOX_SENT).increment(sent.len() as u64);
    failure.map_or(Ok(true), Err)
}

/// Sends in order, up to the first failure. Returns what is done.
async fn send(ctx: &Ctx, rows: &[OutboxRow]) -> (Vec<i64>, Option<Failure>) {
    let mut sent = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(event) = event(row) else {
            tracing::error!(kind = row.kind, "an event of an unknown kind is dropped");
            sent.push(row.id);
            continue;
        };
        let span = tracing::debug_span!("orchestrator.event", kind = row.kind, trace_id = Empty);
        if let Some(parent) = &row.traceparent {
            service_kit::trace::set_parent(&span, parent);
        }
        match ctx.bus.publish_event(&event).instrument(span).await {
            Ok(()) => sent.push(row.id),
            Err(error) => return (sent, Some(error.into())),
        }
    }
    (sent, None)
}

fn event(row: &OutboxRow) -> Option<Event> {
    Some(Event {
        id: row.event_id,
        kind: row.kind.parse().ok()?,
        stream: StreamId(row.stream_id),
        destination: row.destination_id.map(DestinationId),
        tenant: TenantId(row.tenant_id.clone()),
        time: OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.created_at_ms) * 1_000_000).ok()?,
        data: row.data.0.clone(),
    })
}

/// One pass over the outbox, for tests of its crash points.
///
/// # Errors
/// The bus or Postgres is away.
pub async fn once(ctx: &Ctx) -> Result<(), Failure> {
    while one_stream(ctx).await? {}
    Ok(())
}

/// Like [`once`] for one stream's batch, but crashes after publishing, before marking. For tests.
///
/// # Errors
/// The bus or Postgres is away.
pub async fn publish_and_crash(ctx: &Ctx) -> Result<usize, Failure> {
    let mut tx = ctx.db.begin().await.map_err(|e: Error| Box::new(e))?;
    let Some(stream) = outbox::take_stream(&mut tx).await? else { return Ok(0) };
    let rows = outbox::events_of(&mut tx, stream, ctx.options.outbox_batch).await?;
    let (sent, failure) = send(ctx, &rows).await;
    drop(tx);
    failure.map_or(Ok(sent.len()), Err)
}
