//! The gRPC server, with the same bounds everywhere.

use std::{io, time::Duration};

use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tonic::transport::server::TcpIncoming;
use tower::layer::util::{Identity, Stack};

use super::{TraceLayer, trace_layer::running};
use crate::Shutdown;

/// The bound of a call whose client named no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_CONCURRENT_STREAMS: u32 = 1_024;
/// An answer needs this long to leave, and a call under way to arrive.
const LINGER: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;

/// A server builder with trace context, timeouts and keep-alive; add services to it.
pub type Server = tonic::transport::Server<Stack<TraceLayer, Identity>>;
/// A [`Server`] with services.
pub type Router = tonic::transport::server::Router<Stack<TraceLayer, Identity>>;

/// A new server; end it with [`serve`].
pub fn server() -> Server {
    tonic::transport::Server::builder()
        .timeout(DEFAULT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
        .layer(TraceLayer::new())
}

/// Serves until the soft shutdown, then lets running calls finish until the hard one. It does not wait for the other
/// side of an idle connection: a client that is stopped or unreachable never says goodbye.
///
/// # Errors
/// The listener fails.
pub async fn serve(router: Router, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = router.serve_with_incoming_shutdown(incoming, shutdown.soft.clone().cancelled_owned());
    tokio::select! {
        served = serving => served.map_err(io::Error::other),
        () = quiet(&shutdown) => Ok(()),
        () = shutdown.hard.cancelled() => Ok(()),
    }
}

/// Shutting down, and no call has run for [`LINGER`].
async fn quiet(shutdown: &Shutdown) {
    shutdown.soft.cancelled().await;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < LINGER {
        sleep(LOOK_EVERY).await;
        if running() > 0 {
            quiet_since = Instant::now();
        }
    }
}
