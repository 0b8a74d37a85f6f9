//! Logs, traces and metrics of one process.
//!
//! * Logs go to standard output, one line each, as JSON or for eyes; a reader that stalls never stalls the service.
//! * Traces exist in every process, so that their ids cross HTTP, gRPC and NATS and stand in the logs; they leave it
//!   by OTLP when a collector is configured.
//! * Metrics are kept in the process and rendered by [`crate::ops_router`].

mod log_writer;

use std::{io::IsTerminal, time::Duration};

use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource, error::OTelSdkResult, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_VERSION};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{CommonConfig, LogFormat, prometheus};
use log_writer::LogWriter;

/// How often recorded histogram samples are folded into buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// The libraries below our own code. Their spans would trace the exporter's own calls, for ever.
const PLUMBING: [&str; 5] = ["h2", "hyper", "tonic", "tower", "opentelemetry"];

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is malformed.
    #[error("cannot read the log filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` is malformed.
    #[error("cannot build the trace exporter")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Another subscriber is in place.
    #[error("telemetry is already running in this process")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The log writer's thread can't be started.
    #[error("cannot start the log writer")]
    Writer(#[source] std::io::Error),
}

/// Keeps telemetry running; flush it with [`Telemetry::shutdown`] as the last line of `main`.
#[must_use = "telemetry is flushed by shutdown()"]
pub struct Telemetry {
    traces: SdkTracerProvider,
    logs: LogWriter,
    upkeep: tokio::task::JoinHandle<()>,
}

impl Telemetry {
    /// Starts logs, traces and metrics for the process. Call it once, inside a runtime.
    ///
    /// # Errors
    /// [`Error`], one variant per part that can be misconfigured.
    pub fn init(service: &'static str, config: &CommonConfig) -> Result<Self, Error> {
        let filter = EnvFilter::try_new(&config.log_filter)?;
        let traces = tracer_provider(service, config.otlp_endpoint())?;
        let logs = LogWriter::stdout().map_err(Error::Writer)?;
        let tracing = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer(service))
            .with_filter(filter_fn(|meta| !is_plumbing(meta.target())));
        tracing_subscriber::registry()
            .with(format(config.log_format, logs.clone()))
            .with(tracing)
            .with(filter)
            .try_init()?;
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(traces.clone());
        prometheus::install();
        Ok(Self { traces, logs, upkeep: tokio::spawn(upkeep()) })
    }

    /// Flushes what is pending; takes at most a few seconds, also with a dead collector.
    pub fn shutdown(self) {
        self.upkeep.abort();
        if let Err(error) = flush(&self.traces) {
            tracing::debug!(%error, "traces were not flushed");
        }
        self.logs.flush();
    }
}

fn flush(traces: &SdkTracerProvider) -> OTelSdkResult {
    traces.shutdown_with_timeout(Duration::from_secs(2))
}

fn tracer_provider(service: &'static str, endpoint: Option<&str>) -> Result<SdkTracerProvider, Error> {
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn format(format: LogFormat, writer: LogWriter) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
        LogFormat::Human => layer.with_ansi(std::io::stdout().is_terminal()).boxed(),
    }
}

fn is_plumbing(target: &str) -> bool {
    PLUMBING.iter().any(|name| target.starts_with(name))
}

async fn upkeep() {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tick.tick().await;
        prometheus::upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("memory").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log_format: LogFormat) -> String {
        let memory = Memory::default();
        let writer = LogWriter::to(memory.clone(), 100).expect("thread");
        let traces = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(format(log_format, writer.clone()))
            .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("test")));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("start", stream = "s1", trace_id = tracing::field::Empty);
            crate::trace::set_parent(&span, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            span.in_scope(|| tracing::info!(plan = "run=[D1 e7]", "planned"));
        });
        writer.flush();
        let bytes = memory.0.lock().expect("memory").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_line_tells_its_span_and_its_trace() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let json = logged(LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(json.trim_end()).expect("one JSON object");
        assert_eq!(line["message"], "planned");
        assert_eq!(line["plan"], "run=[D1 e7]");
        assert_eq!(line["spans"][0]["stream"], "s1");
        assert_eq!(line["spans"][0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        let human = logged(LogFormat::Human);
        assert!(human.contains("planned") && human.contains("0af7651916cd43dd8448eb211c80319c"), "{human}");
    }
}
