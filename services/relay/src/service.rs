//! Listeners, and everything that runs beside them.

use std::{net::SocketAddr, sync::Arc};

use lease::Directory;
use secret::ExposeSecret;
use service_kit::{HttpLimits, Readiness, ReadyFile, Shutdown, SystemClock};
use tokio::net::TcpListener;

use crate::{Options, directory, fence::Fence, http, hub::Hub, ingest, ingest::Relay, meters};

/// A relay whose listeners are bound.
pub struct Service {
    options: Options,
    directory: Directory,
    ops: TcpListener,
    rtmp: TcpListener,
    http: TcpListener,
    addresses: Addresses,
}

/// Where a relay listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Health and metrics.
    pub ops: SocketAddr,
    /// RTMP ingest.
    pub rtmp: SocketAddr,
    /// HTTP-FLV.
    pub http: SocketAddr,
}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener.
    #[error("cannot listen")]
    Listen(#[from] std::io::Error),
    /// The Redis address is none.
    #[error("directory")]
    Directory(#[from] lease::Error),
}

impl Service {
    /// Binds the listeners. Neither Redis nor the orchestrator has to be there.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(options: Options) -> Result<Self, StartError> {
        let ops = TcpListener::bind(options.ops_listen).await?;
        let rtmp = TcpListener::bind(options.rtmp_listen).await?;
        let http = TcpListener::bind(options.http_listen).await?;
        let addresses = Addresses { ops: ops.local_addr()?, rtmp: rtmp.local_addr()?, http: http.local_addr()? };
        let directory = Directory::connect(options.redis_url.expose_secret()).await?;
        Ok(Self { options, directory, ops, rtmp, http, addresses })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The same for whoever started this process.
    pub fn ready_file(&self) -> ReadyFile {
        let Addresses { ops, rtmp, http } = self.addresses;
        ReadyFile::new().http(ops).rtmp(rtmp).relay_http(http)
    }

    /// Serves until the soft shutdown. Publishers are then cut and readers aborted at once, since both can go on at
    /// another relay; the ends are reported within the grace. Everything runs in `shutdown.tasks`.
    pub async fn run(self, shutdown: Shutdown) {
        meters::describe();
        let Addresses { rtmp, http, .. } = self.addresses;
        let bounds = self.options.bounds.clone();
        let relay = Arc::new(Relay {
            http: self.options.http_advertise.clone().unwrap_or_else(|| format!("http://{http}")),
            rtmp: self.options.rtmp_advertise.clone().unwrap_or_else(|| format!("rtmp://{rtmp}/live")),
            hub: Hub::default(),
            fence: Fence::new(bounds.max_fenced_sessions, bounds.fence_memory),
            directory: self.directory,
            shutdown: shutdown.clone(),
            clock: Arc::new(SystemClock),
            options: self.options,
        });
        // Neither Redis nor the orchestrator counts: encoders must be able to connect as soon as they are back.
        let ops = service_kit::ops_router(Readiness::until(&shutdown));
        let flv = http::router(Arc::clone(&relay));
        let tasks = &shutdown.tasks;
        tasks.spawn(log(service_kit::serve_http(self.ops, ops, HttpLimits::default(), shutdown.clone())));
        tasks.spawn(http::serve(Arc::clone(&relay), self.http, flv));
        tasks.spawn(directory::announce_relay(Arc::clone(&relay)));
        ingest::listen(relay, self.rtmp).await;
    }
}

async fn log(serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "HTTP listener failed");
    }
}
