//! The event feed of a stream as server-sent events: a snapshot, then what happens.
//!
//! * The first event is always `snapshot` (the answer of *Get stream status*), without an id.
//! * Then CloudEvents, named by their type. Stored ones carry their place in the feed as `id`; `metrics:update` comes
//!   each second per destination and carries none, because it is not kept.
//! * With `Last-Event-ID` the events after it come first, as far as they are kept (24 h). They may be older than the
//!   snapshot: compare `time`.
//! * A reader that takes nothing while its buffer is full is cut; it resumes with `Last-Event-ID`. The stream also ends
//!   with its token, and when the gateway shuts down.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Frame, KeepAlive, Sse},
    },
};
use bus::{Event, EventKind, MetricFilter, MetricSample, StoredEvent};
use domain::ids::{StreamId, TenantId};
use futures::{Stream, StreamExt, stream::BoxStream};
use time::OffsetDateTime;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::of_stream;
use crate::{
    app::App,
    codes,
    error::{ApiError, ErrorBody},
    event_slots::Slot,
    metric,
    request::Read,
    upstream::stream_ref,
    view::{Data, simulcast::Status},
};

/// The first event's name.
pub const SNAPSHOT: &str = "snapshot";

/// Follow a stream
///
/// Server-sent events: first `snapshot` (the answer of *Get stream status*), then CloudEvents named by their type:
/// `stream:started`, `destination:error`, `health:degraded`, `metrics:update`, … `Last-Event-ID` resumes.
#[utoipa::path(get, path = "/api/simulcast/{id}/events", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen")),
    responses((status = 200, description = "An endless feed", content_type = "text/event-stream", body = String),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn follow(State(app): State<App>, read: Read, headers: HeaderMap) -> Result<Response, ApiError> {
    let stream = read.params.stream()?;
    let after = last_event_id(&headers)?;
    let slot = app.event_slots.take(read.tenant()).ok_or_else(too_many)?;
    // Asked before anything is subscribed: nobody learns from a feed whether a stream exists.
    app.upstream.get_stream(stream_ref(read.tenant(), stream), app.budget()).await.map_err(of_stream)?;
    let events = app.bus.events(stream, after).await;
    let metrics = app.bus.metrics(MetricFilter::Stream(stream)).await;
    // Taken after subscribing: what happens in between comes twice rather than never.
    let snapshot = app.upstream.get_status(stream_ref(read.tenant(), stream), app.budget()).await.map_err(of_stream)?;
    let (frames, receiver) = mpsc::channel(app.options.event_buffer);
    // A new channel has room.
    let _ = frames.try_send(snapshot_frame(snapshot.into())?);
    let lifetime = Duration::from_secs(u64::try_from(read.identity.expires_at_s - app.now_s()).unwrap_or(0));
    let pump = Pump { frames, tenant: read.tenant().clone(), stream, patience: app.options.event_patience };
    let soft = app.shutdown.soft.clone();
    app.shutdown.tasks.spawn(async move {
        tokio::select! {
            () = pump.run(events, metrics) => {}
            () = soft.cancelled() => {}
            () = tokio::time::sleep(lifetime) => {}
        }
    });
    Ok(respond(Held { frames: ReceiverStream::new(receiver), _slot: slot }, app.options.heartbeat))
}

/// Carries events from the bus to one reader.
struct Pump {
    frames: mpsc::Sender<Frame>,
    tenant: TenantId,
    stream: StreamId,
    patience: Duration,
}

impl Pump {
    /// Until the reader is gone or too slow.
    async fn run(self, mut events: BoxStream<'static, StoredEvent>, mut metrics: BoxStream<'static, MetricSample>) {
        loop {
            let goes_on = tokio::select! {
                biased;
                () = self.frames.closed() => false,
                Some(stored) = events.next() => self.event(stored).await,
                Some(sample) = metrics.next() => self.metric(&sample),
                else => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// An event is worth waiting for the reader, for a while.
    async fn event(&self, stored: StoredEvent) -> bool {
        // The subject is the stream's; that the tenant is its owner was asked above. This guards against a publisher's
        // mistake.
        if stored.event.tenant != self.tenant || stored.event.stream != self.stream {
            return true;
        }
        let Some(frame) = frame(&stored.event) else { return true };
        match self.frames.send_timeout(frame.id(stored.seq.to_string()), self.patience).await {
            Ok(()) => true,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => false,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                metrics::counter!(metric::EVENT_STREAMS_CUT).increment(1);
                tracing::info!(stream = %self.stream, "cut an event stream whose reader does not read");
                false
            }
        }
    }

    /// A sample that finds no room is left out: the next one comes in a second.
    fn metric(&self, sample: &MetricSample) -> bool {
        let Some(frame) = metric_event(sample, &self.tenant).as_ref().and_then(frame) else { return true };
        !matches!(self.frames.try_send(frame), Err(TrySendError::Closed(_)))
    }
}

fn metric_event(sample: &MetricSample, tenant: &TenantId) -> Option<Event> {
    Some(Event {
        id: Uuid::now_v7(),
        kind: EventKind::MetricsUpdate,
        stream: sample.stream,
        destination: Some(sample.destination),
        tenant: tenant.clone(),
        time: OffsetDateTime::from_unix_timestamp_nanos(i128::from(sample.at_ms) * 1_000_000).ok()?,
        data: serde_json::to_value(sample).ok()?,
    })
}

fn frame(event: &Event) -> Option<Frame> {
    let json = String::from_utf8(event.to_json().ok()?).ok()?;
    Some(Frame::default().event(event.kind.as_type()).data(json))
}

fn snapshot_frame(status: Status) -> Result<Frame, ApiError> {
    Frame::default().event(SNAPSHOT).json_data(Data::of(status).data).map_err(|_| ApiError::internal())
}

/// The place to resume after. EventSource sends back only what we gave it, so anything else is a client's mistake.
///
/// # Errors
/// 400.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let mut all = headers.get_all("last-event-id").iter();
    let Some(first) = all.next() else { return Ok(None) };
    let plain = |text: &&str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    let id = first.to_str().ok().filter(plain).and_then(|text| text.parse().ok());
    match id.filter(|_| all.next().is_none()) {
        Some(id) => Ok(Some(id)),
        None => {
            let message = "Last-Event-ID must be the id of an event of this feed. Leave it out to start anew.";
            Err(ApiError::bad_request(codes::LAST_EVENT_ID_INVALID, message))
        }
    }
}

/// The reader's end of the feed; its place is free again when it is dropped.
struct Held {
    frames: ReceiverStream<Frame>,
    _slot: Slot,
}

impl Stream for Held {
    type Item = Result<Frame, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.frames.poll_next_unpin(cx).map(|frame| frame.map(Ok))
    }
}

fn respond(frames: Held, heartbeat: Duration) -> Response {
    let keep_alive = KeepAlive::new().interval(heartbeat).text("alive");
    let mut response = Sse::new(frames).keep_alive(keep_alive).into_response();
    // Nginx would hold events back until its buffer is full.
    let headers = response.headers_mut();
    headers.insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

fn too_many() -> ApiError {
    let message = "Too many event streams are open. Close one, or wait as long as Retry-After says.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_EVENT_STREAMS, message).with_retry_after(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Result<Option<u64>, ()>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("last-event-id", value.parse().unwrap());
        }
        assert_eq!(last_event_id(&headers).map_err(|_| ()), expected, "{values:?}");
    }

    #[test]
    fn last_event_ids() {
        check(&[], Ok(None));
        check(&["0"], Ok(Some(0)));
        check(&["42"], Ok(Some(42)));
        check(&["18446744073709551615"], Ok(Some(u64::MAX)));
        for garbage in ["", " ", "-1", "+1", "1.5", "x", "18446744073709551616", "1;2", "000000000000000000001"] {
            check(&[garbage], Err(()));
        }
        check(&["1", "1"], Err(()));
    }
}
