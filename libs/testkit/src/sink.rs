//! An RTMP(S) server that misbehaves on demand and remembers what it saw.
//!
//! It runs inside the test process. What it does with a connection is scripted ([`Behaviour`]: the next connections
//! one by one, then a default); connections that stand can be frozen, reset or closed; the whole server can go away
//! and come back on its port. What it saw of each connection is a [`Seen`].

mod behaviour;
mod ca;
mod seen;
mod serve;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
pub use behaviour::{Answer, Behaviour, Duplicate, Then};
pub use ca::{Certificate, TestCa};
pub use seen::{End, Seen, SeenTag, overlap_ms};
use serve::Order;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{Notify, watch},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::ports::Port;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Speak RTMPS with this certificate.
    pub tls: Option<(Arc<TestCa>, Certificate)>,
    /// What happens to connections that no script covers.
    pub behaviour: Behaviour,
    /// What happens to a second publisher of one key.
    pub duplicate: Duplicate,
    /// Send RTMP acknowledgements as the peer asks, as nginx-rtmp and FFmpeg do.
    pub acknowledge: bool,
    /// `SO_RCVBUF` of its sockets; the kernel's choice when not set.
    pub receive_buffer: Option<u32>,
    /// Keep at most this much media per connection, for [`Seen::flv`].
    pub keep_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: None,
            behaviour: Behaviour::default(),
            duplicate: Duplicate::Refuse,
            acknowledge: true,
            receive_buffer: None,
            keep_bytes: 64 << 20,
        }
    }
}

/// A running sink; dropping it resets every connection and closes the port.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    port: Port,
    listener: Mutex<Option<AbortHandle>>,
}

/// What the connections and the handle share.
#[derive(Debug)]
struct Shared {
    options: Options,
    state: Mutex<State>,
    changed: Notify,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    script: VecDeque<Behaviour>,
    seen: Vec<Seen>,
    orders: Vec<watch::Sender<Order>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something about connection `id` and wakes the waiters.
    fn note<T>(&self, id: usize, note: impl FnOnce(&mut Seen) -> T) -> T {
        let noted = note(&mut self.state().seen[id]);
        self.changed.notify_waiters();
        noted
    }
}

impl Sink {
    /// A sink that takes everything.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// A sink as chosen.
    ///
    /// # Errors
    /// When no port is free or the certificate is unusable.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let state = State { behaviour: options.behaviour.clone(), ..State::default() };
        let shared =
            Arc::new(Shared { options, state: Mutex::new(state), changed: Notify::new(), tasks: TaskTracker::new() });
        let sink = Self { shared, port: Port::draw()?, listener: Mutex::new(None) };
        sink.listen()?;
        Ok(sink)
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// What goes into `rtmp_url`: `rtmp://127.0.0.1:port/live` or `rtmps://localhost:port/live`.
    pub fn url(&self) -> String {
        match self.shared.options.tls {
            Some(_) => format!("rtmps://localhost:{}/live", self.addr().port()),
            None => format!("rtmp://{}/live", self.addr()),
        }
    }

    /// From now on, for connections that no script covers.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.state().behaviour = behaviour;
    }

    /// The next connections, one by one.
    pub fn script(&self, next: impl IntoIterator<Item = Behaviour>) {
        self.shared.state().script.extend(next);
    }

    /// Stops reading on every connection that stands. The kernel still acknowledges until its buffers are full.
    pub fn freeze(&self) {
        self.order(Order::Freeze);
    }

    /// Takes [`Sink::freeze`] back.
    pub fn thaw(&self) {
        self.order(Order::Run);
    }

    /// Resets every connection that stands (RST).
    pub fn reset(&self) {
        self.order(Order::Reset);
    }

    /// Closes every connection that stands (FIN).
    pub fn close(&self) {
        self.order(Order::Close);
    }

    /// The server dies: the port is closed, every connection reset. Returns when the port refuses.
    ///
    /// # Errors
    /// When the port still accepts after a second.
    pub async fn go_down(&self) -> anyhow::Result<()> {
        self.stop_listening();
        self.reset();
        let refused = async || tokio::net::TcpStream::connect(self.addr()).await.is_err();
        crate::wait::until_true("the port closes", Duration::from_secs(1), refused).await
    }

    /// The server is back on its port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn come_back(&self) -> anyhow::Result<()> {
        self.listen()
    }

    /// Everything seen so far, one entry per accepted connection, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// Looks at what was seen without copying it.
    pub fn look<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.shared.state().seen)
    }

    /// Milliseconds in which two connections sent media for one key; see [`overlap_ms`].
    pub fn overlap_ms(&self) -> u64 {
        self.look(overlap_ms)
    }

    /// Waits until `look` finds something; it is asked after everything that is seen.
    ///
    /// # Errors
    /// After `deadline`, with `what` and a summary of what was seen.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&[Seen]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + deadline;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = self.look(&mut look) {
                return Ok(found);
            }
            if tokio::time::timeout_at(end.into(), changed).await.is_err() {
                bail!("{what}: not within {deadline:?}; the sink saw {:#?}", self.seen());
            }
        }
    }

    fn order(&self, order: Order) {
        for connection in &self.shared.state().orders {
            connection.send_replace(order);
        }
    }

    fn listen(&self) -> anyhow::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = self.shared.options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(self.addr()).with_context(|| format!("can't bind {}", self.addr()))?;
        let listener = socket.listen(BACKLOG)?;
        let tls = match &self.shared.options.tls {
            Some((ca, certificate)) => Some(ca.acceptor(*certificate)?),
            None => None,
        };
        let accepting = self.shared.tasks.spawn(accept(self.shared.clone(), listener, tls)).abort_handle();
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepting);
        Ok(())
    }

    fn stop_listening(&self) {
        if let Some(accepting) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            accepting.abort();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop_listening();
        self.order(Order::Reset);
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    // Connections outlive the listener: a server that went down ends them by order, not by losing its task.
    while let Ok((tcp, _)) = listener.accept().await {
        let (id, behaviour, orders) = {
            let mut state = shared.state();
            let behaviour = state.script.pop_front().unwrap_or_else(|| state.behaviour.clone());
            let (order, orders) = watch::channel(Order::Run);
            state.orders.push(order);
            let id = state.seen.len();
            state.seen.push(Seen::new(id));
            (id, behaviour, orders)
        };
        shared.changed.notify_waiters();
        shared.tasks.spawn(serve::connection(shared.clone(), id, behaviour, orders, tcp, tls.clone()));
    }
}
