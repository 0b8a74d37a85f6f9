//! Publishing: stored and acknowledged within a bound, or an error.
//!
//! Each message has a `Nats-Msg-Id`, so that publishing twice (an outbox replayed, an answer that got lost) stores it once.
//! A missing stream is set up and the message sent again within the same bound.

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::context::{PublishError, PublishErrorKind},
};
use domain::ids::WorkerId;
use prost::Message;
use tokio::time::timeout;
use uuid::Uuid;
use wire::v1::{ControlSession, RunSession, SessionReport};

use crate::{
    connection::Bus,
    error::Error,
    event::Event,
    meters,
    metric_sample::MetricSample,
    streams::{self},
    subjects, trace,
};

/// A message on its way out.
pub(crate) struct Outbound {
    pub stream: &'static str,
    pub subject: String,
    pub headers: HeaderMap,
    pub payload: Vec<u8>,
}

impl Outbound {
    pub fn new(stream: &'static str, subject: String, id: &str, payload: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, id);
        trace::inject(&mut headers);
        Self { stream, subject, headers, payload }
    }
}

impl Bus {
    /// Offers a session to the workers. A command of the same session that nobody has taken yet is replaced; the same
    /// (session, epoch) again is dropped.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::Timeout`], [`Error::Publish`] (also when the queue is full).
    pub async fn publish_run(&self, command: &RunSession) -> Result<(), Error> {
        let id = format!("run-{}-{}", command.session_id, command.epoch);
        let subject = subjects::run(&command.session_id);
        self.store(Outbound::new(streams::COMMANDS, subject, &id, command.encode_to_vec())).await
    }

    /// Says something to one worker. Repeating it is allowed and reaches the worker again.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::Timeout`], [`Error::Publish`].
    pub async fn publish_control(&self, worker: &WorkerId, word: &ControlSession) -> Result<(), Error> {
        // A repeated stop must not be taken for a duplicate: the first may have come before the worker listened.
        let id = format!("control-{}", self.inner.client.new_inbox());
        self.store(Outbound::new(streams::CONTROL, subjects::control(worker), &id, word.encode_to_vec())).await
    }

    /// Reports on a session. The same (session, epoch, sequence) again is dropped.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::Timeout`], [`Error::Publish`] (also when the queue is full).
    pub async fn publish_report(&self, report: &SessionReport) -> Result<(), Error> {
        let id = format!("report-{}-{}-{}", report.session_id, report.epoch, report.sequence);
        let subject = subjects::report(&report.session_id);
        self.store(Outbound::new(streams::REPORTS, subject, &id, report.encode_to_vec())).await
    }

    /// Publishes an event. The same id again is dropped.
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::Disconnected`], [`Error::Timeout`], [`Error::Publish`].
    pub async fn publish_event(&self, event: &Event) -> Result<(), Error> {
        let subject = subjects::event(event.stream, event.kind);
        self.store(Outbound::new(streams::EVENTS, subject, &event.id.to_string(), event.to_json()?)).await
    }

    /// Sends a sample without waiting for it to be stored: the next one comes in a second.
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::Disconnected`], [`Error::Timeout`] when the connection does not take it.
    pub async fn publish_metric(&self, sample: &MetricSample) -> Result<(), Error> {
        if !self.connected() {
            return Err(Error::Disconnected);
        }
        let id = Uuid::new_v5(&sample.session.0, format!("{}-{}", sample.epoch, sample.sequence).as_bytes());
        let payload = sample.to_json(id)?;
        let subject = subjects::metric(sample.stream, sample.destination);
        let wait = self.inner.options.connect_wait;
        let sent = timeout(wait, self.inner.client.publish(subject, payload.into())).await;
        sent.map_err(|_| Error::Timeout(wait))?.map_err(|error| Error::Publish(Box::new(error)))
    }

    pub(crate) async fn store(&self, message: Outbound) -> Result<(), Error> {
        let stream = message.stream;
        let bound = self.inner.options.publish_timeout;
        let seen = self.ensured();
        let outcome = timeout(bound, self.store_unbounded(&message)).await.unwrap_or(Err(Error::Timeout(bound)));
        let label = match &outcome {
            Ok(true) => "duplicate",
            Ok(false) => "stored",
            Err(_) => "failed",
        };
        meters::published(stream, label);
        if outcome.is_err() {
            // A stream that lost its files does not answer: the next try must find it made anew.
            self.heal(seen).await;
        }
        outcome.map(|_| ())
    }

    /// Whether it was a duplicate.
    async fn store_unbounded(&self, message: &Outbound) -> Result<bool, Error> {
        self.ready().await?;
        let seen = self.ensured();
        match self.send(message).await {
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                self.ensure_since(seen).await?;
                self.send(message).await
            }
            sent => sent,
        }
        .map_err(|error| match error.kind() {
            PublishErrorKind::TimedOut => Error::Timeout(self.inner.options.publish_timeout),
            _ => Error::Publish(Box::new(error)),
        })
    }

    async fn send(&self, message: &Outbound) -> Result<bool, PublishError> {
        let (headers, payload) = (message.headers.clone(), message.payload.clone().into());
        let ack = self.inner.jetstream.publish_with_headers(message.subject.clone(), headers, payload).await?.await?;
        Ok(ack.duplicate)
    }
}
