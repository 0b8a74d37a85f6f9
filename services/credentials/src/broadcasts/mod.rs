//! One row per destination that is, or was last, live on a platform with an API. The row outlives every process: whoever
//! finds a call cut short goes on from what the row says.
//!
//! * Two calls for one destination never run at the same time: `lock` holds across replicas, and every write names the
//!   version it has read, so that somebody who lost the lock without noticing can't write either.
//! * A call runs in a task of its own: a caller that goes away does not cut a write in half. The next one finds it busy or
//!   done.
//! * What is known is a row too: `observe` answers from it, `poller` and `look` keep it fresh.
//! * A broadcast that nobody observes any more is not ended here: the orchestrator decides what is to run. Only those of
//!   deleted destinations are ended without it (`forget`). See docs/adr/0011-one-call-at-a-time-per-broadcast.md.

mod book;
mod call;
mod decide;
mod feature;
mod finish;
mod forget;
mod known;
mod linked;
mod lock;
mod look;
mod observe;
mod poller;
mod prepare;
mod row;
mod rows;
#[cfg(test)]
mod tests;
mod thumbnails;

use std::{fmt, sync::Arc, time::Duration};

use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
};
use service_kit::{Clock, TaskTracker};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::{
    platforms::{Failure, Platforms},
    store::{self, Store},
    vault::{self, Vault},
};

pub use feature::On;
pub use known::Known;
pub use linked::{Account, FromAccounts, Linked};
pub use observe::{Observed, Seen};
pub use row::Phase;
pub(crate) use thumbnails::check as check_thumbnail;

use lock::Locks;

/// The bounds of all work with platforms.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Preparations and ends at a time; each holds one connection of a pool of its own.
    pub calls: usize,
    /// Looks at a time, each at the broadcasts of one account; each holds one connection of that pool.
    pub looks: usize,
    /// Other questions and changes at a time.
    pub features: usize,
    /// A preparation or an end, all its requests together.
    pub call: Duration,
    /// A look, all its requests together.
    pub look: Duration,
    /// Any other question or change, all its requests together.
    pub feature: Duration,
    /// How long a call waits for another one on the same destination before it is busy.
    pub patience: Duration,
    /// How often due broadcasts are looked for.
    pub every: Duration,
    /// When the look at a claimed broadcast is due again if its claimer says nothing more.
    pub claim: Duration,
    /// A broadcast that is due for so long is looked at by another replica than last time.
    pub handover: Duration,
    /// Broadcasts due so soon are looked at along with others of their account.
    pub along: Duration,
    /// Broadcasts per look.
    pub batch: usize,
    /// What nobody has asked about for so long is not looked at.
    pub unobserved: Duration,
    /// A deleted destination's broadcast that nobody has touched for so long is ended by us.
    pub forgotten: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls: 16,
            looks: 8,
            features: 8,
            call: Duration::from_secs(15),
            look: Duration::from_secs(8),
            feature: Duration::from_secs(12),
            patience: Duration::from_millis(250),
            every: Duration::from_millis(200),
            claim: Duration::from_secs(10),
            handover: Duration::from_millis(1_500),
            along: Duration::from_millis(500),
            batch: 50,
            unobserved: Duration::from_mins(10),
            forgotten: Duration::from_secs(30),
        }
    }
}

/// A destination in one run of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Which.
    pub destination: DestinationId,
    /// When the run began, ms since 1970.
    pub run_ms: i64,
    /// Grows when the same run needs another broadcast.
    pub take: u32,
}

/// What is to be prepared.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub reference: Reference,
    /// Where.
    pub platform: Platform,
    /// By which account; the tenant's only one when not given.
    pub account: Option<Uuid>,
    /// The stream's title.
    pub stream_title: String,
    /// The destination's wishes.
    pub settings: PlatformSettings,
}

/// What a preparation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The platform takes the stream.
    Ready {
        /// The account that was used, for platforms that have one.
        account: Option<Uuid>,
        /// Where people watch; empty while unknown.
        playback_url: String,
        /// Sentences for people.
        notes: Vec<String>,
    },
    /// It could not be done.
    Failed(Failure),
    /// Another call for this destination runs.
    Busy,
}

/// What an end came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is over on the platform, or never was.
    Done,
    /// It could not be ended.
    Failed(Failure),
    /// Another call for this destination runs.
    Busy,
}

/// Where a prepared broadcast takes the stream. The key is in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `rtmp(s)://host[:port]/app`.
    pub rtmp_url: String,
    /// Other ingests that take the same key.
    pub backup_urls: Vec<String>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the broadcasts' database failed")]
    Store(#[from] store::Error),
    /// The vault.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// Another tenant's.
    #[error("no such broadcast")]
    NotFound,
    /// A platform, or what leads to it.
    #[error("the platform did not do it: {}", .0.code())]
    Failed(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What broadcasts are made with.
pub struct Parts {
    /// Rows.
    pub store: Store,
    /// Stream keys.
    pub vault: Vault,
    /// Who is set up.
    pub platforms: Platforms,
    /// Accounts and their tokens.
    pub linked: Arc<dyn Linked>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where calls under way live.
    pub tasks: TaskTracker,
    /// The bounds.
    pub options: Options,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Broadcasts(Arc<Core>);

struct Core {
    parts: Parts,
    /// Us, among all that look at broadcasts.
    replica: Uuid,
    locks: Locks,
    calls: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    features: Arc<Semaphore>,
    /// Something became due.
    wake: Notify,
}

impl fmt::Debug for Broadcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcasts").field("options", &self.0.parts.options).finish_non_exhaustive()
    }
}

impl Broadcasts {
    /// Nothing is connected or called before it is needed.
    pub fn new(parts: Parts) -> Self {
        let Options { calls, looks, features, patience, .. } = parts.options;
        let locks = Locks::new(&parts.store, calls + looks + features, patience);
        let permits = |count| Arc::new(Semaphore::new(count));
        let (calls, looks, features) = (permits(calls), permits(looks), permits(features));
        Self(Arc::new(Core { parts, replica: Uuid::new_v4(), locks, calls, looks, features, wake: Notify::new() }))
    }

    /// Where a destination's stream goes, if its broadcast is ready.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn target(&self, tenant: &TenantId, destination: DestinationId) -> Result<Option<Place>, Error> {
        let row = self.0.row(tenant, destination).await?.filter(|row| row.phase == Phase::Ready);
        Ok(row.map(|row| Place { rtmp_url: row.rtmp_url, backup_urls: row.backup_urls.0 }))
    }
}

impl Core {
    fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// A tenant's row of a destination. Another tenant's is none.
    async fn row(&self, tenant: &TenantId, destination: DestinationId) -> Result<Option<row::Row>, store::Error> {
        let row = self.any_row(destination).await?;
        Ok(row.filter(|row| row.tenant_id == tenant.as_str()))
    }

    async fn any_row(&self, destination: DestinationId) -> Result<Option<row::Row>, store::Error> {
        let store = &self.parts.store;
        store
            .bounded(async {
                let mut conn = store.pool().acquire().await?;
                rows::find(&mut conn, destination).await
            })
            .await
    }
}
