//! The connection: made in the background, made again for ever, and never to a server that is too old.
//!
//! A supervisor task looks at each new connection: it checks the server's version, and sets the JetStream streams up
//! again (memory streams, and all streams of a server that lost its disk, are gone after a restart).

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event as ClientEvent,
    connection::State,
    jetstream::{
        self,
        context::{CreateStreamError, CreateStreamErrorKind},
        stream::Config,
    },
};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};

use crate::{
    error::Error,
    meters,
    options::{Options, backoff},
    streams,
};

/// The oldest server whose consumers do what they are told (2.9 ignores `filter_subjects` without an error).
const OLDEST: (u32, u32) = (2, 10);

/// The bus. Clones share one connection.
#[derive(Clone)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub client: Client,
    pub jetstream: jetstream::Context,
    pub options: Options,
    link: watch::Sender<Link>,
    connects: watch::Sender<u64>,
    /// How often the streams were set up; 0 replicas means nobody asked for it yet.
    ensured: AtomicU64,
    replicas: AtomicUsize,
    ensuring: Mutex<()>,
}

#[derive(Clone, Debug, PartialEq)]
enum Link {
    Down,
    Up,
    TooOld(String),
}

/// What the client's callback tells the supervisor.
#[derive(Clone, Copy, Default, PartialEq)]
struct Wire {
    connects: u64,
    up: bool,
}

impl Bus {
    /// A bus with the default [`Options`]; see [`Bus::connect_with`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::BadUrl`]; [`Error::ServerTooOld`] if that is known at once.
    pub async fn connect(url: &str, name: &str) -> Result<Self, Error> {
        Self::connect_with(url, name, Options::default()).await
    }

    /// Connects to `url` (comma-separated, credentials allowed) under a `name` that NATS shows to its operators. A server that
    /// does not answer is no error: the bus goes on trying for ever, and operations fail until it is there.
    ///
    /// # Errors
    /// [`Error::BadUrl`]; [`Error::Connect`]; [`Error::ServerTooOld`] if that is known within `boot_wait`.
    pub async fn connect_with(url: &str, name: &str, options: Options) -> Result<Self, Error> {
        let (wire, watch_wire) = watch::channel(Wire::default());
        let (servers, connect) = crate::address::parse(url, client_options(name, &options, wire))?;
        let client = connect.connect(servers).await.map_err(|error| Error::Connect(Box::new(error)))?;
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(options.request_timeout)
            .ack_timeout(options.publish_timeout)
            .build(client.clone());
        let boot_wait = options.boot_wait;
        let inner = Arc::new(Inner {
            client,
            jetstream,
            options,
            link: watch::Sender::new(Link::Down),
            connects: watch::Sender::new(0),
            ensured: AtomicU64::new(0),
            replicas: AtomicUsize::new(0),
            ensuring: Mutex::new(()),
        });
        tokio::spawn(supervise(Arc::downgrade(&inner), watch_wire));
        let bus = Self { inner };
        match bus.ready_within(boot_wait).await {
            Err(Error::ServerTooOld { version }) => Err(Error::ServerTooOld { version }),
            _ => Ok(bus),
        }
    }

    /// Sets the JetStream streams up, now and after every reconnect. Idempotent; any number of services may do it.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::ServerTooOld`], [`Error::Stream`]. The streams are set up in the background
    /// all the same, as soon as that is possible.
    pub async fn ensure_streams(&self, replicas: usize) -> Result<(), Error> {
        self.inner.replicas.store(replicas.max(1), Ordering::Relaxed);
        self.ready().await?;
        self.ensure_since(self.ensured()).await
    }

    /// Whether there is a connection to a server that will do.
    pub fn connected(&self) -> bool {
        *self.inner.link.borrow() == Link::Up && self.inner.client.connection_state() == State::Connected
    }

    /// Changes with every connection, the first one included: a reason to look at stored state again, since messages
    /// may have been lost.
    pub fn on_reconnect(&self) -> watch::Receiver<u64> {
        self.inner.connects.subscribe()
    }

    /// Returns once there is a usable connection, or after `connect_wait` an error.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.ready_within(self.inner.options.connect_wait).await
    }

    /// Returns once there is a usable connection, however long that takes. Cancel safe.
    pub(crate) async fn ready_at_last(&self) {
        // The sender is in `self`: it cannot be gone.
        let _ = self.inner.link.subscribe().wait_for(|link| *link == Link::Up).await;
    }

    async fn ready_within(&self, wait: Duration) -> Result<(), Error> {
        let mut link = self.inner.link.subscribe();
        let decided = timeout(wait, link.wait_for(|link| *link != Link::Down)).await;
        match decided.ok().and_then(Result::ok).as_deref() {
            Some(Link::Up) => Ok(()),
            Some(Link::TooOld(version)) => Err(Error::ServerTooOld { version: version.clone() }),
            _ => Err(Error::Disconnected),
        }
    }

    /// How often the streams have been set up. Read it before an operation, and give it to [`Self::ensure_since`] when
    /// that operation finds a stream missing.
    pub(crate) fn ensured(&self) -> u64 {
        self.inner.ensured.load(Ordering::Acquire)
    }

    /// Sets the streams up, unless somebody has done so since `seen`.
    pub(crate) async fn ensure_since(&self, seen: u64) -> Result<(), Error> {
        let replicas = self.inner.replicas.load(Ordering::Relaxed);
        let _one_at_a_time = self.inner.ensuring.lock().await;
        if replicas == 0 || self.ensured() > seen {
            return Ok(());
        }
        let mut outcome = Ok(());
        for (stream, config) in streams::all(replicas) {
            // One that fails must not keep the others from working.
            outcome = outcome.and(self.ensure_one(stream, config).await);
        }
        outcome?;
        self.inner.ensured.fetch_add(1, Ordering::Release);
        meters::streams_ensured();
        Ok(())
    }

    /// After a failed operation: sets the streams up, unless that is going on already. Returns after `connect_wait` at
    /// the latest; it goes on in the background. `seen` as in [`Self::ensure_since`].
    pub(crate) async fn heal(&self, seen: u64) {
        if self.inner.ensuring.try_lock().is_err() || !self.connected() {
            return;
        }
        let bus = self.clone();
        let healing = tokio::spawn(async move {
            if let Err(error) = bus.ensure_since(seen).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "streams are not set up");
            }
        });
        let _ = timeout(self.inner.options.connect_wait, healing).await;
    }

    async fn ensure_one(&self, stream: &'static str, config: Config) -> Result<(), Error> {
        let jetstream = &self.inner.jetstream;
        let bound = self.inner.options.request_timeout;
        let set_up = async {
            match jetstream.create_or_update_stream(config.clone()).await {
                Err(error) if lost_its_files(&error) => {
                    tracing::error!(stream, "the files of a JetStream stream are gone, it is made anew");
                    // If that fails, creating fails too and says why.
                    let _ = jetstream.delete_stream(stream).await;
                    jetstream.create_stream(config).await.map(|_| ())
                }
                set_up => set_up.map(|_| ()),
            }
        };
        // Boxed: the client's futures hold several configurations of a kilobyte each.
        let outcome = timeout(bound, Box::pin(set_up)).await.map_err(|_| Error::Timeout(bound))?;
        outcome.map_err(|error| Error::Stream { stream, source: Box::new(error) })
    }
}

/// Whether the server still knows the stream, but has no directory for it any more: it would store nothing in it ever again
/// ("critical write error"), and answer no publish.
fn lost_its_files(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(cause) if cause.to_string().contains("no such file"))
}

fn client_options(name: &str, options: &Options, wire: watch::Sender<Wire>) -> ConnectOptions {
    let max_backoff = options.max_backoff;
    ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(options.request_timeout)
        .request_timeout(Some(options.request_timeout))
        .ping_interval(options.ping_interval)
        .reconnect_delay_callback(move |attempts| {
            if attempts <= 1 {
                Duration::ZERO
            } else {
                backoff(u32::try_from(attempts).unwrap_or(u32::MAX), max_backoff)
            }
        })
        .event_callback(move |event| {
            match event {
                ClientEvent::Connected => wire.send_modify(|w| *w = Wire { connects: w.connects + 1, up: true }),
                ClientEvent::Disconnected | ClientEvent::Closed => wire.send_modify(|w| w.up = false),
                other => tracing::debug!(event = %other, "nats client"),
            }
            async {}
        })
}

/// Ends when the last [`Bus`] is gone: the client's task, and with it the sender of `wire`, goes too.
async fn supervise(bus: Weak<Inner>, mut wire: watch::Receiver<Wire>) {
    loop {
        let seen = *wire.borrow_and_update();
        let Some(inner) = bus.upgrade() else { return };
        let bus = Bus { inner };
        if seen.up {
            tokio::select! {
                () = bus.greet() => {}
                changed = wire.changed() => match changed { Ok(()) => continue, Err(_) => return },
            }
        } else {
            bus.inner.link.send_if_modified(|link| std::mem::replace(link, Link::Down) != Link::Down);
        }
        drop(bus);
        if wire.changed().await.is_err() {
            return;
        }
    }
}

impl Bus {
    /// Looks at a new connection, then sets the streams up until that has worked.
    async fn greet(&self) {
        let version = self.server_version().await;
        if !is_recent(&version) {
            tracing::error!(%version, "the NATS server is too old, 2.10 or later is needed");
            self.inner.link.send_replace(Link::TooOld(version));
            return;
        }
        self.inner.link.send_replace(Link::Up);
        self.inner.connects.send_modify(|n| *n += 1);
        meters::connected();
        let seen = self.ensured();
        for failures in 0.. {
            match self.ensure_since(seen).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "streams are not set up yet"),
            }
            tokio::time::sleep(backoff(failures, self.inner.options.max_backoff)).await;
        }
    }

    /// The client says "connected" a moment before it knows the new server's description; a round trip settles it.
    async fn server_version(&self) -> String {
        for failures in 0.. {
            let flushed = timeout(self.inner.options.request_timeout, self.inner.client.flush()).await;
            let version = self.inner.client.server_info().version;
            if matches!(flushed, Ok(Ok(()))) && !version.is_empty() {
                return version;
            }
            tokio::time::sleep(backoff(failures, self.inner.options.max_backoff)).await;
        }
        String::new()
    }
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_2_10_are_refused() {
        for (version, recent) in
            [("2.9.10", false), ("2.10.0", true), ("2.15.1", true), ("2.11.0-dev", true), ("3.0.0", true), ("", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
