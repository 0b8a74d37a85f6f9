//! Tells the orchestrator about a source: at once, on a change, each second, and its end.
//!
//! The orchestrator may be away for as long as it likes: the stream goes on, the report is repeated.

use std::{sync::Arc, time::Duration};

use domain::ids::RelayId;
use service_kit::grpc::InternalChannel;
use tokio::{sync::oneshot, time::Instant};
use wire::v1::{self, ingest_client::IngestClient};

use crate::{
    options::Bounds,
    source::{EndReason, Source},
};

pub(crate) struct Reporter {
    pub(crate) client: IngestClient<InternalChannel>,
    pub(crate) relay: RelayId,
    pub(crate) http: String,
    pub(crate) source: Arc<Source>,
    pub(crate) bounds: Bounds,
    pub(crate) sequence: u64,
    pub(crate) reachable: bool,
}

impl Reporter {
    /// Runs until `ended` says why the source ended, then reports that.
    pub(crate) async fn run(mut self, mut ended: oneshot::Receiver<EndReason>) {
        let source = Arc::clone(&self.source);
        let reason = loop {
            tokio::select! {
                () = self.report(None) => {}
                reason = &mut ended => break reason,
            }
            let pause = tokio::time::sleep(self.bounds.report_every);
            tokio::select! {
                () = pause => {}
                () = source.news.notified() => {}
                reason = &mut ended => break reason,
            }
        };
        self.report_end(reason.unwrap_or(EndReason::Error)).await;
    }

    async fn report_end(&mut self, reason: EndReason) {
        let deadline = Instant::now() + self.bounds.last_report_wait;
        self.report(Some(reason)).await;
        while !self.reachable && Instant::now() < deadline {
            tokio::time::sleep(self.bounds.report_every.min(Duration::from_millis(500))).await;
            self.report(Some(reason)).await;
        }
    }

    async fn report(&mut self, end: Option<EndReason>) {
        self.sequence += 1;
        let message = self.message(end);
        let timeout_ms = self.bounds.call_timeout.as_millis() as u64;
        let call = self.client.report_source(service_kit::grpc::deadline(timeout_ms, message));
        match tokio::time::timeout(self.bounds.call_timeout, call).await {
            Ok(Ok(answer)) => {
                self.note_reachable(true, "");
                if answer.into_inner().superseded && end.is_none() {
                    tracing::warn!("a later publish of this stream won");
                    self.source.supersede();
                }
            }
            Ok(Err(status)) => self.note_reachable(false, status.message()),
            Err(_) => self.note_reachable(false, "timed out"),
        }
    }

    fn message(&self, end: Option<EndReason>) -> v1::ReportSourceRequest {
        let identity = self.source.identity();
        v1::ReportSourceRequest {
            relay_id: self.relay.to_string(),
            stream_id: identity.stream.to_string(),
            publish_id: identity.publish.to_string(),
            source_epoch: identity.source_epoch,
            sequence: self.sequence,
            connected: end.is_none(),
            info: Some(self.source.info().into()),
            relay_http: self.http.clone(),
            reason: end.map_or("", EndReason::as_str).to_owned(),
        }
    }

    /// Logs the edges, not each second of an outage.
    fn note_reachable(&mut self, reachable: bool, why: &str) {
        if self.reachable && !reachable {
            tracing::warn!(why, "cannot report to the orchestrator; the stream goes on");
        } else if !self.reachable && reachable {
            tracing::info!("reporting to the orchestrator again");
        }
        self.reachable = reachable;
    }
}
