//! What every call to a platform has in common: a task of its own, a bound in time, a run to work on, a count.

use std::{sync::Arc, time::Duration};

use domain::{ids::TenantId, platform::Platform};
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument;
use uuid::Uuid;

use super::{Account, Core, book::RowBook, row::Row};
use crate::{
    http::Trouble,
    names,
    platforms::{Book, Failure, Lifecycle, Run},
};

/// A run, and its book by its own type.
pub(super) struct Prepared {
    pub(super) run: Run,
    pub(super) book: Arc<RowBook>,
}

impl Core {
    /// Runs `work` in a task that outlives its caller. `None` when as many run as may, or it broke.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        let task = async move {
            let done = work.await;
            drop(permit);
            done
        };
        self.parts.tasks.spawn(task.in_current_span()).await.ok()
    }

    pub(super) fn lifecycle(&self, platform: Platform) -> Result<Arc<dyn Lifecycle>, Failure> {
        self.parts.platforms.lifecycle(platform)
    }

    /// The account that is named; without a name the one that was used last, or else the tenant's only one. So a second
    /// account, linked later, changes nothing for the destinations that there are.
    pub(super) async fn account_for(
        &self,
        tenant: &TenantId,
        platform: Platform,
        named: Option<Uuid>,
        last: Option<Uuid>,
    ) -> Result<Account, Failure> {
        let linked = &self.parts.linked;
        match linked.account(tenant, platform, named.or(last)).await {
            Err(failure) if named.is_none() && last.is_some() && failure.code() == "account_not_linked" => {
                linked.account(tenant, platform, None).await
            }
            account => account,
        }
    }

    /// The account a row is with.
    pub(super) async fn account_of(&self, row: &Row) -> Result<Account, Failure> {
        let tenant = TenantId(row.tenant_id.clone());
        self.parts.linked.account(&tenant, row.platform()?, row.account_id).await
    }

    /// What a platform's code gets of a row.
    pub(super) fn run_of(&self, row: &Row, account: Account) -> Result<Prepared, Failure> {
        let platform = row.platform()?;
        let book = Arc::new(RowBook::of(&self.parts, row, platform));
        let reference = row.reference();
        let run = Run {
            tenant: TenantId(row.tenant_id.clone()),
            destination: reference.destination,
            run_ms: reference.run_ms,
            take: reference.take,
            stream_title: row.title.clone(),
            settings: row.settings()?,
            publishing_ms: row.publishing_ms,
            account: account.info,
            tokens: account.tokens,
            book: Arc::clone(&book) as Arc<dyn Book>,
        };
        Ok(Prepared { run, book })
    }
}

/// Within a bound; beyond it nobody knows what the platform has done.
pub(super) async fn bounded<T>(
    bound: Duration,
    platform: Platform,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(bound, work).await.unwrap_or_else(|_| Err(Failure::trouble(platform, Trouble::Unknown)))
}

/// Counts a call by its outcome: `ok` or the failure's code.
pub(super) fn count(platform: Platform, call: &'static str, failure: Option<&Failure>) {
    let outcome = failure.map_or("ok", Failure::code).to_owned();
    metrics::counter!(names::PLATFORM_CALLS, "platform" => platform.as_str(), "call" => call, "outcome" => outcome)
        .increment(1);
}
