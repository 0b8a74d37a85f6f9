//! YouTube's daily units, counted in Postgres for all replicas.
//!
//! Units are taken before the call is made. Looking stops while a fifth is left, so that a broadcast can begin and end
//! also on a day on which too much was looked at.

mod pacific;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use service_kit::Clock;
use time::OffsetDateTime;

use crate::{
    platforms::{Budget, Failure, Purpose},
    store::{self, Store},
};

/// Percent of the day's units that only going live may use.
const RESERVE_PERCENT: i64 = 20;

/// The allowance of one Google Cloud project. Clones share the counter.
#[derive(Clone)]
pub struct Quota {
    store: Store,
    project: String,
    daily: i64,
    clock: Arc<dyn Clock>,
}

impl Quota {
    /// `project` is the OAuth client's id; `daily` what Google grants it.
    pub fn new(store: Store, project: String, daily: i64, clock: Arc<dyn Clock>) -> Self {
        Self { store, project, daily, clock }
    }

    async fn take(&self, units: u32, limit: i64) -> Result<bool, store::Error> {
        if i64::from(units) > limit {
            return Ok(false);
        }
        let sql = "INSERT INTO credentials.quota AS q (project, day, used) VALUES ($1, $2, $3) \
                   ON CONFLICT (project, day) DO UPDATE SET used = q.used + excluded.used \
                   WHERE NOT q.exhausted AND q.used + excluded.used <= $4 RETURNING used";
        let query = sqlx::query_scalar::<_, i64>(sql)
            .bind(&self.project)
            .bind(pacific::day(self.clock.now()))
            .bind(i64::from(units))
            .bind(limit);
        let work = async { Ok::<_, store::Error>(query.fetch_optional(self.store.pool()).await?) };
        Ok(self.store.bounded(work).await?.is_some())
    }

    async fn mark(&self) -> Result<(), store::Error> {
        let sql = "INSERT INTO credentials.quota (project, day, exhausted) VALUES ($1, $2, true) \
                   ON CONFLICT (project, day) DO UPDATE SET exhausted = true";
        let query = sqlx::query(sql).bind(&self.project).bind(pacific::day(self.clock.now()));
        let work = async { Ok::<_, store::Error>(query.execute(self.store.pool()).await?) };
        self.store.bounded(work).await.map(|_| ())
    }
}

#[tonic::async_trait]
impl Budget for Quota {
    async fn spend(&self, units: u32, purpose: Purpose) -> Result<(), Failure> {
        match self.take(units, limit(self.daily, purpose)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(used_up(self.clock.now(), purpose)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the quota can't be counted");
                Err(Failure::ours())
            }
        }
    }

    async fn exhausted(&self) {
        if let Err(error) = self.mark().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the used-up quota can't be noted");
        }
    }
}

/// How far `purpose` may go.
pub(crate) fn limit(daily: i64, purpose: Purpose) -> i64 {
    match purpose {
        Purpose::GoLive => daily,
        Purpose::Look => daily - daily * RESERVE_PERCENT / 100,
    }
}

/// Nothing is left for `purpose` until the next midnight in Los Angeles.
pub(crate) fn used_up(now: OffsetDateTime, purpose: Purpose) -> Failure {
    let wait = pacific::until_midnight(now);
    let reset = now + wait;
    let at = format!("{} {:02}:{:02} UTC", reset.date(), reset.hour(), reset.minute());
    let message = match purpose {
        Purpose::GoLive => format!(
            "YouTube's daily allowance of calls is used up until {at}. Until then YouTube can't be asked or told anything."
        ),
        Purpose::Look => format!(
            "YouTube's daily allowance of calls is nearly used up; what is left is kept for starts and stops. Less is \
             known of the broadcast until {at}."
        ),
    };
    Failure::transient("platform_quota_exceeded", message).after(Some(wait))
}
