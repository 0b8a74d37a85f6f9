//! What a session tells the orchestrator: numbered within its epoch.

use std::time::Duration;

use domain::session::Phase;
use service_kit::{Clock, SystemClock};
use wire::v1::{self, SessionReport};

use super::{spec::Spec, state::Report};
use crate::work::context::Context;

/// Numbers and sends the reports of one session.
pub struct Reports {
    sequence: u64,
}

impl Reports {
    /// None sent yet.
    pub fn new() -> Self {
        Self { sequence: 0 }
    }

    /// Sends one. `mode` is empty while unknown.
    pub fn send(&mut self, context: &Context, spec: &Spec, report: Report, mode: &str) {
        self.sequence += 1;
        let now = SystemClock.now_ms();
        let retry_at = report.retry_in.map_or(0, |wait| now + i64::try_from(wait.as_millis()).unwrap_or(0));
        tracing::info!(
            phase = %report.phase,
            fault = report.fault.as_ref().map(|fault| fault.code.as_str()),
            attempt = report.attempt,
            mode,
            "phase"
        );
        context.reporter.send(SessionReport {
            session_id: spec.session.to_string(),
            epoch: spec.epoch.0,
            sequence: self.sequence,
            worker_id: context.worker.to_string(),
            stream_id: spec.stream.to_string(),
            destination_id: spec.destination.map(|id| id.to_string()).unwrap_or_default(),
            phase: v1::Phase::from(report.phase).into(),
            fault: report.fault.map(Into::into),
            attempt: report.attempt,
            retry_at_ms: retry_at,
            mode: mode.to_owned(),
            reconnects: report.reconnects,
            at_ms: now,
            kind: v1::SessionKind::from(spec.kind).into(),
        });
    }

    /// Sends a plain change of phase.
    pub fn phase(&mut self, context: &Context, spec: &Spec, phase: Phase, reconnects: u32) {
        let report = Report { phase, fault: None, attempt: 0, retry_in: None::<Duration>, reconnects };
        self.send(context, spec, report, "");
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}
