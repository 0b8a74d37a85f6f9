//! One look at one stream: lock, plan, write, settle, commit; then speak.

use std::time::Duration;

use domain::{ids::StreamId, plan::plan};

use super::{carry_out::carry_out, effects};
use crate::{
    ctx::Ctx,
    error::Error,
    settle::settle,
    store::{destinations, epochs, streams},
    world::World,
};

/// An auto start or end changes the wish; what follows from it is planned in the same transaction.
const ROUNDS: usize = 3;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody else holds the stream.
    Busy,
    /// There is no such stream (any more).
    Gone,
    /// All was done that can be done now.
    Settled {
        /// When to look again, if something is awaited.
        again: Option<Duration>,
    },
}

impl Outcome {
    /// The label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Settled { .. } => "settled",
        }
    }
}

/// Looks at one stream. Idempotent; may be cut anywhere.
///
/// # Errors
/// [`Error::Database`], [`Error::DatabaseTimeout`], [`Error::Stored`].
pub async fn pass(ctx: &Ctx, id: StreamId) -> Result<Outcome, Error> {
    let Written { outcome, effects, changed } = ctx.db.bounded(write(ctx, id)).await?;
    if changed {
        ctx.wake.changed();
        ctx.wake.platforms();
    }
    effects::speak(ctx, effects).await;
    Ok(outcome)
}

struct Written {
    outcome: Outcome,
    effects: Vec<effects::Effect>,
    changed: bool,
}

impl Written {
    fn nothing(outcome: Outcome) -> Self {
        Self { outcome, effects: Vec::new(), changed: false }
    }
}

async fn write(ctx: &Ctx, id: StreamId) -> Result<Written, Error> {
    let mut tx = ctx.db.begin().await?;
    let Some(stream) = streams::lock_free(&mut tx, id).await? else {
        return Ok(Written::nothing(gone_or_busy(ctx, id).await?));
    };
    // After the lock: not before the wish that is read under it.
    let now_ms = ctx.now_ms();
    let mut world = World::load(&mut tx, stream).await?;
    let mut spoken = Vec::new();
    let mut again_ms = None;
    let mut changed = false;
    for _ in 0..ROUNDS {
        let plan = plan(&world.snapshot(epochs::next(&mut tx).await?)?, now_ms);
        again_ms = plan.wait.iter().map(|w| w.for_ms).min();
        if plan.is_idle() {
            break;
        }
        tracing::info!(stream = %id, %plan, "reconcile");
        changed = true;
        spoken.extend(carry_out(&mut tx, &world, &plan, now_ms).await?);
        world = reload(&mut tx, id).await?;
    }
    settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
    changed |= purge(&mut tx, &world).await?;
    tx.commit().await?;
    let again = again_ms.map(|ms| Duration::from_millis(ms.unsigned_abs()));
    Ok(Written { outcome: Outcome::Settled { again }, effects: spoken, changed })
}

async fn reload(tx: &mut crate::db::Tx, id: StreamId) -> Result<World, Error> {
    let stream = streams::lock_any(tx, id).await?.ok_or(Error::NotFound)?;
    World::load(tx, stream).await
}

async fn gone_or_busy(ctx: &Ctx, id: StreamId) -> Result<Outcome, Error> {
    let there: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM streams WHERE id = $1").bind(id.0).fetch_optional(ctx.db.pool()).await?;
    Ok(if there.is_some() { Outcome::Busy } else { Outcome::Gone })
}

/// Removes what was deleted, once nothing of it runs or is left to end at a platform.
async fn purge(tx: &mut crate::db::Tx, world: &World) -> Result<bool, Error> {
    let runs = world.sessions.iter().any(|s| s.phase().is_ok_and(|p| !p.is_over()));
    let open = world.destinations.iter().any(|d| d.broadcast.is_open());
    if world.stream.deleted_at_ms.is_some() && !runs && !open {
        streams::purge(tx, world.id()).await?;
        return Ok(true);
    }
    if world.destinations.iter().any(|d| d.deleted_at_ms.is_some()) {
        return Ok(destinations::purge(tx, world.id()).await? > 0);
    }
    Ok(false)
}
