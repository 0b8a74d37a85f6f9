//! A TCP socket that asks the gate before each write, counts what it wrote and leaves nothing behind when it dies.
//!
//! What the peer of a publish has to say (receipts, some ten a second at 6 Mbit/s) is not worth a wake-up each: after
//! [`Socket::by_clock`] only room to write wakes the task.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, unix::AsyncFd},
    net::TcpStream,
};

use super::gate::{Gate, Opened};
use crate::sys;

/// See the module.
pub(crate) struct Socket {
    tcp: Tcp,
    gate: Option<Arc<dyn Gate>>,
    waiting: Option<Opened>,
    written: u64,
}

enum Tcp {
    /// Reading and writing wake.
    Reactor(TcpStream),
    /// Only writing wakes.
    Clock(AsyncFd<std::net::TcpStream>),
    /// Lost on the way from one to the other.
    Gone,
}

impl Socket {
    /// Connects to `address`. No timeout of its own. `unsent_limit` bounds what may wait in the kernel beyond what is
    /// in flight.
    ///
    /// `SO_SNDBUF` is left to the kernel: a fixed one would cap the rate at buffer/RTT and switch auto-tuning off.
    /// `TCP_NOTSENT_LOWAT` bounds what is *queued* without bounding what is *in flight*. `SO_LINGER 0` is on from the
    /// start, so that a process that dies (SIGKILL included) resets the connection and the kernel throws the queue
    /// away, instead of delivering it while a successor already publishes; [`Socket::linger`] turns it off.
    ///
    /// No `TCP_USER_TIMEOUT`: while the peer's window is smaller than the first queued segment (64 KiB with
    /// segmentation offload) Linux counts it as closed, and ends connections that are slow but alive (measured at
    /// 200 kbit/s).
    pub(crate) async fn connect(
        address: SocketAddr,
        unsent_limit: u32,
        gate: Option<Arc<dyn Gate>>,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        sys::set_unsent_limit(tcp.as_fd(), unsent_limit)?;
        let socket = Self { tcp: Tcp::Reactor(tcp), gate, waiting: None, written: 0 };
        socket.reset_on_close()?;
        Ok(socket)
    }

    /// From now on a read takes what is there, and *pending* means only that nothing is: the caller looks again on a
    /// clock of its own.
    pub(crate) fn by_clock(&mut self) {
        self.tcp = match std::mem::replace(&mut self.tcp, Tcp::Gone) {
            // Stays nonblocking.
            Tcp::Reactor(tcp) => tcp.into_std().and_then(sys::watch_writing).map_or(Tcp::Gone, Tcp::Clock),
            other => other,
        };
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.tcp {
            Tcp::Reactor(tcp) => Ok(tcp.as_fd()),
            Tcp::Clock(tcp) => Ok(tcp.as_fd()),
            Tcp::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// From now on a close throws away what is queued.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(self.fd()?, Some(Duration::ZERO))?)
    }

    /// From now on a close delivers what is queued.
    pub(crate) fn linger(&self) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(self.fd()?, None)?)
    }

    /// Bytes handed to the kernel.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes the peer's kernel acknowledged. Never shrinks.
    pub(crate) fn acked(&self) -> io::Result<u64> {
        Ok(self.written.saturating_sub(u64::from(sys::unacked(self.fd()?)?)))
    }

    /// Bytes the peer is willing to take beyond those acknowledged, as it last said; `None` where the kernel
    /// does not tell.
    pub(crate) fn peer_window(&self) -> Option<u32> {
        sys::peer_window(self.fd().ok()?).ok().flatten()
    }

    /// Ready when bytes may leave.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(gate) = &self.gate else { return Poll::Ready(Ok(())) };
        if self.waiting.is_none() {
            if gate.is_open() {
                return Poll::Ready(Ok(()));
            }
            self.waiting = Some(gate.clone().opened());
        }
        if let Some(waiting) = &mut self.waiting {
            let answer = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            answer.map_err(io::Error::other)?;
        }
        if self.gate.as_ref().is_some_and(|gate| gate.is_open()) {
            return Poll::Ready(Ok(()));
        }
        // It opened and shut again in between: ask anew, after everybody else had a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Tcp {
    /// One write by `clock`, or by the reactor.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        reactor: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
        clock: impl Fn(&mut &std::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Reactor(tcp) => reactor(Pin::new(tcp), cx),
            Self::Clock(tcp) => loop {
                let mut ready = ready!(tcp.poll_write_ready(cx))?;
                if let Ok(written) = ready.try_io(|tcp| clock(&mut tcp.get_ref())) {
                    return Poll::Ready(written);
                }
            },
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.tcp {
            Tcp::Reactor(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Tcp::Clock(tcp) => match tcp.get_ref().read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    Poll::Ready(Ok(()))
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            },
            Tcp::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_gate(cx))?;
        let written = ready!(self.tcp.poll_write(cx, |tcp, cx| tcp.poll_write(cx, buf), |tcp| tcp.write(buf)))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_gate(cx))?;
        let written = ready!(self.tcp.poll_write(
            cx,
            |tcp, cx| tcp.poll_write_vectored(cx, bufs),
            |tcp| tcp.write_vectored(bufs)
        ))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// TCP holds nothing back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tcp {
            Tcp::Reactor(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Tcp::Clock(tcp) => Poll::Ready(tcp.get_ref().shutdown(Shutdown::Write)),
            Tcp::Gone => Poll::Ready(Ok(())),
        }
    }
}
