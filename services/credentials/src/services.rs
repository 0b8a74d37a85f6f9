//! Both gRPC services, with everything behind them.

use std::sync::Arc;

use service_kit::{Clock, Shutdown, SystemClock};

use crate::{
    accounts::Accounts,
    api::{PlatformsService, VaultService},
    broadcasts::{self, Broadcasts, FromAccounts, Parts},
    http::{self, Http},
    owner::Orchestrator,
    platforms::{PlatformsConfig, assemble},
    store::Store,
    vault::Vault,
};

/// Ready to be served.
#[derive(Debug)]
pub struct Services {
    /// Secrets.
    pub vault: VaultService,
    /// Accounts, broadcasts and features.
    pub platforms: PlatformsService,
}

impl Services {
    /// Builds them and begins the loops behind them.
    ///
    /// # Errors
    /// No HTTP client can be built.
    pub fn begin(
        config: &PlatformsConfig,
        store: &Store,
        vault: Vault,
        orchestrator: Orchestrator,
        shutdown: &Shutdown,
    ) -> Result<Self, http::Unusable> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let http = Http::new(http::Options::default())?;
        let accounts = Accounts::new(store.clone(), vault.clone(), http.clone(), config, Arc::clone(&clock));
        let platforms = assemble(config, &http, store, &clock);
        tracing::info!(?platforms, "platforms that are set up");
        let cloudflare = config.cloudflare_api_token.clone();
        let broadcasts = Broadcasts::new(Parts {
            store: store.clone(),
            vault: vault.clone(),
            platforms: platforms.clone(),
            linked: Arc::new(FromAccounts { accounts: accounts.clone(), cloudflare }),
            clock,
            tasks: shutdown.tasks.clone(),
            options: broadcasts::Options::default(),
        });
        shutdown.tasks.spawn(accounts.clone().run(shutdown.clone()));
        shutdown.tasks.spawn(broadcasts.clone().run(shutdown.clone()));
        let vault = VaultService::new(vault, orchestrator, broadcasts.clone());
        Ok(Self { vault, platforms: PlatformsService::new(accounts, broadcasts, platforms) })
    }
}
