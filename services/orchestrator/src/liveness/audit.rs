//! The slow comparison: a session that Postgres calls running, whose lease Redis has not known for a while although Redis
//! answers, has lost its owner together with Redis's memory. Done by the leader.

use std::{collections::BTreeMap, time::Duration};

use domain::ids::{Epoch, SessionId};
use service_kit::Shutdown;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::note;
use crate::{
    ctx::Ctx,
    error::{Error, chain},
    store::sessions,
};

/// Sessions asked for in one round trip.
const BATCH: usize = 500;

/// Compares until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut tick = interval(ctx.options.lease_audit);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing = Missing::default();
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            _ = tick.tick() => {}
        }
        if !ctx.leader.leads() || ctx.leases.ping().await.is_err() {
            missing.clear();
            continue;
        }
        if let Err(error) = look(&ctx, &mut missing).await {
            tracing::debug!(error = chain(&error), "no lease audit");
        }
    }
}

async fn look(ctx: &Ctx, missing: &mut Missing) -> Result<(), Error> {
    let patience = ctx.options.lease_missing;
    let claimed_before = ctx.now_ms() - i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
    let owned = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        Ok(sessions::owned(&mut conn, claimed_before).await?)
    });
    let mut without = Vec::new();
    for batch in owned.await?.chunks(BATCH) {
        let ids: Vec<SessionId> = batch.iter().map(|(id, _)| *id).collect();
        let Ok(owners) = ctx.leases.owners(&ids).await else {
            missing.clear();
            return Ok(());
        };
        let held = owners.into_iter().map(|owner| owner.map(|(_, epoch)| epoch));
        without.extend(batch.iter().zip(held).filter(|((_, epoch), held)| *held != Some(*epoch)).map(|(s, _)| *s));
    }
    let lost = missing.update(without, Instant::now(), patience);
    if lost.is_empty() { Ok(()) } else { note(ctx, &lost, "audit").await }
}

/// Since when each lease has been missing.
#[derive(Default)]
struct Missing(BTreeMap<(SessionId, Epoch), Instant>);

impl Missing {
    fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the leases missing now; returns those that have been for too long.
    fn update(
        &mut self,
        without: Vec<(SessionId, Epoch)>,
        now: Instant,
        patience: Duration,
    ) -> Vec<(SessionId, Epoch)> {
        let before = std::mem::take(&mut self.0);
        self.0 = without.into_iter().map(|s| (s, before.get(&s).copied().unwrap_or(now))).collect();
        self.0.iter().filter(|(_, since)| now - **since >= patience).map(|(s, _)| *s).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_what_is_missing_without_a_break_counts() {
        let (a, b) = ((SessionId(Uuid::from_u128(1)), Epoch(1)), (SessionId(Uuid::from_u128(2)), Epoch(1)));
        let (start, patience) = (Instant::now(), Duration::from_secs(6));
        let at = |s: u64| start + Duration::from_secs(s);
        let mut missing = Missing::default();
        assert!(missing.update(vec![a, b], at(0), patience).is_empty());
        assert!(missing.update(vec![a], at(5), patience).is_empty());
        assert_eq!(missing.update(vec![a, b], at(6), patience), [a]);
    }
}
