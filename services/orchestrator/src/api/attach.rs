//! Bring a destination into the running simulcast, or take it out.

use bus::EventKind;
use wire::v1;

use super::{destination_id, destinations::locked, stream_id, streams::reload, tenant};
use crate::{
    ctx::Ctx,
    error::Error,
    rows::DestinationRow,
    settle::{about, settle, tell},
    store::destinations,
};

/// Switches it on if need be. Idempotent.
#[tracing::instrument(name = "orchestrator.attach_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn attach(ctx: &Ctx, r: v1::AttachRequest) -> Result<v1::Destination, Error> {
    Ok(set(ctx, r, true).await?.to_wire())
}

/// It stays enabled and takes part in the next run. Idempotent.
#[tracing::instrument(name = "orchestrator.detach_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn detach(ctx: &Ctx, r: v1::AttachRequest) -> Result<v1::Empty, Error> {
    set(ctx, r, false).await?;
    Ok(v1::Empty {})
}

async fn set(ctx: &Ctx, r: v1::AttachRequest, attached: bool) -> Result<DestinationRow, Error> {
    let (tenant, stream, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?, destination_id(&r.destination_id)?);
    let row = ctx
        .db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let row = locked(&mut tx, &tenant, id).await?;
            if row.stream() != stream {
                return Err(Error::NotFound);
            }
            let world = reload(&mut tx, stream).await?;
            if !world.stream.is_running() {
                return Err(Error::state("not_running", "The stream is not running. Start it first."));
            }
            destinations::attach(&mut tx, id, attached).await?;
            if row.is_wanted() != attached {
                let kind = if attached { EventKind::DestinationAdded } else { EventKind::DestinationRemoved };
                tell(&mut tx, &world, Some(&row), kind, about(&row, &row.status), now_ms).await?;
            }
            let world = reload(&mut tx, stream).await?;
            settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
            let row = destinations::get(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            tx.commit().await?;
            Ok(row)
        })
        .await?;
    ctx.wake.reconcile(stream);
    Ok(row)
}
