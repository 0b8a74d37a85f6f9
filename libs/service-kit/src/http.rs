//! The HTTP server. `axum::serve` has no limit on connections and none on the time a client takes for its header or
//! body, so a few hundred slow sockets could hold a service; here each of them is bounded.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit},
    http::{Request, Response},
};
use hyper::body::{Body as _, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::Shutdown;

mod body;

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// From the moment a request may begin (also on an idle kept-alive connection) to the end of its header.
    pub header_read_timeout: Duration,
    /// From the end of the header to the end of the body.
    pub body_read_timeout: Duration,
    /// Bytes; a handler sees an error behind them (axum's extractors answer 413).
    pub max_body_bytes: usize,
    /// Bytes of one connection's read buffer, so roughly of request line and headers together (well beyond: 431).
    pub max_header_bytes: usize,
    /// Header lines (beyond: 431).
    pub max_headers: usize,
    /// Connections at a time; the next ones wait in the listen queue.
    pub max_connections: usize,
    /// A client that takes none of our bytes for so long is cut.
    pub stalled_write_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(10),
            max_body_bytes: 64 * 1024,
            max_header_bytes: 32 * 1024,
            max_headers: 100,
            max_connections: 4_096,
            stalled_write_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves HTTP/1.1 until the soft shutdown, then lets running requests finish until the hard one. Handlers get the
/// peer as `ConnectInfo<SocketAddr>`. Long answers (server-sent events, FLV) should end by themselves at the soft stage.
///
/// # Errors
/// The listener's address can't be read.
pub async fn serve_http(listener: TcpListener, app: Router, limits: HttpLimits, shutdown: Shutdown) -> io::Result<()> {
    let local = listener.local_addr()?;
    tracing::debug!(%local, ?limits, "serving HTTP");
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let server = Server { app: app.layer(DefaultBodyLimit::max(limits.max_body_bytes)), limits, shutdown };
    loop {
        let next = async { (Arc::clone(&slots).acquire_owned().await, listener.accept().await) };
        let (slot, accepted) = tokio::select! {
            () = server.shutdown.soft.cancelled() => return Ok(()),
            next = next => next,
        };
        match (slot, accepted) {
            (Ok(slot), Ok((stream, peer))) => {
                server.shutdown.tasks.spawn(server.clone().connection(stream, peer, slot));
            }
            (_, Err(error)) if is_of_one_client(&error) => {}
            (_, error) => {
                tracing::error!(?error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client went away before it was accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[derive(Clone)]
struct Server {
    app: Router,
    limits: HttpLimits,
    shutdown: Shutdown,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        self.tune(&stream);
        let (soft, hard) = (self.shutdown.soft.clone(), self.shutdown.hard.clone());
        let builder = self.builder();
        let service = hyper::service::service_fn(move |request| self.clone().answer(request, peer));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = soft.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = hard.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, error = %error, "HTTP connection ended");
        }
    }

    /// Unacknowledged or unsent bytes for longer than the limit end the connection (tcp(7), TCP_USER_TIMEOUT): the
    /// kernel watches what hyper can't, a peer that stops reading.
    fn tune(&self, stream: &TcpStream) {
        let ms = u32::try_from(self.limits.stalled_write_timeout.as_millis()).unwrap_or(u32::MAX);
        let tuned = stream
            .set_nodelay(true)
            .and_then(|()| Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, ms)?))
            .and_then(|()| Ok(rustix::net::sockopt::set_socket_keepalive(stream, true)?));
        if let Err(error) = tuned {
            tracing::debug!(%error, "cannot tune a connection");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        // HTTP/1.1 only: the header timeout doesn't cover the detection of HTTP/2, nor its header frames.
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_headers(self.limits.max_headers)
            .max_buf_size(self.limits.max_header_bytes.max(8 * 1024)); // hyper's least
        builder
    }

    async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Body>, Infallible> {
        let mut request = request.map(|body| self.bounded(body));
        request.extensions_mut().insert(ConnectInfo(peer));
        self.app.oneshot(request).await
    }

    fn bounded(&self, body: Incoming) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        body::bounded(body, self.limits.max_body_bytes, self.limits.body_read_timeout)
    }
}

#[cfg(test)]
mod tests;
