//! One span and one measurement per served call, joined to the caller's trace.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};

use crate::trace;

const UNIMPLEMENTED: &str = "12";

/// Calls being answered in this process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts one call as long as it lives.
struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many calls are being answered in this process.
pub(super) fn running() -> usize {
    RUNNING.load(Ordering::Relaxed)
}

/// Put it outermost on a server; [`super::server`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

impl TraceLayer {
    /// The layer.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceService<S>;

    fn layer(&self, inner: S) -> TraceService<S> {
        TraceService(inner)
    }
}

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct TraceService<S>(S);

impl<S, B, R> Service<Request<B>> for TraceService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = span(&method, request.headers());
        let running = Running::begin();
        let answer = self.0.call(request);
        let measured = async move {
            let _running = running;
            let begun = Instant::now();
            let answer = answer.await;
            let code = answer.as_ref().map_or("2", |response| code(response.headers())).to_owned();
            record(method, code, begun.elapsed());
            answer
        };
        Box::pin(measured.instrument(span))
    }
}

fn span(method: &str, headers: &HeaderMap) -> Span {
    let span =
        tracing::info_span!("grpc", otel.name = method, otel.kind = "server", rpc.method = method, trace_id = Empty);
    trace::set_parent_from(&span, headers);
    span
}

/// A refused call has its code in the header; an answered one is counted as 0.
fn code(headers: &HeaderMap) -> &str {
    headers.get("grpc-status").and_then(|value| value.to_str().ok()).unwrap_or("0")
}

fn record(method: String, code: String, took: Duration) {
    tracing::debug!(code, took_ms = took.as_millis() as u64, "served");
    // Whoever calls a method that doesn't exist must not be able to invent label values.
    let method = if code == UNIMPLEMENTED { "unknown".to_owned() } else { method };
    metrics::histogram!("grpc_server_seconds", "method" => method.clone()).record(took.as_secs_f64());
    metrics::counter!("grpc_server_calls_total", "method" => method, "code" => code).increment(1);
}
