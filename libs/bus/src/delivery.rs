//! A message in hand: acknowledge it, give it back, or put it aside.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{AckKind, Message},
};
use tokio::time::timeout;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{connection::Bus, error::Error, meters, publish::Outbound, streams, subjects, trace};

/// Why a letter is dead, in its own words.
const DEAD_REASON: &str = "Live-Dead-Reason";
/// Where it was.
const DEAD_SUBJECT: &str = "Live-Dead-Subject";
/// How often it had been handed out.
const DEAD_ATTEMPTS: &str = "Live-Dead-Attempts";
/// How long a letter that could not be put aside waits for the next try.
const DEAD_RETRY: Duration = Duration::from_secs(5);

/// A message that must be answered with one of [`ack`](Self::ack), [`nak`](Self::nak) or [`dead_letter`](Self::dead_letter).
/// Dropped without an answer, it comes again after the consumer's ack wait.
pub struct Delivery<T> {
    /// What it says.
    pub message: T,
    /// How often it was handed out, this time included.
    pub attempts: u64,
    /// The W3C trace context it was sent in, if any.
    pub traceparent: Option<String>,
    letter: Letter,
}

impl<T> Delivery<T> {
    pub(crate) fn new(message: T, letter: Letter) -> Self {
        let traceparent = letter.headers().and_then(|h| h.get("traceparent")).map(|value| value.as_str().to_owned());
        Self { message, attempts: letter.attempts(), traceparent, letter }
    }

    /// Makes the sender's span the parent of `span`.
    pub fn set_parent(&self, span: &Span) {
        // An error means that no OpenTelemetry layer is installed: there is nothing to be a parent of.
        let _ = span.set_parent(trace::extract(self.letter.headers()));
    }

    /// It is done. At-least-once: when the acknowledgement is lost, it comes again.
    ///
    /// # Errors
    /// [`Error::Ack`], [`Error::Timeout`].
    pub async fn ack(&self) -> Result<(), Error> {
        self.letter.answer(AckKind::Ack).await
    }

    /// It could not be done now: hand it out again after `delay`.
    ///
    /// # Errors
    /// [`Error::Ack`], [`Error::Timeout`].
    pub async fn nak(&self, delay: Duration) -> Result<(), Error> {
        self.letter.answer(AckKind::Nak(Some(delay))).await
    }

    /// Still at it: the ack wait starts again.
    ///
    /// # Errors
    /// [`Error::Ack`], [`Error::Timeout`].
    pub async fn progress(&self) -> Result<(), Error> {
        self.letter.answer(AckKind::Progress).await
    }

    /// It can never be done: put it aside, for a person to look at. `reason` must hold no secret.
    ///
    /// # Errors
    /// [`Error::Ack`], [`Error::Timeout`].
    pub async fn dead_letter(&self, reason: &str) -> Result<(), Error> {
        self.letter.bury("refused", reason).await
    }
}

/// A message nobody has read yet.
pub(crate) struct Letter {
    pub bus: Bus,
    pub stream: &'static str,
    pub max_deliver: u64,
    pub raw: Message,
}

impl Letter {
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.raw.headers.as_ref()
    }

    pub fn attempts(&self) -> u64 {
        self.raw.info().map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1))
    }

    /// Reads the message, or puts it aside when that is impossible or was tried too often.
    pub async fn open<T>(self, read: fn(&[u8]) -> Option<T>) -> Option<Delivery<T>> {
        meters::received(self.stream);
        let max = self.max_deliver;
        let (label, reason) = match read(&self.raw.payload) {
            Some(_) if self.attempts() > max => ("exhausted", format!("handed out more than {max} times")),
            Some(message) => return Some(Delivery::new(message, self)),
            None => ("undecodable", "cannot be read".to_owned()),
        };
        if let Err(error) = self.bury(label, &reason).await {
            tracing::warn!(stream = self.stream, error = &error as &dyn std::error::Error, "dead letter not put aside");
        }
        None
    }

    /// Puts a copy aside and ends the original. Without the copy the original stays.
    async fn bury(&self, label: &'static str, reason: &str) -> Result<(), Error> {
        tracing::warn!(stream = self.stream, subject = %self.raw.subject, reason, "dead letter");
        if let Err(error) = self.bus.store(self.copy(reason)).await {
            self.answer(AckKind::Nak(Some(DEAD_RETRY))).await?;
            return Err(error);
        }
        meters::dead_letter(self.stream, label);
        self.answer(AckKind::Term).await
    }

    fn copy(&self, reason: &str) -> Outbound {
        let id = match self.raw.info() {
            Ok(info) => {
                format!("dead-{}-{}-{}", self.stream, info.stream_sequence, info.published.unix_timestamp_nanos())
            }
            Err(_) => format!("dead-{}", self.bus.inner.client.new_inbox()),
        };
        let mut copy = Outbound::new(streams::DEAD, subjects::dead(self.stream), &id, self.raw.payload.to_vec());
        // A line break would end the header.
        copy.headers.insert(DEAD_REASON, reason.replace(char::is_control, " ").as_str());
        copy.headers.insert(DEAD_SUBJECT, self.raw.subject.as_str());
        copy.headers.insert(DEAD_ATTEMPTS, self.attempts().to_string());
        copy
    }

    async fn answer(&self, kind: AckKind) -> Result<(), Error> {
        let bound = self.bus.inner.options.publish_timeout;
        let answered = timeout(bound, self.raw.ack_with(kind)).await;
        answered.map_err(|_| Error::Timeout(bound))?.map_err(Error::Ack)
    }
}
