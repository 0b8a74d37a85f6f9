//! One multiplexed connection, made when it is needed and thrown away when it is suspect.
//!
//! A connection that did not answer in time is not used again: after a network partition TCP can take minutes to find
//! out that the other side is back. A call has one bound, whatever goes wrong inside, and a connection that was closed
//! by the other side (a restarted server) is replaced once within it: all our scripts may run twice.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{error::Error, options::Options};

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    current: Mutex<Current>,
    /// Held while connecting, so that many waiting calls make one connection.
    connecting: tokio::sync::Mutex<()>,
    options: Options,
}

#[derive(Default)]
struct Current {
    /// Which connection this is, so that a late failure does not throw away its successor.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl Link {
    pub fn new(url: &str, options: Options) -> Result<Self, Error> {
        let client = Client::open(url).map_err(|_| Error::BadUrl)?;
        let connecting = tokio::sync::Mutex::default();
        Ok(Self { inner: Arc::new(Inner { client, current: Mutex::default(), connecting, options }) })
    }

    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Runs `call` on the connection, twice if the first connection turns out to be closed.
    pub async fn run<T, F, Fut>(&self, call: F) -> Result<T, Error>
    where
        F: Fn(MultiplexedConnection) -> Fut,
        Fut: Future<Output = Result<T, RedisError>>,
    {
        let bound = self.inner.options.call_timeout;
        let used = AtomicU64::new(0);
        match timeout(bound, self.run_unbounded(&call, &used)).await {
            Ok(done) => done,
            Err(_) => {
                self.discard(used.load(Ordering::Relaxed));
                Err(Error::Timeout(bound))
            }
        }
    }

    async fn run_unbounded<T, F, Fut>(&self, call: &F, used: &AtomicU64) -> Result<T, Error>
    where
        F: Fn(MultiplexedConnection) -> Fut,
        Fut: Future<Output = Result<T, RedisError>>,
    {
        let mut tries = 2;
        loop {
            tries -= 1;
            let (number, connection) = self.connection().await?;
            used.store(number, Ordering::Relaxed);
            match call(connection).await {
                Ok(done) => return Ok(done),
                Err(error) if error.is_timeout() => {
                    self.discard(number);
                    return Err(Error::Timeout(self.inner.options.call_timeout));
                }
                Err(error) if is_broken(&error) => {
                    self.discard(number);
                    if tries == 0 {
                        return Err(Error::Unreachable(error));
                    }
                }
                Err(error) => return Err(Error::Refused(error)),
            }
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Error> {
        let _one_at_a_time = match self.current() {
            Some(current) => return Ok(current),
            None => self.inner.connecting.lock().await,
        };
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.inner.options.connect_timeout))
            .set_response_timeout(Some(self.inner.options.call_timeout));
        let made = self.inner.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = made.map_err(Error::Unreachable)?;
        let mut current = self.inner.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Current { number: current.number + 1, connection: Some(connection.clone()) };
        Ok((current.number, connection))
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let current = self.inner.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.connection.clone().map(|connection| (current.number, connection))
    }

    fn discard(&self, number: u64) {
        let mut current = self.inner.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            current.connection = None;
        }
    }
}

/// Whether the connection, rather than the command, is what failed. A server that is loading its data or is a replica for
/// now counts too: the address may soon lead elsewhere.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}
