//! Puts the process together.

use std::{sync::Arc, time::Duration};

use service_kit::{Readiness, ReadyFile, Shutdown, grpc, ops_router, serve_http};
use tokio::{net::TcpListener, time::sleep};
use wire::v1::{platforms_server::PlatformsServer, vault_server::VaultServer};

use crate::{
    config::{self, Command, Config},
    heartbeat::{self, Heartbeat},
    http,
    owner::Orchestrator,
    rotate::{self, rotate},
    services::Services,
    store::{self, Store},
    unlock::{self, Cost, Passphrases, Unlocked, unlock},
    vault::Vault,
};

/// How often to look for Postgres at start.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Why the process ends. `Display` names what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The database, for good.
    #[error("cannot use the database")]
    Store(#[from] store::Error),
    /// The keys.
    #[error(transparent)]
    Unlock(#[from] unlock::Error),
    /// The rotation.
    #[error(transparent)]
    Rotate(#[from] rotate::Error),
    /// `ORCHESTRATOR_URL`.
    #[error("ORCHESTRATOR_URL is malformed")]
    Orchestrator(#[from] grpc::InvalidUrl),
    /// No TLS for the platforms.
    #[error("cannot reach platforms")]
    Http(#[from] http::Unusable),
    /// A listener or the ready file.
    #[error("cannot listen or say so")]
    Io(#[from] std::io::Error),
}

/// Does what the configuration says, until it is done or shut down.
///
/// # Errors
/// [`Error`]; a refusal to start comes before anything listens for callers.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), Error> {
    let passphrases = config.passphrases()?;
    let store = Store::new(&config.database_url, store::Options::default())?;
    match config.command {
        Some(Command::Rotate) => run_rotation(&config, &store, &passphrases).await,
        None => serve(config, store, passphrases, shutdown).await,
    }
}

async fn run_rotation(config: &Config, store: &Store, passphrases: &Passphrases) -> Result<(), Error> {
    let unlocked = attempt(config, store, passphrases).await?;
    let report = rotate(store, &unlocked, rotate::Options::default()).await?;
    tracing::info!(resealed = report.resealed, retired = report.retired, key = %unlocked.current, "rotation complete");
    store.close().await;
    Ok(())
}

async fn serve(config: Config, store: Store, passphrases: Passphrases, shutdown: Shutdown) -> Result<(), Error> {
    let url = config.orchestrator_url.as_deref().ok_or(config::Error::NoOrchestrator)?;
    let orchestrator = Orchestrator::new(grpc::internal_channel(url, &config.common.internal_token)?);
    let readiness = Readiness::until(&shutdown);
    readiness.set(heartbeat::CHECK, false);
    let http = TcpListener::bind(config.common.http_listen).await?;
    let bound = ReadyFile::new().http(http.local_addr()?);
    let ops = serve_http(http, ops_router(readiness.clone()), Default::default(), shutdown.clone());
    shutdown.tasks.spawn(ops);
    let Some(unlocked) = open(&config, &store, &passphrases, &shutdown).await? else { return Ok(()) };
    drop(passphrases);
    if unlocked.active != unlocked.current {
        tracing::warn!(active = %unlocked.active, new = %unlocked.current, "a rotation is due: run `credentials rotate`");
    }

    let keyring = Arc::new(unlocked.keyring);
    let (health, health_service) = tonic_health::server::health_reporter();
    let vault = Vault::new(store.clone(), Arc::clone(&keyring));
    let services = Services::begin(&config.platforms, &store, vault, orchestrator, &shutdown)?;
    let guard = grpc::require_internal(&config.common.internal_token);
    let router = grpc::server()
        .add_service(health_service)
        .add_service(VaultServer::with_interceptor(services.vault, guard.clone()))
        .add_service(PlatformsServer::with_interceptor(services.platforms, guard));
    let listener = TcpListener::bind(config.common.grpc_listen).await?;
    let bound = bound.grpc(listener.local_addr()?);
    shutdown.tasks.spawn(grpc::serve(router, listener, shutdown.clone()));
    let heartbeat = Heartbeat { store: store.clone(), keyring, readiness, health };
    shutdown.tasks.spawn(heartbeat.run(shutdown.clone()));
    bound.publish(&config.common)?;
    shutdown.drained().await;
    store.close().await;
    Ok(())
}

/// Waits for Postgres as long as it takes (`/readyz` says so), migrates and opens the vault. `None` when the shutdown
/// came first.
async fn open(
    config: &Config,
    store: &Store,
    passphrases: &Passphrases,
    shutdown: &Shutdown,
) -> Result<Option<Unlocked>, Error> {
    let opened = async {
        loop {
            match ready(config, store, passphrases).await {
                Err(Error::Store(error) | Error::Unlock(unlock::Error::Store(error))) if error.is_unavailable() => {
                    tracing::warn!(%error, "waiting for Postgres");
                    sleep(RETRY_EVERY).await;
                }
                outcome => return outcome,
            }
        }
    };
    tokio::select! {
        opened = opened => opened.map(Some),
        () = shutdown.soft.cancelled() => Ok(None),
    }
}

async fn ready(config: &Config, store: &Store, passphrases: &Passphrases) -> Result<Unlocked, Error> {
    let unlocked = attempt(config, store, passphrases).await?;
    store.warm().await?;
    Ok(unlocked)
}

async fn attempt(config: &Config, store: &Store, passphrases: &Passphrases) -> Result<Unlocked, Error> {
    store.migrate().await?;
    let cost = Cost { log_n: config.log_n(), least_log_n: config.least_log_n() };
    Ok(unlock(store, passphrases, cost).await?)
}
