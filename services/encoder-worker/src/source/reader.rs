//! Reads a stream from a relay: HTTP-FLV with a ticket.
//!
//! A body that ends cleanly means that the source ended; a body that breaks means that the relay, or the way to it, did
//! (or that a higher epoch of our session reads now: then the next attempt is answered 409).

use std::{io, time::Duration};

use domain::{ids::StreamId, source::SourceInfo};
use rustix::buffer::spare_capacity;
use secret::{ExposeSecret, SecretString, Zeroizing};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::http::{Broken, Dechunker, Head, head, request};

/// How long connecting to a relay may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a relay may take to answer: it waits up to 8 s for the first keyframe of a new source.
const ANSWER: Duration = Duration::from_secs(10);
/// What one read may bring: more than two bursts at 20 Mbit/s.
const READ: usize = 128 << 10;

/// Reads that may follow each other when each is full: 1 MiB at once, 100 Mbit/s.
const MAX_READS: usize = 8;

/// The relay's answer.
pub enum Opened {
    /// Media follows.
    Live(Box<Reader>, SourceInfo),
    /// No such live source there.
    Absent,
    /// A higher epoch of our session reads.
    Fenced,
    /// The ticket is not (or no longer) good.
    Unauthorized,
}

/// An open body.
pub struct Reader {
    socket: Socket,
    dechunker: Dechunker,
    buffer: Vec<u8>,
    /// Body bytes that came with the head.
    early: Vec<u8>,
}

enum Socket {
    /// At first: whatever comes is there at once.
    Reactor(TcpStream),
    /// Later. In the reactor every batch of the relay would wake this process, although nobody waits for it.
    Clock(std::net::TcpStream),
    /// Lost on the way from one to the other.
    Gone,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// More bytes, or none after all; it goes on.
    More,
    /// The source ended; there may be bytes before the end.
    End,
    /// The connection broke.
    Broken,
}

/// Asks the relay at `base` for a stream. `None`: it can't be reached, or answers nonsense.
pub async fn open(base: &str, stream: StreamId, ticket: &SecretString) -> Option<Opened> {
    match timeout(ANSWER, ask(base, stream, ticket)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            tracing::debug!(%error, "relay not reached");
            None
        }
        Err(_) => None,
    }
}

async fn ask(base: &str, stream: StreamId, ticket: &SecretString) -> io::Result<Option<Opened>> {
    let authority = base.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let path = format!("/live/{stream}.flv");
    let wanted = authority.and_then(|authority| Some((authority, request(authority, &path, ticket.expose_secret())?)));
    let (authority, text) = wanted.ok_or(io::ErrorKind::InvalidInput)?;
    let text = Zeroizing::new(text);
    let mut socket = timeout(CONNECT, TcpStream::connect(authority)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    socket.set_nodelay(true)?;
    socket.write_all(text.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(READ);
    let head = read_head(&mut socket, &mut buffer).await?;
    match head.status {
        200 if head.chunked => {
            let info = head.source_info.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let early = buffer.split_off(head.length);
            let socket = Socket::Reactor(socket);
            let reader = Reader { socket, dechunker: Dechunker::default(), buffer, early };
            Ok(Some(Opened::Live(Box::new(reader), info.unwrap_or_default())))
        }
        404 => Ok(Some(Opened::Absent)),
        409 => Ok(Some(Opened::Fenced)),
        401 | 403 => Ok(Some(Opened::Unauthorized)),
        status => {
            tracing::debug!(status, "the relay doesn't serve now");
            Ok(None)
        }
    }
}

async fn read_head(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Head> {
    loop {
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = head(buffer).map_err(io::Error::other)? {
            return Ok(head);
        }
    }
}

impl Reader {
    /// From now on a read takes what is there and does not wait: the caller looks again on a clock of its own.
    pub fn by_clock(&mut self) {
        self.socket = match std::mem::replace(&mut self.socket, Socket::Gone) {
            // Stays nonblocking.
            Socket::Reactor(socket) => socket.into_std().map_or(Socket::Gone, Socket::Clock),
            other => other,
        };
    }

    /// Takes more and appends it to `out`. Waits for it, except after [`Reader::by_clock`]: then it takes all that is
    /// there. Cancel safe.
    pub async fn read(&mut self, out: &mut Vec<u8>) -> Read {
        for _ in 0..MAX_READS {
            let read = self.read_once(out).await;
            let more = matches!(self.socket, Socket::Clock(_)) && self.buffer.len() >= READ;
            if read != Read::More || !more {
                return read;
            }
        }
        Read::More
    }

    async fn read_once(&mut self, out: &mut Vec<u8>) -> Read {
        if self.early.is_empty() {
            self.buffer.clear();
            self.buffer.reserve(READ);
            match self.receive().await {
                Ok(0) => return Read::Broken,
                Ok(_) => {}
                Err(error) if is_nothing(&error) => return Read::More,
                Err(error) => {
                    tracing::debug!(%error, "relay connection broke");
                    return Read::Broken;
                }
            }
        } else {
            self.buffer = std::mem::take(&mut self.early);
        }
        match self.dechunker.push(&self.buffer, out) {
            Ok(false) => Read::More,
            Ok(true) => Read::End,
            Err(Broken) => Read::Broken,
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Reactor(socket) => socket.read_buf(&mut self.buffer).await,
            Socket::Clock(socket) => Ok(rustix::io::read(socket, spare_capacity(&mut self.buffer))?),
            Socket::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Nothing is there now.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
