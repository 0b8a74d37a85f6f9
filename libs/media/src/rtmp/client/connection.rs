//! One RTMP connection of ours: messages in, messages out, the peer's control messages answered, stalls seen.
//!
//! All state lives in the struct and everything is polled, so every future made of these methods can be dropped at
//! any time without losing a byte.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    error::{Error, Step},
    outbox::Outbox,
    stall::{Sample, StallDetector, StallLimits},
    wire::Wire,
};
use crate::rtmp::{
    chunk::{self, Demuxer, Muxer},
    handshake::{Client, Progress},
    message::{self, Message, UserControl},
};

/// Bytes asked from the socket at once.
const READ: usize = 16 << 10;
/// We acknowledge every so many bytes received until the peer says how often it wants that (FFmpeg's default).
const OUR_ACK_WINDOW: u64 = 1 << 20;
/// How often a stall is looked for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a connection may hold and wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of the peer's messages.
    pub(crate) chunks: chunk::Limits,
    /// Of its patience with the peer.
    pub(crate) stall: StallLimits,
}

/// See the module.
pub(crate) struct Connection {
    wire: Wire,
    muxer: Muxer,
    outbox: Outbox,
    demuxer: Demuxer,
    input: BytesMut,
    step: Step,
    received: u64,
    receipt_sent: u64,
    receipt_every: u64,
    stall: StallDetector,
    next_look: Instant,
    urgent: bool,
    confirmed: u64,
}

impl Connection {
    pub(crate) fn new(wire: Wire, limits: Limits) -> Self {
        let mut outbox = Outbox::default();
        outbox.start_at(wire.socket().written());
        let now = Instant::now();
        Self {
            wire,
            muxer: Muxer::new(),
            outbox,
            demuxer: Demuxer::new(limits.chunks),
            input: BytesMut::new(),
            step: Step::Handshake,
            received: 0,
            receipt_sent: 0,
            receipt_every: OUR_ACK_WINDOW,
            stall: StallDetector::new(limits.stall, now),
            next_look: next_look(now),
            urgent: false,
            confirmed: 0,
        }
    }

    /// Names the errors to come.
    pub(crate) fn enter(&mut self, step: Step) {
        self.step = step;
    }

    /// From now on what the peer says wakes nobody: whoever wants to know reads on a clock.
    pub(crate) fn by_clock(&mut self) {
        self.wire.by_clock();
    }

    /// C0 to C2.
    pub(crate) async fn handshake(&mut self, seed: u64) -> Result<(), Error> {
        let mut client = Client::start(seed, self.outbox.buffer());
        loop {
            self.flush().await?;
            self.read().await?;
            match client.advance(&mut self.input, self.outbox.buffer()).map_err(Error::Handshake)? {
                Progress::Waiting => {}
                Progress::Done => return self.flush().await,
            }
        }
    }

    /// Appends a message to what goes out; [`Connection::poll_write`] sends it.
    pub(crate) fn put(&mut self, message: &Message) {
        self.muxer.write(message, self.outbox.buffer());
    }

    /// Announces and uses a chunk size.
    pub(crate) fn set_chunk_size(&mut self, size: u32) {
        self.put(&Message::set_chunk_size(size));
        self.muxer.set_chunk_size(size);
    }

    /// Takes the next message that is not about the connection itself from what was read.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, Error> {
        while let Some(message) = self.demuxer.next(&mut self.input)? {
            if !self.serve(&message) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Waits for the next message, writing and watching for stalls meanwhile.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        poll_fn(|cx| {
            loop {
                let written = self.poll_write(cx)?;
                if let Some(message) = self.take()? {
                    return Poll::Ready(Ok(message));
                }
                let read = self.poll_read(cx)?;
                if read.is_pending() && (written.is_pending() || self.outbox.is_empty()) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Waits until everything is handed to the kernel.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_write(cx)).await
    }

    async fn read(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Writes what waits. Ready when nothing waits any more.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let step = self.step;
        let result = ready!(self.outbox.poll_write(&mut self.wire, |wire| wire.socket().written(), cx));
        self.urgent = false;
        Poll::Ready(result.map_err(|error| Error::from_io(error, step)))
    }

    /// Reads once. An end of the stream is an error: the peer never ends first while we need it.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut space = [0_u8; READ];
        let mut buffer = ReadBuf::new(&mut space);
        let step = self.step;
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut buffer)).map_err(|error| Error::from_io(error, step))?;
        let filled = buffer.filled();
        if filled.is_empty() {
            return Poll::Ready(Err(Error::Closed(step)));
        }
        self.input.extend_from_slice(filled);
        self.received += filled.len() as u64;
        self.send_receipt();
        Poll::Ready(Ok(()))
    }

    /// Looks for a stall when it is time to; returns when to call again.
    pub(crate) fn look(&mut self, now: Instant) -> Result<Instant, Error> {
        if now < self.next_look {
            return Ok(self.next_look);
        }
        self.next_look = next_look(now);
        let socket = self.wire.socket();
        let step = self.step;
        let acked = socket.acked().map_err(|error| Error::from_io(error, step))?;
        // In this order, the edge can only be under-estimated by what moves in between.
        let sample = Sample { written: socket.written(), acked, window: socket.peer_window() };
        self.outbox.forget(acked);
        match self.stall.look(sample, now) {
            Some(stall) => Err(Error::Stalled(stall)),
            None => Ok(self.next_look),
        }
    }

    /// Bytes of RTMP not yet handed to the kernel.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Something (besides `waiting` bytes, also a rest in TLS) is still to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// An answer to the peer waits, which should not wait for media.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Bytes of RTMP handed to the kernel.
    pub(crate) fn written(&self) -> u64 {
        self.outbox.written()
    }

    /// Bytes of RTMP acknowledged by the peer's kernel.
    pub(crate) fn acked(&self) -> u64 {
        self.wire.socket().acked().map_or(0, |wire| self.outbox.acked(wire))
    }

    /// Bytes written when the peer last confirmed in RTMP; 0 if it never did.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Ends our direction and waits until the peer has everything or closes. Without a bound of its own.
    pub(crate) async fn finish(&mut self) -> Result<(), Error> {
        let step = self.step;
        let named = |error| Error::from_io(error, step);
        self.flush().await?;
        self.wire.socket().linger().map_err(named)?;
        poll_fn(|cx| Pin::new(&mut self.wire).poll_shutdown(cx)).await.map_err(named)?;
        let mut poll = tokio::time::interval(Duration::from_millis(5));
        loop {
            let socket = self.wire.socket();
            if socket.acked().map_err(named)? >= socket.written() {
                return Ok(());
            }
            tokio::select! {
                read = self.read() => if read.is_err() { return Ok(()) },
                _ = poll.tick() => {}
            }
            self.input.clear();
        }
    }

    /// From now on, dropping the connection resets it and delivers nothing more. That is so from the start, until
    /// [`Connection::finish`].
    pub(crate) fn cut(&self) {
        if let Err(error) = self.wire.socket().reset_on_close() {
            tracing::debug!(%error, "socket option");
        }
    }

    /// Acknowledges what was received (5.4.3: the total).
    fn send_receipt(&mut self) {
        if self.step > Step::Handshake && self.received - self.receipt_sent >= self.receipt_every {
            self.receipt_sent = self.received;
            self.put(&Message::acknowledgement(self.received));
            self.urgent = true;
        }
    }

    /// Deals with messages about the connection itself. Set Chunk Size and Abort already took effect in the demuxer.
    fn serve(&mut self, message: &Message) -> bool {
        match message.type_id {
            message::SET_CHUNK_SIZE | message::ABORT | message::SET_PEER_BANDWIDTH => {}
            message::ACKNOWLEDGEMENT => {
                self.confirmed = self.outbox.written();
                self.stall.confirmed(self.wire.socket().written(), Instant::now());
            }
            message::WINDOW_ACK_SIZE => {
                // A peer that asks for a receipt for every byte gets one per read, at most.
                self.receipt_every = message.as_number().map_or(OUR_ACK_WINDOW, u64::from).max(READ as u64);
            }
            message::USER_CONTROL => match message.as_user_control() {
                Some(UserControl { event: message::EVENT_PING_REQUEST, value }) => {
                    self.put(&Message::user_control(UserControl { event: message::EVENT_PING_RESPONSE, value }));
                    self.urgent = true;
                }
                _ => return false,
            },
            _ => return false,
        }
        true
    }
}

/// On a grid that all connections of this process share: they wake together.
fn next_look(now: Instant) -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let since = now.saturating_duration_since(*ORIGIN.get_or_init(|| now));
    let past = since.as_nanos() % LOOK_EVERY.as_nanos();
    now + LOOK_EVERY.saturating_sub(Duration::from_nanos(u64::try_from(past).unwrap_or(0)))
}
