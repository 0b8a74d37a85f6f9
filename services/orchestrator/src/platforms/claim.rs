//! The right to call a platform for one destination, kept while the call lasts.

use std::future::Future;

use domain::ids::{DestinationId, StreamId};
use service_kit::CancellationToken;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    db::Tx,
    error::{Error, chain},
    store::{
        platform_claims::{self, Due, OnPlatform, Task},
        streams,
    },
};

/// A held claim. Left behind (by a crash, or by being dropped), it runs out by itself.
pub(super) struct Claim {
    ctx: Ctx,
    stream: StreamId,
    destination: DestinationId,
    token: Uuid,
    stopping: CancellationToken,
}

/// The claim is somebody else's now, or could not be kept: whatever the call brings is not ours to write.
pub(super) struct Lost;

impl Claim {
    /// Takes it, unless another call runs or nothing is due any more.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::DatabaseTimeout`].
    pub async fn take(
        ctx: &Ctx,
        stopping: CancellationToken,
        due: Due,
        task: Task,
    ) -> Result<Option<(Self, OnPlatform)>, Error> {
        let token = Uuid::now_v7();
        let taken = ctx.db.bounded(async {
            let mut tx = ctx.db.begin().await?;
            if streams::lock_any(&mut tx, due.stream()).await?.is_none() {
                return Ok(None);
            }
            let now_ms = ctx.now_ms();
            let until_ms = until(ctx);
            let row = match task {
                Task::Prepare => platform_claims::claim_prepare(&mut tx, due.id(), token, now_ms, until_ms).await?,
                Task::Finish => platform_claims::claim_finish(&mut tx, due.id(), token, now_ms, until_ms).await?,
            };
            tx.commit().await?;
            Ok(row)
        });
        let Some(row) = taken.await? else { return Ok(None) };
        let claim = Self { ctx: ctx.clone(), stream: due.stream(), destination: due.id(), token, stopping };
        Ok(Some((claim, row)))
    }

    /// Runs a call while keeping the claim. The call is dropped when the claim is lost, or this replica leaves.
    pub async fn during<T>(&self, call: impl Future<Output = T>) -> Result<T, Lost> {
        let mut call = Box::pin(call);
        let mut tick = interval(self.ctx.options.platforms.claim_renewal);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        loop {
            tokio::select! {
                done = &mut call => return Ok(done),
                () = self.stopping.cancelled() => {
                    self.drop_it().await;
                    return Err(Lost);
                }
                _ = tick.tick() => { self.renew().await?; }
            }
        }
    }

    /// Keeps it for longer. Returns whether the destination is still wanted. While Postgres is away it is believed held:
    /// nobody else could take it either, and what is written in the end is checked again.
    pub async fn renew(&self) -> Result<bool, Lost> {
        let renewed = self.ctx.db.bounded(async {
            let mut conn = self.ctx.db.pool().acquire().await?;
            Ok(platform_claims::renew(&mut conn, self.destination, self.token, until(&self.ctx)).await?)
        });
        match renewed.await {
            Ok(Some(wanted)) => Ok(wanted),
            Ok(None) => Err(Lost),
            Err(error) => {
                tracing::debug!(error = chain(&error), "claim not renewed");
                Ok(true)
            }
        }
    }

    /// Gives it back within a transaction that holds the stream's lock. `false`: it was not ours any more.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn give_back(&self, tx: &mut Tx) -> Result<bool, Error> {
        Ok(platform_claims::release(tx, self.destination, self.token).await?)
    }

    /// Gives it back without a result.
    pub async fn drop_it(&self) {
        let given = self.ctx.db.bounded(async {
            let mut conn = self.ctx.db.pool().acquire().await?;
            Ok(platform_claims::release(&mut conn, self.destination, self.token).await?)
        });
        if let Err(error) = given.await {
            tracing::debug!(error = chain(&error), "claim not given back: it runs out");
        }
        self.ctx.wake.platforms();
    }

    /// The stream of its destination.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Its destination.
    pub fn destination(&self) -> DestinationId {
        self.destination
    }
}

fn until(ctx: &Ctx) -> i64 {
    let lasts = ctx.options.platforms.claim.as_millis();
    ctx.now_ms() + i64::try_from(lasts).unwrap_or(i64::MAX / 2)
}
