//! What services listen to. None of these streams ever ends; each heals itself.

use domain::ids::{DestinationId, StreamId, WorkerId};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use prost::Message;
use wire::v1::{ControlSession, SessionReport};

use crate::{
    connection::Bus,
    delivery::Delivery,
    event::{Event, StoredEvent},
    feed::{Feed, Kind, Spec, Start},
    meters,
    metric_sample::MetricSample,
    streams, subjects,
};

/// The queue of reports, shared by the orchestrator's replicas.
const REPORTS_QUEUE: &str = "orchestrators";

/// Whose metrics to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricFilter {
    /// Everybody's.
    All,
    /// Those of one stream's destinations.
    Stream(StreamId),
    /// One destination's.
    Destination(StreamId, DestinationId),
}

impl Bus {
    /// Reports of sessions: each to one of the orchestrator's replicas, until acknowledged.
    pub async fn reports(&self) -> BoxStream<'static, Delivery<SessionReport>> {
        let options = &self.inner.options;
        let (ack_wait, max_deliver) = (options.report_ack_wait, options.report_max_deliver);
        let kind = Kind::Queue { name: REPORTS_QUEUE, ack_wait, max_deliver };
        let feed = self.open(Spec { stream: streams::REPORTS, filter: subjects::REPORTS.to_owned(), kind }).await;
        let read = |bytes: &[u8]| SessionReport::decode(bytes).ok().filter(|report| !report.session_id.is_empty());
        stream::unfold(feed, move |mut feed| async move {
            loop {
                if let Some(delivery) = feed.next().await.open(read).await {
                    return Some((delivery, feed));
                }
            }
        })
        .boxed()
    }

    /// What is said to one worker from now on.
    pub async fn control(&self, worker: &WorkerId) -> BoxStream<'static, ControlSession> {
        let filter = subjects::control(worker);
        self.feed(streams::CONTROL, filter, Start::New, |_, bytes| ControlSession::decode(bytes).ok()).await
    }

    /// Metrics from now on.
    pub async fn metrics(&self, filter: MetricFilter) -> BoxStream<'static, MetricSample> {
        let filter = match filter {
            MetricFilter::All => subjects::METRICS.to_owned(),
            MetricFilter::Stream(stream) => subjects::metrics_of(stream),
            MetricFilter::Destination(stream, destination) => subjects::metric(stream, destination),
        };
        self.feed(streams::METRICS, filter, Start::New, |_, bytes| MetricSample::from_json(bytes).ok()).await
    }

    /// A stream's events: from now on, or those after `after` first (as far as they are kept; everything when `after`
    /// is from before the store was lost).
    pub async fn events(&self, stream: StreamId, after: Option<u64>) -> BoxStream<'static, StoredEvent> {
        self.stored_events(subjects::events_of(stream), after).await
    }

    /// The same for all streams.
    pub async fn all_events(&self, after: Option<u64>) -> BoxStream<'static, StoredEvent> {
        self.stored_events(subjects::EVENTS.to_owned(), after).await
    }

    async fn stored_events(&self, filter: String, after: Option<u64>) -> BoxStream<'static, StoredEvent> {
        let start = after.map_or(Start::New, Start::After);
        self.feed(streams::EVENTS, filter, start, |seq, bytes| {
            Event::from_json(bytes).ok().map(|event| StoredEvent { seq, event })
        })
        .await
    }

    async fn open(&self, spec: Spec) -> Feed {
        let mut feed = Feed::new(self.clone(), spec);
        feed.start().await;
        feed
    }

    async fn feed<T: Send + 'static>(
        &self,
        name: &'static str,
        filter: String,
        start: Start,
        read: fn(u64, &[u8]) -> Option<T>,
    ) -> BoxStream<'static, T> {
        let feed = self.open(Spec { stream: name, filter, kind: Kind::Feed(start) }).await;
        stream::unfold(feed, move |mut feed| async move {
            loop {
                let letter = feed.next().await;
                meters::received(name);
                let sequence = letter.raw.info().map_or(0, |info| info.stream_sequence);
                match read(sequence, &letter.raw.payload) {
                    Some(item) => return Some((item, feed)),
                    None => {
                        meters::unreadable(name);
                        tracing::debug!(stream = name, subject = %letter.raw.subject, "unreadable message left out");
                    }
                }
            }
        })
        .boxed()
    }
}
