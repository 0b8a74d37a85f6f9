//! Linked accounts: signing in to YouTube, Twitch and Facebook, and their tokens.
//!
//! * `link`: the authorization page, the code's exchange, the account's name; `unlink`
//! * `tokens`: a token for the next minutes; `refresh`: one refresh per account and expiry across replicas
//! * `maintenance`: Twitch's hourly validation, Facebook's exchange days ahead, expired sign-ins
//!
//! Tokens are sealed in the vault, in the same transaction as the account's row. See docs/adr/0012-linked-accounts.md.

mod account;
mod cache;
mod endpoint;
mod error;
mod gates;
mod grant;
mod link;
mod maintenance;
mod pending;
mod profile;
mod provider;
mod refresh;
mod refused;
mod rows;
mod scopes;
mod tokens;
mod unlink;

use std::{sync::Arc, time::Duration};

use domain::{ids::TenantId, platform::Platform};
use secret::SecretString;
use service_kit::Clock;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{
    crypto::{Field, Place, Table},
    http::Http,
    platforms::{Failure, PlatformsConfig, name},
    quota::Quota,
    store::Store,
    vault::Vault,
};

pub use account::{Account, Status};
pub use error::Error;
pub use link::Begun;

use cache::Cache;
use gates::Gates;
use provider::Provider;

/// Platforms with a sign-in.
const PLATFORMS: [Platform; 3] = [Platform::Youtube, Platform::Twitch, Platform::Facebook];
/// Accounts of one tenant, on all platforms together.
const MAX_ACCOUNTS: i64 = 100;
/// How long Facebook's long-lived tokens live. Source: the access token guide.
const FACEBOOK_LIFE: Duration = Duration::from_secs(60 * 24 * 3_600);
/// Refreshes at a time, per platform: each holds a connection while the platform answers, at most
/// [`refresh::WHOLE`]. A platform that is silent takes no connection from another one's accounts.
const REFRESHES: usize = 2;
/// How long a connection of a refresh may take; nobody else waits for them, so they are not kept open.
const SIDE_ACQUIRE: Duration = Duration::from_secs(4);

/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    /// Connections that are held while a platform answers: never those that the vault needs.
    side: PgPool,
    vault: Vault,
    http: Http,
    clock: Arc<dyn Clock>,
    providers: Vec<Provider>,
    cloudflare: bool,
    require_state: bool,
    /// Of YouTube's project: finding out the channel's name costs a unit.
    quota: Quota,
    gates: Gates,
    cache: Cache,
    /// Refreshes go on when their caller gives up: a rotated token that is dropped is lost.
    tasks: TaskTracker,
}

impl Accounts {
    /// Accounts over their database, vault and platforms.
    pub fn new(store: Store, vault: Vault, http: Http, config: &PlatformsConfig, clock: Arc<dyn Clock>) -> Self {
        let connections = u32::try_from(REFRESHES * PLATFORMS.len()).unwrap_or(u32::MAX);
        let side = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(SIDE_ACQUIRE)
            .connect_lazy_with(store.pool().connect_options().as_ref().clone());
        let providers = PLATFORMS.iter().filter_map(|platform| Provider::new(config, *platform)).collect();
        let project = config.youtube_client_id.clone().unwrap_or_default();
        let quota = Quota::new(store.clone(), project, config.youtube_daily_quota, Arc::clone(&clock));
        Self(Arc::new(Inner {
            quota,
            store,
            side,
            vault,
            http,
            clock,
            providers,
            cloudflare: config.cloudflare_account_id.as_ref().is_some_and(|id| !id.is_empty())
                && config.cloudflare_api_token.is_some(),
            require_state: config.oauth_require_state,
            gates: Gates::new(REFRESHES),
            cache: Cache::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Whether this installation has credentials for a platform.
    pub fn configured(&self, platform: Platform) -> bool {
        match platform {
            Platform::RtmpCustom => true,
            Platform::Cloudflare => self.0.cloudflare,
            _ => self.0.provider(platform).is_ok(),
        }
    }

    /// A tenant's accounts, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, tenant: &TenantId, platform: Option<Platform>) -> Result<Vec<Account>, Error> {
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok(rows::list(&mut conn, tenant, platform, MAX_ACCOUNTS).await?)
        };
        self.0.store.bounded(work).await
    }

    /// A tenant's account. Another tenant's is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Account>, Error> {
        let work = async {
            let mut conn = self.0.store.pool().acquire().await?;
            Ok(rows::find(&mut conn, tenant, id).await?)
        };
        self.0.store.bounded(work).await
    }

    /// The tenant's only account of a platform, for a destination that names none.
    ///
    /// # Errors
    /// `account_not_linked`, `account_ambiguous`, or the database is away.
    pub async fn only(&self, tenant: &TenantId, platform: Platform) -> Result<Account, Failure> {
        let mut accounts = self.list(tenant, Some(platform)).await.map_err(Error::into_failure)?;
        match accounts.len() {
            1 => Ok(accounts.remove(0)),
            0 => {
                let message = format!("No {0} account is linked. Sign in to {0}, then start again.", name(platform));
                Err(Failure::permanent("account_not_linked", message))
            }
            _ => {
                let message =
                    format!("Several {} accounts are linked. Choose one for this destination.", name(platform));
                Err(Failure::permanent("account_ambiguous", message))
            }
        }
    }
}

impl Inner {
    fn provider(&self, platform: Platform) -> Result<&Provider, Error> {
        self.providers.iter().find(|provider| provider.platform == platform).ok_or(Error::NotConfigured(platform))
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Seals the tokens of an account: the refresh token only when there is a new one.
    async fn seal(
        &self,
        conn: &mut PgConnection,
        tenant: &TenantId,
        id: Uuid,
        pair: &grant::Grant,
    ) -> Result<(), Error> {
        self.vault.seal_in(conn, place(tenant, id, Field::AccessToken), &pair.access).await?;
        if let Some(refresh) = &pair.refresh {
            self.vault.seal_in(conn, place(tenant, id, Field::RefreshToken), refresh).await?;
        }
        Ok(())
    }

    async fn open(
        &self,
        conn: &mut PgConnection,
        tenant: &TenantId,
        id: Uuid,
        field: Field,
    ) -> Result<Option<SecretString>, Error> {
        Ok(self.vault.open_in(conn, &place(tenant, id, field)).await?)
    }

    /// When a token of this life ends.
    fn expires_ms(&self, platform: Platform, life: Option<Duration>) -> i64 {
        // Google and Twitch always say; an hour is the shorter of what they are known to grant. Facebook's long-lived
        // tokens live for sixty days whether it says so or not.
        let assumed = if platform == Platform::Facebook { FACEBOOK_LIFE } else { Duration::from_secs(3_600) };
        self.now_ms() + millis(life.filter(|life| !life.is_zero()).unwrap_or(assumed))
    }
}

fn place(tenant: &TenantId, id: Uuid, field: Field) -> Place {
    Place::new(tenant.clone(), Table::Account, id, field)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accounts({:?})", self.0.providers)
    }
}

#[cfg(test)]
mod tests;
