//! Builds the worker and runs it until the shutdown.

use std::{sync::Arc, time::Duration};

use bus::Bus;
use domain::ids::WorkerId;
use lease::Leases;
use media::rtmp::{publisher, tls::Trust};
use secret::ExposeSecret;
use service_kit::{CancellationToken, HttpLimits, Readiness, ReadyFile, Shutdown, TaskTracker, ops_router, serve_http};
use tokio::{net::TcpListener, time::timeout};

use super::{
    advert,
    clients::Clients,
    context::Context,
    control, leases, puller,
    registry::{Registry, Word},
    reporter::Reporter,
};
use crate::{
    config::Config,
    encoder::binary::{self, ProbeError},
    load::Load,
    pulse::{Pulse, now_ms},
    session::state::{Rules, StopReason},
    sink::outbox,
    source::feed,
};

/// The sink half flushes after each of FFmpeg's bursts; longer than their distance, so that the first tag of a burst is
/// not written alone.
const COALESCE: Duration = Duration::from_millis(250);
/// Nor is one written in pieces: a burst at 20 Mbit/s is 200 KB.
const COALESCE_BYTES: usize = 256 << 10;
/// The platform gets no time to say goodbye beyond this: a stop must show at once.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why the worker can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured FFmpeg will not do.
    #[error("no usable FFmpeg")]
    Ffmpeg(#[from] ProbeError),
    /// NATS.
    #[error("the bus can't be used")]
    Bus(#[from] bus::Error),
    /// Redis.
    #[error("leases can't be used")]
    Lease(#[from] lease::Error),
    /// A secret that everybody can read.
    #[error("a secret is not fit for production")]
    Sample(#[from] service_kit::SampleSecret),
    /// A gRPC address.
    #[error("ORCHESTRATOR_URL or CREDENTIALS_URL")]
    Url(#[from] service_kit::grpc::InvalidUrl),
    /// Certificates.
    #[error("trusted certificates can't be loaded")]
    Trust(#[from] media::rtmp::tls::TrustError),
    /// A listener or the ready file.
    #[error("can't listen")]
    Listen(#[from] std::io::Error),
}

/// A worker, ready to run.
pub struct Worker {
    context: Arc<Context>,
    outgoing: super::reporter::Outgoing,
    listener: TcpListener,
    capacity: u32,
    config: Config,
}

impl Worker {
    /// Connects to everything and binds the listener. What is not there yet is waited for in the background.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn build(config: Config) -> Result<Self, Error> {
        let worker = config.worker_id();
        let ffmpeg = binary::probe(&config.ffmpeg_path).await?;
        tracing::info!(%worker, ffmpeg = ffmpeg.binary.text, path = %ffmpeg.path.display(), "encoder-worker");
        let bus = Bus::connect(config.nats_url.expose_secret(), &format!("encoder-worker {worker}")).await?;
        if let Err(error) = bus.ensure_streams(1).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "streams are set up in the background");
        }
        let (reporter, outgoing) = Reporter::new(bus.clone());
        let leases = Leases::connect(config.redis_url.expose_secret(), config.lease_ttl()).await?;
        let publish = publish_options(&config)?;
        let context = Context {
            clients: clients(&config, worker.clone())?,
            directory: leases.directory(),
            pulse: Arc::new(Pulse::new(now_ms())),
            registry: Registry::default(),
            ffmpeg_threads: config.ffmpeg_threads,
            ffmpeg_memory: config.ffmpeg_memory_mb << 20,
            policy: config.target_policy(),
            feed: feed::Limits::default(),
            outbox: outbox::Limits::default(),
            rules: Rules::default(),
            chance,
            worker,
            bus,
            leases,
            reporter,
            ffmpeg,
            publish,
        };
        let listener = TcpListener::bind(config.common.http_listen).await?;
        Ok(Self { context: Arc::new(context), outgoing, listener, capacity: config.capacity(), config })
    }

    /// Runs until the shutdown, then hands its sessions back.
    ///
    /// # Errors
    /// The ready file can't be written, or NATS is too old.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self { context, outgoing, listener, capacity, config } = self;
        let readiness = Readiness::until(&shutdown);
        readiness.set("nats", context.bus.connected());
        let bound = listener.local_addr()?;
        let app = ops_router(readiness.clone());
        shutdown.tasks.spawn(serve_http(listener, app, HttpLimits::default(), shutdown.clone()));
        // These outlive the soft stage: sessions on their way out still need leases and reports.
        let late = CancellationToken::new();
        let load = Arc::new(Load::default());
        let tasks = &shutdown.tasks;
        tasks.spawn(leases::beat(context.pulse.clone(), late.clone()));
        tasks.spawn(leases::keep(context.clone(), readiness.clone(), late.clone()));
        tasks.spawn(control::listen(context.clone(), late.clone()));
        tasks.spawn(advert::run(context.clone(), capacity, load.clone(), readiness, shutdown.soft.clone()));
        let reports = tokio::spawn(outgoing.run());
        ReadyFile::new().http(bound).publish(&config.common)?;
        let sessions = TaskTracker::new();
        let pulled = puller::run(context.clone(), capacity, load, sessions.clone(), shutdown.soft.clone()).await;
        drain(&context, &sessions, &shutdown).await;
        late.cancel();
        reports.abort();
        shutdown.trigger();
        shutdown.drained().await;
        Ok(pulled?)
    }
}

/// Hands every session back: stops sending, closes the publish, frees the lease, reports it released.
async fn drain(context: &Context, sessions: &TaskTracker, shutdown: &Shutdown) {
    sessions.close();
    tracing::info!(sessions = context.registry.len(), "handing sessions back");
    // Claims under way may still add one: told again until all are gone.
    let empty = async {
        while !sessions.is_empty() {
            context.registry.tell_all(Word::Stop(StopReason::Drain));
            let _ = timeout(Duration::from_millis(100), sessions.wait()).await;
        }
    };
    tokio::select! {
        () = empty => {}
        () = shutdown.hard.cancelled() => tracing::warn!("sessions left behind"),
    }
    context.reporter.flush().await;
}

/// The one source of chance in this process.
#[allow(clippy::disallowed_methods, reason = "the edge where chance comes in")]
fn chance() -> f64 {
    rand::random()
}

fn clients(config: &Config, worker: WorkerId) -> Result<Clients, Error> {
    config.common.refuse_samples(&[])?;
    let (orchestrator, credentials) = (&config.orchestrator_url, &config.credentials_url);
    Ok(Clients::new(worker, config.target_policy(), orchestrator, credentials, &config.common.internal_token)?)
}

fn publish_options(config: &Config) -> Result<publisher::Options, Error> {
    let trust = Trust::system(config.rtmps_ca_file.as_deref())?;
    let defaults = publisher::Options::new(trust);
    Ok(publisher::Options { coalesce: COALESCE, coalesce_bytes: COALESCE_BYTES, close_timeout: GOODBYE, ..defaults })
}
