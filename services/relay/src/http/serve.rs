//! The listener of readers.
//!
//! Not the HTTP server of the other services, for the fence's sake: a cut reader whose socket is full is not polled
//! for its body, so its connection is ended from outside, and what the kernel still holds for it is thrown away. A
//! worker that wakes from a pause then finds at most its own receive buffer.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt;

use super::socket::{Slot, Socket};
use crate::{ingest::Relay, options::HttpBounds};

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn serve(relay: Arc<Relay>, listener: TcpListener, app: Router) {
    let bounds = relay.options.bounds.http.clone();
    let slots = Arc::new(Semaphore::new(bounds.max_connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = relay.shutdown.soft.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a reader");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (app, bounds, hard) = (app.clone(), bounds.clone(), relay.shutdown.hard.clone());
        relay.shutdown.tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, app, &bounds) => {}
                () = hard.cancelled() => {}
            }
            drop(slot);
        });
    }
}

async fn connection(stream: TcpStream, app: Router, bounds: &HttpBounds) {
    if let Err(error) = tune(&stream, bounds) {
        tracing::debug!(%error, "cannot tune a connection");
    }
    let reader = Slot::default();
    let socket = Socket::new(stream, Arc::clone(&reader));
    let for_requests = Arc::clone(&reader);
    let service = hyper::service::service_fn(move |request| answer(app.clone(), request, Arc::clone(&for_requests)));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read_timeout)
        .max_buf_size(bounds.max_buffer)
        // One answer per connection: the end of a body is the end of its connection, and a slot belongs to one reader.
        .keep_alive(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = poll_fn(|cx| {
        if reader.get().is_some_and(|cut| cut.poll(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(error = &error as &dyn std::error::Error, "reader's connection ended");
    }
}

async fn answer(app: Router, request: Request<Incoming>, reader: Slot) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(|_| Body::empty());
    request.extensions_mut().insert(reader);
    app.oneshot(request).await
}

fn tune(stream: &TcpStream, bounds: &HttpBounds) -> io::Result<()> {
    let ms = u32::try_from(bounds.stalled_write_timeout.as_millis()).unwrap_or(u32::MAX);
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_tcp_user_timeout(stream, ms)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    Ok(rustix::net::sockopt::set_socket_send_buffer_size(stream, bounds.send_buffer)?)
}
