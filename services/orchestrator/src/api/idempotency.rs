//! Idempotency keys of the REST surface, kept here so that every gateway replica sees them.

use wire::v1::{self, begin_idempotent_response::Outcome as Wire};

use super::tenant;
use crate::{
    ctx::Ctx,
    error::Error,
    store::idempotency::{self, Outcome},
};

const KEY_BYTES: std::ops::RangeInclusive<usize> = 1..=255;

pub(super) async fn begin(ctx: &Ctx, r: v1::BeginIdempotentRequest) -> Result<v1::BeginIdempotentResponse, Error> {
    let tenant = tenant(&r.tenant_id)?;
    if !KEY_BYTES.contains(&r.key.len()) {
        return Err(Error::field("idempotency_key_invalid", "Idempotency-Key", "The key must have 1 to 255 bytes."));
    }
    let now_ms = ctx.now_ms();
    let stale_ms = now_ms - ctx.options.idempotency_in_flight_ms;
    let expired_ms = now_ms - ctx.options.idempotency_kept_ms;
    let outcome = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        Ok(idempotency::begin(&mut conn, &tenant, &r.key, &r.fingerprint, now_ms, stale_ms, expired_ms).await?)
    });
    Ok(match outcome.await? {
        Outcome::New => respond(Wire::New, 0, Vec::new()),
        Outcome::InFlight => respond(Wire::InFlight, 0, Vec::new()),
        Outcome::Mismatch => respond(Wire::Mismatch, 0, Vec::new()),
        Outcome::Replay { status, body } => respond(Wire::Replay, u32::try_from(status).unwrap_or(0), body),
    })
}

fn respond(outcome: Wire, status: u32, body: Vec<u8>) -> v1::BeginIdempotentResponse {
    v1::BeginIdempotentResponse { outcome: outcome.into(), status, body }
}

pub(super) async fn finish(ctx: &Ctx, r: v1::FinishIdempotentRequest) -> Result<v1::Empty, Error> {
    let tenant = tenant(&r.tenant_id)?;
    let status = i32::try_from(r.status).unwrap_or(0);
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            if r.forget {
                idempotency::forget(&mut conn, &tenant, &r.key).await?;
            } else {
                idempotency::finish(&mut conn, &tenant, &r.key, status, &r.body, ctx.now_ms()).await?;
            }
            Ok(v1::Empty {})
        })
        .await
}
