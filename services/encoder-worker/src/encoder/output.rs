//! Takes FFmpeg's stdout: always, whatever the sink does.

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
use rustix::{
    io::{ioctl_fionbio, ioctl_fionread},
    pipe::fcntl_getpipe_size,
};
use tokio::{io::AsyncReadExt, process::ChildStdout, time::sleep};

use crate::{
    beat::{BURST, SETTLE, beat},
    session::{events::Events, state::Event},
    sink::outbox::Outbox,
};

/// What the pipe is made to hold, and one read may bring: a burst at 20 Mbit/s, and some lateness.
pub const CAPACITY: usize = 256 << 10;
/// What one read may bring as it comes: what a pipe holds by itself.
const PIPE: usize = 64 << 10;
/// Room for a read that may well find nothing.
const SMALL: usize = 4 << 10;
/// The wait after a look that found the pipe half full: a burst above 13 Mbit/s, or a pipe that could not be enlarged.
const PRESSED: Duration = Duration::from_millis(4);
/// No pace for so long after the start.
const EAGER: Duration = Duration::from_secs(2);

/// When FFmpeg's stdout is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As it comes: an encode has delay enough, and costs so much that wake-ups don't count.
    AtOnce,
    /// On the common beat, a moment after FFmpeg was fed: what comes out of a copy is there by then.
    OnBeat,
}

/// Moves tags from FFmpeg into the outbox until the pipe ends. `produced` counts bytes; `first` is told with the first
/// media. Not to be run inside a span (entering one costs more than a read); `span` is for what it logs.
pub async fn drain(
    stdout: ChildStdout,
    pace: Pace,
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
        if pace == Pace::OnBeat && began.elapsed() > EAGER {
            stdout = stdout.by_clock();
        }
    }
}

enum Stdout {
    /// What comes wakes us.
    Reactor(ChildStdout),
    /// Outside the reactor, where each block of 32 KiB would wake this process.
    Clock(Clocked),
    /// Lost on the way from one to the other.
    Gone,
}

/// What a pipe holds that is read by the clock: 64 KiB in 5 ms are 100 Mbit/s.
const ROOMY: usize = 64 * 1024;

impl Stdout {
    fn by_clock(self) -> Self {
        match self {
            // A pipe that the kernel would not enlarge (its user's allowance is used up) is too small to be read by the clock.
            Self::Reactor(stdout) if fcntl_getpipe_size(&stdout).is_ok_and(|holds| holds >= ROOMY) => {
                stdout.into_owned_fd().and_then(Clocked::new).map_or(Self::Gone, Self::Clock)
            }
            other => other,
        }
    }

    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Reactor(stdout) => {
                buffer.reserve(PIPE);
                stdout.read_buf(buffer).await
            }
            Self::Clock(pipe) => pipe.read(buffer).await,
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

struct Clocked {
    fd: OwnedFd,
    /// What it holds at most.
    holds: usize,
    /// The last look found it half full or more: FFmpeg may be waiting for room.
    pressed: bool,
}

impl Clocked {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&fd, true)?;
        let holds = fcntl_getpipe_size(&fd)?;
        Ok(Self { fd, holds, pressed: false })
    }

    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        if self.pressed {
            sleep(PRESSED).await;
        } else {
            beat(BURST, SETTLE).await;
        }
        // To size: tags share this memory for as long as one of them waits for a publish.
        let there = ioctl_fionread(&self.fd).map_or(0, |there| usize::try_from(there).unwrap_or(0));
        buffer.reserve(there.clamp(SMALL, CAPACITY));
        self.pressed = there >= self.holds / 2;
        read_into(self.fd.as_fd(), buffer)
    }
}

/// Nothing is there now.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
