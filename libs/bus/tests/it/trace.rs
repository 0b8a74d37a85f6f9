//! One trace from the publisher to the consumer.

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::prelude::*;

use crate::support::{run, soon, start};

fn trace_id(span: &tracing::Span) -> String {
    span.context().span().span_context().trace_id().to_string()
}

#[tokio::test]
async fn the_consumer_joins_the_publishers_trace() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing_subscriber::registry().with(layer).set_default();

    let (_nats, bus) = start().await;
    let publishing = tracing::info_span!("start");
    bus.publish_run(&run(1, 1)).instrument(publishing.clone()).await.unwrap();
    let mut puller = bus.run_commands().await.unwrap();
    let command = soon("the command", puller.next(1)).await.remove(0);
    let traceparent = command.traceparent.clone().unwrap();
    assert!(traceparent.contains(&trace_id(&publishing)), "{traceparent}");

    let working = tracing::info_span!("session");
    command.set_parent(&working);
    assert_eq!(trace_id(&working), trace_id(&publishing));
}

#[tokio::test]
async fn a_message_without_a_trace_starts_none() {
    let (_nats, bus) = start().await;
    bus.publish_run(&run(1, 1)).await.unwrap();
    let mut puller = bus.run_commands().await.unwrap();
    let command = soon("the command", puller.next(1)).await.remove(0);
    assert_eq!(command.traceparent, None);
    command.set_parent(&tracing::Span::current());
}
