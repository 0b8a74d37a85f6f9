//! Who died: leases that ran out are found by a scan of their deadlines, and, should Redis have forgotten them, by
//! comparing what Postgres calls running with what Redis holds.

pub mod audit;
pub mod scan;

use domain::ids::{Epoch, SessionId};

use crate::{ctx::Ctx, error::Error, names, store::sessions};

/// Writes that leases ran out, and wakes the reconciler for their streams.
///
/// # Errors
/// [`Error::Database`], [`Error::DatabaseTimeout`].
async fn note(ctx: &Ctx, expired: &[(SessionId, Epoch)], how: &'static str) -> Result<(), Error> {
    let streams = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        Ok(sessions::lease_expired(&mut conn, expired).await?)
    });
    for stream in streams.await? {
        names::count(names::LEASES_EXPIRED, how);
        tracing::warn!(%stream, how, "a lease ran out");
        ctx.wake.reconcile(stream);
    }
    Ok(())
}
