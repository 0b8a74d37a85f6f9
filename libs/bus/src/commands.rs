//! The queue of sessions that want a worker. A worker asks for as many as it has room for, never for more.

use std::collections::VecDeque;

use async_nats::jetstream::{
    self,
    consumer::{Consumer, pull},
};
use futures::StreamExt;
use prost::Message;
use tokio::{sync::watch, time::timeout};
use wire::v1::RunSession;

use crate::{
    connection::Bus,
    delivery::{Delivery, Letter},
    error::{Error, Source},
    feed::{open_stream, queue_config},
    meters,
    options::backoff,
    streams, subjects,
};

/// The queue shared by all workers.
const QUEUE: &str = "workers";

/// Takes commands from the shared queue. Make one per worker and keep it: it survives reconnects and lost queues.
pub struct CommandPuller {
    bus: Bus,
    reconnects: watch::Receiver<u64>,
    consumer: Option<Consumer<pull::Config>>,
    /// The request that waits at the server for one message. Kept here, so that a message that arrives while nobody
    /// polls [`CommandPuller::next`] is not lost with a dropped future.
    waiting: Option<pull::Batch>,
    /// The request for what else is there.
    rest: Option<pull::Batch>,
    taken: VecDeque<jetstream::Message>,
    ready: Vec<Delivery<RunSession>>,
    failures: u32,
}

impl Bus {
    /// The queue of commands.
    ///
    /// # Errors
    /// [`Error::ServerTooOld`]. A server that is not there is no error.
    pub async fn run_commands(&self) -> Result<CommandPuller, Error> {
        if let Err(Error::ServerTooOld { version }) = self.ready().await {
            return Err(Error::ServerTooOld { version });
        }
        Ok(CommandPuller {
            bus: self.clone(),
            reconnects: self.on_reconnect(),
            consumer: None,
            waiting: None,
            rest: None,
            taken: VecDeque::new(),
            ready: Vec::new(),
            failures: 0,
        })
    }
}

impl CommandPuller {
    /// Waits until there is at least one command, and returns what is there, at most `max` (with 0: never returns).
    /// Cancel safe: a command that was on its way is in the next answer.
    pub async fn next(&mut self, max: usize) -> Vec<Delivery<RunSession>> {
        if max == 0 {
            return std::future::pending().await;
        }
        loop {
            self.fill(max).await;
            while let Some(raw) = self.taken.pop_front() {
                let max_deliver = self.bus.inner.options.command_max_deliver;
                let letter = Letter { bus: self.bus.clone(), stream: streams::COMMANDS, max_deliver, raw };
                self.ready.extend(letter.open(read).await);
            }
            if !self.ready.is_empty() {
                return std::mem::take(&mut self.ready);
            }
        }
    }

    /// Returns once something was taken.
    async fn fill(&mut self, max: usize) {
        while self.taken.is_empty() || self.rest.is_some() {
            if let Some(rest) = &mut self.rest {
                let bound = self.bus.inner.options.request_timeout;
                match timeout(bound, rest.next()).await {
                    Ok(Some(Ok(raw))) => self.taken.push_back(raw),
                    _ => self.rest = None,
                }
            } else if self.waiting.is_some() {
                self.wait(max).await;
            } else if let Err(error) = self.ask().await {
                self.fail(&error).await;
            }
        }
    }

    async fn wait(&mut self, max: usize) {
        let Some(waiting) = &mut self.waiting else { return };
        // Biased: what had arrived before the connection was lost is still good.
        let item = tokio::select! {
            biased;
            item = waiting.next() => item,
            // A new connection may lead to a server without our queue, and without our request in any case.
            _ = self.reconnects.changed() => {
                self.consumer = None;
                None
            }
        };
        self.waiting = None;
        match item {
            Some(Ok(raw)) => {
                self.taken.push_back(raw);
                self.failures = 0;
                self.ask_for_rest(max - 1).await;
            }
            Some(Err(error)) => self.fail(&failed(error)).await,
            // The request has expired: nothing came, ask again.
            None => {}
        }
    }

    async fn fail(&mut self, error: &Error) {
        tracing::debug!(error = error as &dyn std::error::Error, "the command queue is opened again");
        self.consumer = None;
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(backoff(self.failures, self.bus.inner.options.max_backoff)).await;
    }

    /// Leaves a request for one message at the server.
    async fn ask(&mut self) -> Result<(), Error> {
        self.bus.ready_at_last().await;
        if self.consumer.is_none() {
            self.reconnects.mark_unchanged();
            self.consumer = Some(self.open().await?);
        }
        let Some(consumer) = &self.consumer else { return Ok(()) };
        // No heartbeat here: async-nats 0.51 forgets to wake a batch after one. A reconnect wakes us instead.
        let asked = consumer.batch().max_messages(1).expires(self.bus.inner.options.pull_expires).messages();
        let bound = self.bus.inner.options.request_timeout;
        let waiting = timeout(bound, Box::pin(asked)).await.map_err(|_| Error::Timeout(bound))?;
        self.waiting = Some(waiting.map_err(|error| failed(Box::new(error)))?);
        Ok(())
    }

    /// Asks for what else is there right now; that it fails only means that there is less.
    async fn ask_for_rest(&mut self, max: usize) {
        if let (Some(consumer), 1..) = (&self.consumer, max) {
            // Without an expiry: with one, the server would wait for it.
            let asked = consumer.fetch().max_messages(max).messages();
            self.rest =
                timeout(self.bus.inner.options.request_timeout, Box::pin(asked)).await.ok().and_then(Result::ok);
        }
    }

    async fn open(&self) -> Result<Consumer<pull::Config>, Error> {
        let stream = open_stream(&self.bus, streams::COMMANDS).await?;
        let config = queue_config(QUEUE, subjects::COMMANDS, self.bus.inner.options.command_ack_wait);
        let bound = self.bus.inner.options.request_timeout;
        let created =
            timeout(bound, Box::pin(stream.create_consumer(config))).await.map_err(|_| Error::Timeout(bound))?;
        meters::consumer_opened(streams::COMMANDS);
        created.map_err(|error| failed(Box::new(error)))
    }
}

/// A command without a session is none.
fn read(bytes: &[u8]) -> Option<RunSession> {
    RunSession::decode(bytes).ok().filter(|command| !command.session_id.is_empty())
}

fn failed(source: Source) -> Error {
    Error::Consumer { stream: streams::COMMANDS, source }
}
