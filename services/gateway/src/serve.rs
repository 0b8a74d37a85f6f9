//! Puts a gateway together from its configuration and runs it.

use std::{sync::Arc, time::Duration};

use secret::ExposeSecret;
use service_kit::{Clock, HttpLimits, Readiness, ReadyFile, Shutdown, SystemClock, grpc::InvalidUrl};
use tokio::net::TcpListener;

use crate::{
    app::{App, Parts},
    auth::Authenticator,
    config::{self, Config},
    event_slots::EventSlots,
    input::start::OwnIngest,
    platforms::Directory,
    rate::RateLimits,
    router::router,
    upstream::{Budget, Upstream},
};

/// How often callers that went quiet are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(30);
/// How often the orchestrator is looked for before the gateway is ready.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// Why the gateway does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration is not valid")]
    Config(#[from] config::Error),
    /// A gRPC URL.
    #[error("ORCHESTRATOR_URL and CREDENTIALS_URL must be http://host:port")]
    Upstream(#[from] InvalidUrl),
    /// The bus.
    #[error("the event bus can't be used")]
    Bus(#[from] bus::Error),
    /// The listener or the ready file.
    #[error("listening failed")]
    Listen(#[from] std::io::Error),
}

/// Runs until the shutdown has drained.
///
/// # Errors
/// [`Error`]: only before the first request is taken.
pub async fn run(config: &Config, shutdown: Shutdown) -> Result<(), Error> {
    let (app, origins) = (assemble(config, shutdown.clone()).await?, config.origins()?);
    let readiness = Readiness::until(&shutdown);
    readiness.set("orchestrator", false);
    shutdown.tasks.spawn(find_orchestrator(app.clone(), readiness.clone()));
    shutdown.tasks.spawn(forget_the_quiet(app.clone()));
    let listener = TcpListener::bind(config.common.http_listen).await?;
    ReadyFile::new().http(listener.local_addr()?).publish(&config.common)?;
    serve(listener, app, &origins, readiness, config.http_limits(), shutdown.clone()).await?;
    shutdown.drained().await;
    Ok(())
}

/// Serves the public surface and the endpoints of the people who run it on one listener.
///
/// # Errors
/// The listener's address can't be read.
pub async fn serve(
    listener: TcpListener,
    app: App,
    origins: &[axum::http::HeaderValue],
    readiness: Readiness,
    limits: HttpLimits,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let routes = service_kit::ops_router(readiness).merge(router(app, origins));
    service_kit::serve_http(listener, routes, limits, shutdown).await
}

async fn assemble(config: &Config, shutdown: Shutdown) -> Result<App, Error> {
    let options = config.options()?;
    let (tenant, address) = config.rates();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(App::new(Parts {
        auth: Authenticator::new(config.keys()?, config.policy()),
        rates: RateLimits::new(tenant, address),
        event_slots: EventSlots::new(config.event_streams_per_tenant, config.event_streams_max),
        upstream: Upstream::new(&config.orchestrator_url, &config.credentials_url, &config.common.internal_token)?,
        platforms: Directory::default(),
        bus: bus::Bus::connect(config.nats_url.expose_secret(), "gateway").await?,
        clock,
        shutdown,
        own_ingest: OwnIngest::of(&options.public_ingest_url),
        options,
    }))
}

/// Ready once the orchestrator has answered, and then for good: while it is away, clients get a 503 with `Retry-After`
/// from us, which says more than a connection that a load balancer refuses.
async fn find_orchestrator(app: App, readiness: Readiness) {
    while !app.upstream.answers(Budget::of(app.options.upstream_timeout)).await {
        tokio::select! {
            () = tokio::time::sleep(PROBE_EVERY) => {}
            () = app.shutdown.soft.cancelled() => return,
        }
    }
    readiness.set("orchestrator", true);
}

async fn forget_the_quiet(app: App) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => app.rates.forget_the_quiet(),
            () = app.shutdown.soft.cancelled() => return,
        }
    }
}
