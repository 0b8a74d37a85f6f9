//! A TCP forwarder that breaks the network on demand.
//!
//! Every direction of every connection is a pump with a delay line: a chunk read at one end leaves at the other after
//! the latency, at most as fast as the throttle allows. What the pump holds is bounded, so a slow far end is felt as
//! back-pressure, as on a real path with its buffers.

mod pump;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::AbortHandle,
};
use tokio_util::task::TaskTracker;

use crate::ports::Port;

/// What the network is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Nothing is forwarded; connections stand. The kernel of each end fills its buffers and then waits.
    pub frozen: bool,
    /// New connections are accepted and go nowhere.
    pub blackhole: bool,
    /// Each way, at most so many bytes per second.
    pub bytes_per_second: Option<u64>,
    /// Each way.
    pub latency: Duration,
    /// Latency varies by up to this much, up or down; bytes stay in order.
    pub jitter: Duration,
}

/// A running proxy; dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    network: watch::Sender<Network>,
    /// Counts cuts; a connection ends when it sees a new one.
    cut: watch::Sender<u64>,
    accepted: AtomicU64,
    forwarded: [AtomicU64; 2],
    tasks: TaskTracker,
}

impl Proxy {
    /// Forwards to `target`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let port = Port::draw()?;
        let listener = listen(port.addr()).with_context(|| format!("can't bind {}", port.addr()))?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            network: watch::Sender::new(Network::default()),
            cut: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            forwarded: [AtomicU64::new(0), AtomicU64::new(0)],
            tasks: TaskTracker::new(),
        });
        let accepting = shared.tasks.spawn(accept(listener, shared.clone())).abort_handle();
        Ok(Self { port, shared, accepting })
    }

    /// Where to connect instead of the target.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// Forwards new connections to another place.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Changes the network, for connections that stand too.
    pub fn change(&self, change: impl FnOnce(&mut Network)) {
        self.shared.network.send_modify(change);
    }

    /// Freezes or thaws.
    pub fn freeze(&self, frozen: bool) {
        self.change(|network| network.frozen = frozen);
    }

    /// A perfect network again.
    pub fn heal(&self) {
        self.change(|network| *network = Network::default());
    }

    /// Resets every connection, at both ends (RST).
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Bytes forwarded so far: to the target, and back.
    pub fn forwarded(&self) -> (u64, u64) {
        let [there, back] = &self.shared.forwarded;
        (there.load(Ordering::Relaxed), back.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// A slow loopback reader opens its window in steps of half its buffer or 64 KiB, which no real path does: small
/// buffers keep the throttle smooth.
const RECEIVE_BUFFER: u32 = 32 << 10;

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(addr)?;
    socket.listen(128)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        shared.tasks.spawn(serve(client, shared.clone()));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let blackhole = shared.network.borrow().blackhole;
    if blackhole {
        let _ = cut.changed().await;
        reset(&client);
        return;
    }
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(server) = TcpStream::connect(target).await else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let whole = pump::both(&client, &server, &shared.network, &shared.forwarded);
    let clean = tokio::select! {
        _ = cut.changed() => false,
        clean = whole => clean,
    };
    if !clean {
        reset(&client);
        reset(&server);
    }
}

fn reset(tcp: &TcpStream) {
    let _ = sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
}
