//! A consumer that never ends: opened again when the connection, the consumer, the stream or the whole store is gone.
//!
//! A feed (metrics, events, control) remembers where it was. If the stream is still the same one, it goes on from
//! there; if the stream was made anew meanwhile, everything in it is news.

use std::time::Duration;

use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
    stream::{Info, Stream},
};
use futures::StreamExt;
use tokio::{sync::watch, time::timeout};

use crate::{
    connection::Bus,
    delivery::Letter,
    error::{Error, Source},
    meters,
    options::backoff,
};

/// What to consume.
#[derive(Clone)]
pub(crate) struct Spec {
    pub stream: &'static str,
    pub filter: String,
    pub kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// A durable queue shared by everybody who names it: each message to one of them, until acknowledged.
    Queue { name: &'static str, ack_wait: Duration, max_deliver: u64 },
    /// A feed of one's own, never acknowledged.
    Feed(Start),
}

#[derive(Clone, Copy)]
pub(crate) enum Start {
    New,
    /// With the message after this one.
    After(u64),
}

/// Where a feed was: the sequence means something only within the life of one stream.
#[derive(Clone, Copy, PartialEq)]
struct Position {
    stream_created_ns: i128,
    sequence: u64,
}

pub(crate) struct Feed {
    bus: Bus,
    spec: Spec,
    reconnects: watch::Receiver<u64>,
    position: Option<Position>,
    open: Option<pull::Stream>,
    /// There was a new connection since the consumer was opened.
    stale: bool,
    failures: u32,
}

impl Feed {
    pub fn new(bus: Bus, spec: Spec) -> Self {
        let reconnects = bus.on_reconnect();
        Self { bus, spec, reconnects, position: None, open: None, stale: false, failures: 0 }
    }

    /// Opens the consumer if that is possible now, so that a feed of new messages starts here and not at the first
    /// poll. Otherwise [`Self::next`] goes on trying.
    pub async fn start(&mut self) {
        let bound = self.bus.inner.options.request_timeout;
        if self.bus.ready().await.is_ok()
            && let Ok(Err(error)) = timeout(bound, self.reopen()).await
        {
            tracing::debug!(stream = self.spec.stream, error = &error as &dyn std::error::Error, "not consuming yet");
        }
    }

    /// The next message, however long that takes. Cancel safe.
    pub async fn next(&mut self) -> Letter {
        loop {
            if self.stale {
                self.revive().await;
            }
            let Some(open) = &mut self.open else {
                self.reopen_with_backoff().await;
                continue;
            };
            // Biased: what had arrived before the connection was lost is still good.
            tokio::select! {
                biased;
                item = open.next() => match item {
                    Some(Ok(raw)) => {
                        self.failures = 0;
                        self.advance(raw.info().map(|info| info.stream_sequence).unwrap_or(0));
                        return self.letter(raw);
                    }
                    Some(Err(error)) => {
                        tracing::debug!(stream = self.spec.stream, %error, "consuming again");
                        self.open = None;
                    }
                    None => self.open = None,
                },
                _ = self.reconnects.changed() => self.stale = true,
            }
        }
    }

    fn letter(&self, raw: Message) -> Letter {
        let max_deliver = match self.spec.kind {
            Kind::Queue { max_deliver, .. } => max_deliver,
            Kind::Feed(_) => u64::MAX,
        };
        Letter { bus: self.bus.clone(), stream: self.spec.stream, max_deliver, raw }
    }

    fn advance(&mut self, sequence: u64) {
        if let Some(position) = &mut self.position {
            position.sequence = sequence;
        }
    }

    /// A new connection may lead to a server without our consumer. A feed is opened again where it was. A queue's consumer
    /// is only made sure of: messages may be on their way to us, and dropped they would not come again before the ack wait.
    async fn revive(&mut self) {
        match &self.spec.kind {
            Kind::Feed(_) => self.open = None,
            Kind::Queue { .. } if self.open.is_some() => {
                if self.consumer().await.is_err() {
                    self.open = None;
                }
            }
            Kind::Queue { .. } => {}
        }
        self.stale = false;
    }

    async fn reopen_with_backoff(&mut self) {
        if self.failures > 0 {
            tokio::time::sleep(backoff(self.failures, self.bus.inner.options.max_backoff)).await;
        }
        self.bus.ready_at_last().await;
        self.failures = self.failures.saturating_add(1);
        if let Err(error) = self.reopen().await {
            tracing::debug!(stream = self.spec.stream, error = &error as &dyn std::error::Error, "not consuming yet");
        }
    }

    async fn reopen(&mut self) -> Result<(), Error> {
        self.reconnects.mark_unchanged();
        self.stale = false;
        let (consumer, position) = self.consumer().await?;
        let options = &self.bus.inner.options;
        let bound = options.request_timeout;
        let messages = consumer
            .stream()
            .max_messages_per_batch(options.batch)
            .expires(options.pull_expires)
            .heartbeat(options.heartbeat.min(options.pull_expires / 2))
            .messages();
        let messages = timeout(bound, Box::pin(messages)).await.map_err(|_| Error::Timeout(bound))?;
        self.open = Some(messages.map_err(|error| self.failed(Box::new(error)))?);
        self.position = Some(position);
        meters::consumer_opened(self.spec.stream);
        Ok(())
    }

    /// Creates the consumer, or finds it if it is a queue's and there.
    async fn consumer(&self) -> Result<(Consumer<pull::Config>, Position), Error> {
        let stream = open_stream(&self.bus, self.spec.stream).await?;
        let position = self.settled(stream.cached_info());
        let bound = self.bus.inner.options.request_timeout;
        let created = timeout(bound, Box::pin(stream.create_consumer(self.config(position)))).await;
        let consumer = created.map_err(|_| Error::Timeout(bound))?.map_err(|error| self.failed(Box::new(error)))?;
        Ok((consumer, position))
    }

    fn failed(&self, source: Source) -> Error {
        Error::Consumer { stream: self.spec.stream, source }
    }

    /// Where the feed stands once it is open.
    fn settled(&self, info: &Info) -> Position {
        let created = info.created.unix_timestamp_nanos();
        match (self.position, &self.spec.kind) {
            (Some(position), _) if position.is_in(info) => position,
            (None, Kind::Feed(Start::New)) => {
                Position { stream_created_ns: created, sequence: info.state.last_sequence }
            }
            (None, Kind::Feed(Start::After(sequence))) if *sequence <= info.state.last_sequence => {
                Position { stream_created_ns: created, sequence: *sequence }
            }
            _ => Position { stream_created_ns: created, sequence: 0 },
        }
    }

    fn config(&self, position: Position) -> pull::Config {
        let options = &self.bus.inner.options;
        match &self.spec.kind {
            Kind::Queue { name, ack_wait, .. } => queue_config(name, &self.spec.filter, *ack_wait),
            Kind::Feed(_) => pull::Config {
                filter_subject: self.spec.filter.clone(),
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: position.sequence + 1 },
                ack_policy: AckPolicy::None,
                inactive_threshold: options.inactive,
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            },
        }
    }
}

impl Position {
    /// Whether the stream is still the one this position is in.
    fn is_in(&self, info: &Info) -> bool {
        self.stream_created_ns == info.created.unix_timestamp_nanos() && self.sequence <= info.state.last_sequence
    }
}

/// The configuration of a shared queue. `max_deliver` is ours to count: the server would leave the message in the queue
/// for ever instead of putting it aside.
pub(crate) fn queue_config(name: &str, filter: &str, ack_wait: Duration) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        filter_subject: filter.to_owned(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait,
        ..pull::Config::default()
    }
}

/// The stream, set up first if it is missing.
pub(crate) async fn open_stream(bus: &Bus, name: &'static str) -> Result<Stream, Error> {
    let seen = bus.ensured();
    let bound = bus.inner.options.request_timeout;
    let get = || async {
        let got =
            timeout(bound, Box::pin(bus.inner.jetstream.get_stream(name))).await.map_err(|_| Error::Timeout(bound))?;
        got.map_err(|error| Error::Stream { stream: name, source: Box::new(error) })
    };
    match get().await {
        Err(Error::Stream { .. }) => {
            bus.ensure_since(seen).await?;
            get().await
        }
        got => got,
    }
}
