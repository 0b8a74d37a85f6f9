//! Builds the service from its configuration and runs it until the shutdown.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bus::Bus;
use lease::Leases;
use secret::ExposeSecret;
use service_kit::{
    HttpLimits, Readiness, ReadyFile, Shutdown, SystemClock,
    grpc::{self, require_internal},
    ops_router, serve_http,
    ticket::TicketKey,
};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, sleep},
};
use wire::v1::{
    ingest_server::IngestServer, platforms_client::PlatformsClient, sessions_server::SessionsServer,
    streams_server::StreamsServer, vault_client::VaultClient,
};

use crate::{
    api::Api, board, board::Board, config::Config, ctx::Ctx, db::Db, dispatch, error::chain, leader,
    leader::Leadership, liveness, options::Options, platforms, reconcile, reports, sweep, wake::Wake,
};

/// Between two attempts to migrate while Postgres is away.
const MIGRATE_AGAIN: Duration = Duration::from_millis(500);
/// How often readiness is looked at.
const CHECK: Duration = Duration::from_secs(1);

/// Runs until the shutdown is drained.
///
/// # Errors
/// A malformed configuration or a listener that can't be bound. What is away is waited for.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let readiness = Readiness::until(&shutdown);
    readiness.set("postgres", false);
    let http = TcpListener::bind(config.common.http_listen).await.context("cannot bind HTTP_LISTEN")?;
    let listener = TcpListener::bind(config.common.grpc_listen).await.context("cannot bind GRPC_LISTEN")?;
    let ready = ReadyFile::new().http(http.local_addr()?).grpc(listener.local_addr()?);
    let ops = serve_http(http, ops_router(readiness.clone()), HttpLimits::default(), shutdown.clone());
    shutdown.tasks.spawn(async move { ops.await.unwrap_or_else(|e| tracing::error!(error = chain(&e), "no HTTP")) });

    let ctx = connect(&config).await?;
    if !migrated(&ctx.db, &shutdown).await {
        return Ok(());
    }
    readiness.set("postgres", true);
    spawn(&ctx, &config, &readiness, &shutdown)?;
    ready.publish(&config.common).context("cannot write READY_FILE")?;

    serve(&ctx, &config, listener, shutdown.clone()).await?;
    shutdown.trigger();
    shutdown.drained().await;
    ctx.db.close().await;
    Ok(())
}

/// Answers gRPC until the shutdown.
///
/// # Errors
/// The listener fails.
pub async fn serve(ctx: &Ctx, config: &Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let (health, serving) = tonic_health::server::health_reporter();
    health.set_serving::<StreamsServer<Api>>().await;
    let api = Api::new(ctx.clone(), shutdown.soft.clone());
    let guard = require_internal(&config.common.internal_token);
    let router = grpc::server()
        .add_service(serving)
        .add_service(StreamsServer::with_interceptor(api.clone(), guard.clone()))
        .add_service(IngestServer::with_interceptor(api.clone(), guard.clone()))
        .add_service(SessionsServer::with_interceptor(api, guard));
    grpc::serve(router, listener, shutdown).await.context("gRPC failed")
}

/// Connects to everything, or begins to: only Postgres is waited for.
///
/// # Errors
/// A malformed configuration.
pub async fn connect(config: &Config) -> anyhow::Result<Ctx> {
    connect_with(config, Options::from_config(config)).await
}

/// The same with other bounds.
///
/// # Errors
/// A malformed configuration.
pub async fn connect_with(config: &Config, options: Options) -> anyhow::Result<Ctx> {
    let db = Db::new(&config.database_url, config.database_connections, options.database)
        .context("DATABASE_URL can't be read")?;
    let bus = Bus::connect(config.nats_url.expose_secret(), "orchestrator").await.context("NATS_URL")?;
    config.common.refuse_samples(&[("RELAY_TICKET_KEY", &config.relay_ticket_key)])?;
    let ttl = Duration::from_millis(config.lease_ttl_ms);
    let leases = Leases::connect(config.redis_url.expose_secret(), ttl).await.context("REDIS_URL")?;
    Ok(Ctx {
        db,
        bus,
        leases,
        credentials: PlatformsClient::new(credentials(config)?),
        clock: Arc::new(SystemClock),
        chance,
        options: Arc::new(options),
        wake: Wake::default(),
        tickets: TicketKey::new(&config.relay_ticket_key).context("RELAY_TICKET_KEY")?,
        board: Board::default(),
        leader: Leadership::default(),
    })
}

fn credentials(config: &Config) -> anyhow::Result<grpc::InternalChannel> {
    let channel = grpc::internal_channel(&config.credentials_url, &config.common.internal_token);
    channel.context("CREDENTIALS_URL can't be read")
}

/// The one source of chance in this process.
#[allow(clippy::disallowed_methods, reason = "the edge where chance comes in")]
fn chance() -> f64 {
    rand::random()
}

/// Waits for Postgres and migrates. Returns whether that was done before the shutdown.
async fn migrated(db: &Db, shutdown: &Shutdown) -> bool {
    loop {
        match db.migrate().await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(error = chain(&error), "cannot migrate yet"),
        }
        tokio::select! {
            () = shutdown.soft.cancelled() => return false,
            () = sleep(MIGRATE_AGAIN) => {}
        }
    }
}

/// The background work.
///
/// # Errors
/// `CREDENTIALS_URL` can't be read.
pub fn spawn(ctx: &Ctx, config: &Config, readiness: &Readiness, shutdown: &Shutdown) -> anyhow::Result<()> {
    let vault = VaultClient::new(credentials(config)?);
    let (tasks, replicas) = (&shutdown.tasks, config.nats_replicas);
    tasks.spawn(leader::run(ctx.db.clone(), ctx.leader.clone(), shutdown.clone()));
    tasks.spawn(reconcile::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(liveness::scan::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(liveness::audit::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(reports::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(board::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(platforms::drive::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(platforms::observe::run(ctx.clone(), shutdown.clone()));
    tasks.spawn(sweep::run(ctx.clone(), shutdown.clone()));
    for _ in 0..ctx.options.outbox_parallel {
        tasks.spawn(dispatch::events::run(ctx.clone(), shutdown.clone()));
    }
    tasks.spawn(dispatch::secrets::run(ctx.clone(), vault, shutdown.clone()));
    tasks.spawn(watch(ctx.clone(), replicas, readiness.clone(), shutdown.clone()));
    Ok(())
}

/// Sets up the bus's streams as soon as it is there, and keeps readiness up to date. Only Postgres decides it: without
/// the others calls are answered all the same.
async fn watch(ctx: Ctx, replicas: usize, readiness: Readiness, shutdown: Shutdown) {
    let mut tick = interval(CHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_set_up = false;
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            _ = tick.tick() => {}
        }
        readiness.set("postgres", ctx.db.ping().await);
        if !is_set_up && ctx.bus.connected() {
            match ctx.bus.ensure_streams(replicas).await {
                Ok(()) => is_set_up = true,
                Err(error) => tracing::warn!(error = chain(&error), "streams not set up yet"),
            }
        }
    }
}
