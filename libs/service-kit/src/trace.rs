//! Trace context across process borders, as W3C `traceparent` text.

use std::collections::HashMap;

use opentelemetry::{
    global,
    propagation::Extractor,
    trace::{TraceContextExt, TraceId},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that carries the trace context, on HTTP, gRPC and NATS alike.
pub const TRACEPARENT: &str = "traceparent";

/// The headers that carry the current span to another process; empty outside any span.
pub fn inject() -> Vec<(String, String)> {
    let mut carrier = HashMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The current span's `traceparent`.
pub fn traceparent() -> Option<String> {
    inject().into_iter().find(|(name, _)| name == TRACEPARENT).map(|(_, value)| value)
}

/// Makes `span` a child of the remote span. A malformed text changes nothing. Call it before the span is entered.
/// If the span has an empty field `trace_id` it is filled, so that a log line can be found by its trace.
pub fn set_parent(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    adopt(span, &carrier);
}

/// [`set_parent`] from request headers; also fills `trace_id` when the request brought no context.
pub fn set_parent_from(span: &Span, headers: &axum::http::HeaderMap) {
    adopt(span, &Headers(headers));
}

/// The id of the current trace, as 32 hex digits.
pub fn trace_id() -> Option<String> {
    id_of(&Span::current())
}

fn adopt(span: &Span, carrier: &dyn Extractor) {
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(carrier));
    if parent.span().span_context().is_valid() {
        // Fails only when no OpenTelemetry layer is installed: then there is no trace to join.
        let _ = span.set_parent(parent);
    }
    if let Some(id) = id_of(span) {
        span.record("trace_id", id);
    }
}

fn id_of(span: &Span) -> Option<String> {
    let context = span.context();
    let id = context.span().span_context().trace_id();
    (id != TraceId::INVALID).then(|| id.to_string())
}

struct Headers<'a>(&'a axum::http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|key| key.as_str()).collect()
    }
}
