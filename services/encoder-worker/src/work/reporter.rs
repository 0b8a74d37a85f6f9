//! Reports on their way to the orchestrator: in order, repeated until stored, never in a session's way.

use std::time::Duration;

use bus::Bus;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::Instrument;
use wire::v1::SessionReport;

use crate::metric;

/// Reports waiting while NATS is away. A session reports a few times a minute at most.
const MAX_WAITING: usize = 4_096;
/// Between two attempts to store one.
const RETRY: Duration = Duration::from_millis(500);
/// How long a shutdown waits for what is still here.
const FLUSH: Duration = Duration::from_secs(3);

enum Item {
    Report(Box<SessionReport>, tracing::Span),
    Flush(oneshot::Sender<()>),
}

/// Takes reports. Clones share the queue.
#[derive(Clone)]
pub struct Reporter(mpsc::Sender<Item>);

/// The other end; run it.
pub struct Outgoing {
    bus: Bus,
    queue: mpsc::Receiver<Item>,
}

impl Reporter {
    /// A queue and its other end.
    pub fn new(bus: Bus) -> (Self, Outgoing) {
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        (Self(sender), Outgoing { bus, queue })
    }

    /// Queues a report. One that doesn't fit is counted and lost; what counts is reported again every few seconds.
    pub fn send(&self, report: SessionReport) {
        if self.0.try_send(Item::Report(Box::new(report), tracing::Span::current())).is_err() {
            metrics::counter!(metric::REPORTS_DROPPED).increment(1);
        }
    }

    /// Waits until everything queued so far is stored, for a few seconds at most.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        let flushed = async {
            if self.0.send(Item::Flush(done)).await.is_ok() {
                let _ = stored.await;
            }
        };
        if timeout(FLUSH, flushed).await.is_err() {
            tracing::warn!("reports left behind: NATS takes none");
        }
    }
}

impl Outgoing {
    /// Stores reports until every [`Reporter`] is gone.
    pub async fn run(mut self) {
        while let Some(item) = self.queue.recv().await {
            match item {
                Item::Report(report, span) => self.store(&report).instrument(span).await,
                Item::Flush(done) => drop(done.send(())),
            }
        }
    }

    async fn store(&self, report: &SessionReport) {
        let mut warned = false;
        while let Err(error) = self.bus.publish_report(report).await {
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(error = &error as &dyn std::error::Error, "report not stored yet");
            }
            sleep(RETRY).await;
        }
    }
}
