//! A TCP socket that asks the gate before each write, counts what it wrote and leaves nothing behind when it dies.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::gate::{Gate, Opened};
use crate::sys;

/// See the module.
pub(crate) struct Socket {
    tcp: TcpStream,
    gate: Option<Arc<dyn Gate>>,
    waiting: Option<Opened>,
    written: u64,
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
        let socket = Self { tcp, gate, waiting: None, written: 0 };
        socket.reset_on_close()?;
        Ok(socket)
    }

    /// From now on a close throws away what is queued.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(&self.tcp, Some(Duration::ZERO))?)
    }

    /// From now on a close delivers what is queued.
    pub(crate) fn linger(&self) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(&self.tcp, None)?)
    }

    /// Bytes handed to the kernel.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes the peer's kernel acknowledged. Never shrinks.
    pub(crate) fn acked(&self) -> io::Result<u64> {
        Ok(self.written.saturating_sub(u64::from(sys::unacked(self.tcp.as_fd())?)))
    }

    /// Bytes the peer is willing to take beyond those acknowledged, as it last said; `None` where the kernel
    /// does not tell.
    pub(crate) fn peer_window(&self) -> Option<u32> {
        sys::peer_window(self.tcp.as_fd()).ok().flatten()
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

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_gate(cx))?;
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_gate(cx))?;
        let written = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
