//! Stop: commit the wish. The reconciler tells the workers, until they are done.

use bus::EventKind;
use serde_json::json;
use wire::v1;

use super::{stream_id, streams::reload, tenant};
use crate::{
    ctx::Ctx,
    error::Error,
    settle::{settle, tell},
    store::streams,
};

/// Idempotent. The present publish does not start the stream again.
#[tracing::instrument(name = "orchestrator.stop", skip_all, fields(stream = r.stream_id))]
pub(super) async fn stop(ctx: &Ctx, r: v1::StreamRef) -> Result<v1::StopResponse, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, stream_id(&r.stream_id)?);
    let was_running = ctx
        .db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let stream = streams::lock(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            if !stream.is_running() {
                return Ok(false);
            }
            streams::end(&mut tx, id).await?;
            let world = reload(&mut tx, id).await?;
            tell(&mut tx, &world, None, EventKind::StreamStopping, json!({ "reason": "asked" }), now_ms).await?;
            settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await?;
    ctx.wake.reconcile(id);
    Ok(v1::StopResponse { was_running })
}
