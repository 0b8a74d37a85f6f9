//! Takes FFmpeg's stdout: always, as fast as it comes.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use media::{
    flv::{Decoder, Tag, TagKind},
    sys::read_into,
};
use rustix::io::ioctl_fionbio;
use tokio::{io::AsyncReadExt, process::ChildStdout};

use crate::{
    beat::{BURST, SETTLE, beat},
    session::{events::Events, state::Event},
    sink::outbox::Outbox,
};

/// What one read may bring; the pipe holds as much.
pub const READ: usize = 256 << 10;
/// Read as it comes for so long after the start, on the common beat later.
const EAGER: Duration = Duration::from_secs(2);

/// Moves tags from FFmpeg into the outbox until the pipe ends. `produced` counts bytes; `first` is told with the first
/// media. Not to be run inside a span (entering one costs more than a read); `span` is for what it logs.
pub async fn drain(
    stdout: ChildStdout,
    outbox: &Outbox,
    produced: &AtomicU64,
    first: (Events, Event),
    span: &tracing::Span,
) {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::new();
    let mut first = Some(first);
    let mut tags: Vec<Tag> = Vec::new();
    let began = Instant::now();
    let mut stdout = Stdout::Reactor(stdout);
    loop {
        let read = match stdout.read(&mut buffer).await {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if is_nothing(&error) => continue,
            Err(_) => return,
        };
        produced.fetch_add(read as u64, Ordering::Relaxed);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => {
                    span.in_scope(|| tracing::warn!(%error, "FFmpeg's output is no FLV"));
                    return;
                }
            }
        }
        let media = tags.iter().any(|tag| tag.kind != TagKind::Script && !tag.is_sequence_header());
        outbox.push(tags.drain(..));
        if let Some((events, event)) = first.take_if(|_| media) {
            events.send(event).await;
        }
        if began.elapsed() > EAGER {
            stdout = stdout.by_clock();
        }
    }
}

enum Stdout {
    /// At first: whatever comes is there at once.
    Reactor(ChildStdout),
    /// Later. In the reactor each block of 32 KiB would wake this process.
    Clock(OwnedFd),
    /// Lost on the way from one to the other.
    Gone,
}

impl Stdout {
    fn by_clock(self) -> Self {
        match self {
            Self::Reactor(stdout) => {
                let fd = stdout.into_owned_fd();
                fd.and_then(|fd| Ok(ioctl_fionbio(&fd, true).map(|()| fd)?)).map_or(Self::Gone, Self::Clock)
            }
            other => other,
        }
    }

    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Reactor(stdout) => {
                buffer.reserve(64 << 10);
                stdout.read_buf(buffer).await
            }
            Self::Clock(fd) => {
                beat(BURST, SETTLE).await;
                buffer.reserve(READ);
                read_into(fd.as_fd(), buffer)
            }
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Nothing is there now.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
