//! A collector of traces: what an operator's would receive, kept in memory.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value,
};
use prost::Message;
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// One span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    /// Who sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// 32 hex digits.
    pub trace: String,
    /// Of the span above it, 16 hex digits; empty at the root.
    pub parent: String,
    /// All of it, names, attributes and events, as it was sent.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Span>>>);

/// A listening collector; dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    kept: Kept,
    addr: SocketAddr,
    serving: AbortHandle,
}

impl Collector {
    pub async fn start() -> anyhow::Result<Self> {
        let kept = Kept::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let server = Server::builder().add_service(TraceServiceServer::new(kept.clone()));
        let serving = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener))).abort_handle();
        Ok(Self { kept, addr, serving })
    }

    /// What goes into `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything so far.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.0.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let service = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let service = service.filter(|pair| pair.key == "service.name");
            let service = service.filter_map(|pair| pair.value.clone()?.value).find_map(|value| match value {
                any_value::Value::StringValue(text) => Some(text),
                _ => None,
            });
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                kept.push(Span {
                    service: service.clone().unwrap_or_default(),
                    name: span.name.clone(),
                    trace: hex(&span.trace_id),
                    parent: hex(&span.parent_span_id),
                    bytes: span.encode_to_vec(),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
