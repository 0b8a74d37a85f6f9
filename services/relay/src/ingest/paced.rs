//! A publisher's socket that is read on a clock instead of on every segment.
//!
//! An encoder at 6 Mbps sends about 200 segments a second; waking up for each cost more than everything else that the
//! relay did for the stream (0.57 % of a core with no reader, nginx-rtmp: 0.30 %). Readers get their media in batches
//! anyway, so once a publish is accepted its socket leaves the reactor and is drained each [`Paced::every`].

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// Starts the clock of a [`Paced`] socket.
#[derive(Clone, Default)]
pub(super) struct Pace(Arc<AtomicBool>);

impl Pace {
    pub(super) fn start(&self) {
        self.0.store(true, Ordering::Release);
    }
}

pub(super) struct Paced {
    socket: Socket,
    pace: Pace,
    every: Duration,
    read_at: Pin<Box<Sleep>>,
    write_at: Pin<Box<Sleep>>,
}

enum Socket {
    /// Before the publish is accepted: answers at once.
    Reactor(TcpStream),
    /// After: nonblocking, tried when the clock says so.
    Clock(std::net::TcpStream),
    /// Lost on the way from one to the other.
    Gone,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, every: Duration) -> (Self, Pace) {
        let pace = Pace::default();
        let timer = || Box::pin(sleep(Duration::ZERO));
        let socket = Socket::Reactor(stream);
        (Self { socket, pace: pace.clone(), every, read_at: timer(), write_at: timer() }, pace)
    }

    fn settle(&mut self) -> io::Result<()> {
        if !self.pace.0.load(Ordering::Acquire) || !matches!(self.socket, Socket::Reactor(_)) {
            return Ok(());
        }
        if let Socket::Reactor(stream) = std::mem::replace(&mut self.socket, Socket::Gone) {
            self.socket = Socket::Clock(stream.into_std()?); // stays nonblocking
        }
        Ok(())
    }
}

/// Runs `attempt` when `timer` allows; sets it again when the socket has nothing.
fn on_clock<T>(
    timer: &mut Pin<Box<Sleep>>,
    every: Duration,
    cx: &mut Context<'_>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(timer.as_mut().poll(cx));
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => timer.as_mut().reset(Instant::now() + every),
            done => return Poll::Ready(done),
        }
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.settle()?;
        match &mut this.socket {
            Socket::Reactor(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Clock(stream) => {
                let room = buf.remaining();
                let read =
                    ready!(on_clock(&mut this.read_at, this.every, cx, || stream.read(buf.initialize_unfilled())))?;
                buf.advance(read);
                if read < room {
                    this.read_at.as_mut().reset(Instant::now() + this.every); // drained
                }
                Poll::Ready(Ok(()))
            }
            Socket::Gone => gone(),
        }
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.socket {
            Socket::Reactor(stream) => Pin::new(stream).poll_write(cx, data),
            Socket::Clock(stream) => on_clock(&mut this.write_at, this.every, cx, || stream.write(data)),
            Socket::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Reactor(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Clock(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
            Socket::Gone => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_before_and_after_the_clock_starts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut ours, pace) = Paced::new(listener.accept().await.unwrap().0, Duration::from_millis(20));
        let mut four = [0; 4];
        peer.write_all(b"ping").await.unwrap();
        ours.read_exact(&mut four).await.unwrap();
        pace.start();
        peer.write_all(b"pong").await.unwrap();
        ours.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"pong");

        let large = vec![7; 8 << 20];
        let (sent, reading) = (
            large.clone(),
            tokio::spawn(async move {
                let mut got = Vec::new();
                peer.read_to_end(&mut got).await.unwrap();
                (peer, got)
            }),
        );
        ours.write_all(&sent).await.unwrap();
        ours.shutdown().await.unwrap();
        let (mut peer, got) = reading.await.unwrap();
        assert!(got == large);
        tokio::spawn(async move { peer.write_all(&large).await });
        let mut got = Vec::new();
        ours.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 8 << 20);
    }
}
