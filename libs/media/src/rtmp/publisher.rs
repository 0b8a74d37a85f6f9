//! Publishes tags to an RTMP(S) server and knows what became of them.
//!
//! Everything runs in the caller's task: [`Publisher::send`] appends to a bounded buffer and writes when it is worth a
//! system call; [`Publisher::drive`] does the rest (timed writes, the peer's messages, stall detection) and belongs
//! into a `select!` beside whatever produces tags. Dropping any of these futures loses nothing.
//!
//! Dropping a [`Publisher`] (or dying) resets the connection: what the kernel still holds is thrown away, so that
//! nothing arrives after a successor took over. Only [`Publisher::close`] says goodbye.

use std::{
    convert::Infallible,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use domain::target::RtmpUrl;
use secret::StreamKey;
use tokio::time::{Sleep, sleep_until, timeout};

pub use super::client::{Error as PublishError, Gate, Opened, Shut, Sign, Stall, Step};
use super::{
    amf::Value,
    chunk,
    client::{Connection, Endpoint, Limits, Role, StallLimits, into_error, is_error, open, timed},
    message::{Command, Message},
    tls::Trust,
};
use crate::flv::{Tag, TagKind, metadata};

/// Where to publish.
#[derive(Clone, Debug)]
pub struct Target {
    /// Scheme, host, port and application.
    pub url: RtmpUrl,
    /// The last part of the path.
    pub key: StreamKey,
    /// The address that was vetted. No name is resolved here.
    pub addr: SocketAddr,
}

/// Bounds and habits of a publisher.
#[derive(Clone)]
pub struct Options {
    /// Whose certificates are believed (RTMPS).
    pub trust: Trust,
    /// Asked before each write to the socket, from the first byte on.
    pub gate: Option<Arc<dyn Gate>>,
    /// For each of TCP connect, TLS, handshake, `connect` and `publish`.
    pub step_timeout: Duration,
    /// For the goodbye of [`Publisher::close`].
    pub close_timeout: Duration,
    /// Nothing acknowledged, or nothing read by the peer, for so long: [`PublishError::Stalled`].
    pub stall_timeout: Duration,
    /// No RTMP acknowledgement for so long from a peer that used to send them.
    pub ack_timeout: Duration,
    /// How many bytes the peer is asked to acknowledge at a time. 64 KiB is one second at 500 kbit/s.
    pub ack_window: u32,
    /// Outgoing chunk size. 4096 is what OBS uses, so every platform has seen it; it costs one byte in 4096.
    pub chunk_size: u32,
    /// `send` waits while more than this waits to be written.
    pub max_buffer: usize,
    /// Tags wait so long for company before they are written: 25 writes a second instead of 77.
    pub coalesce: Duration,
    /// This much is written at once, without waiting.
    pub coalesce_bytes: usize,
    /// After the publish was accepted the peer's messages are read this often at most, on the occasion of a write or of
    /// a look for stalls (four a second). Read as they come they would cost a wake-up each.
    pub listen_every: Duration,
    /// `TCP_NOTSENT_LOWAT`: all that the kernel may send when this process is paused, besides what is in flight.
    pub unsent_limit: u32,
    /// Announce Enhanced RTMP codecs in `connect`.
    pub enhanced: bool,
}

impl Options {
    /// The defaults, without a gate.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            gate: None,
            step_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(4),
            ack_timeout: Duration::from_secs(5),
            ack_window: 64 << 10,
            chunk_size: 4096,
            max_buffer: 512 << 10,
            coalesce: Duration::from_millis(40),
            coalesce_bytes: 64 << 10,
            listen_every: Duration::from_millis(70),
            unsent_limit: 64 << 10,
            enhanced: false,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            // A server has little to say to a publisher.
            chunks: chunk::Limits { max_message: 64 << 10, max_chunk_streams: 16, max_pending: 128 << 10 },
            stall: StallLimits {
                quiet: self.stall_timeout,
                ack_quiet: self.ack_timeout,
                ack_window: self.ack_window.into(),
            },
        }
    }
}

/// Largest body RTMP can carry.
const MAX_BODY: usize = 0xff_ffff;
/// Transaction ids of our commands.
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;

/// An accepted publish. See the module.
pub struct Publisher {
    connection: Connection,
    options: Options,
    key: StreamKey,
    stream_id: u32,
    /// Where media starts in the byte counts.
    media_at: u64,
    last_write: Instant,
    listen_at: Instant,
    timer: Pin<Box<Sleep>>,
}

/// Connects and publishes; reports each step with its duration when it is done.
///
/// # Errors
/// See [`PublishError`]. With [`PublishError::Tls`] and anything earlier, no byte of the key was sent.
///
/// # Cancel safety
/// Dropping the future resets the connection.
pub async fn connect(
    target: Target,
    options: Options,
    mut steps: impl FnMut(Step, Duration) + Send,
) -> Result<Publisher, PublishError> {
    let endpoint = Endpoint {
        url: &target.url,
        address: target.addr,
        secret: target.key.expose(),
        trust: &options.trust,
        gate: options.gate.clone(),
        unsent_limit: options.unsent_limit,
        limits: options.limits(),
        step_timeout: options.step_timeout,
        seed: RandomState::new().hash_one(0_u8),
    };
    let mut connection = open(endpoint, Role::Publisher { enhanced: options.enhanced }, &mut steps).await?;
    let publish = publish(&mut connection, &options, &target.key);
    let stream_id = timed(Step::Publish, options.step_timeout, &mut steps, publish).await?;
    connection.enter(Step::Live);
    connection.by_clock();
    let media_at = connection.written();
    let now = Instant::now();
    let timer = Box::pin(sleep_until(now.into()));
    let key = target.key;
    Ok(Publisher { connection, options, key, stream_id, media_at, last_write: now, listen_at: now, timer })
}

async fn publish(connection: &mut Connection, options: &Options, key: &StreamKey) -> Result<u32, PublishError> {
    let name = || Value::from(key.expose());
    connection.set_chunk_size(options.chunk_size);
    connection.put(&Message::window_ack_size(options.ack_window));
    connection.put(&Message::command(0, "releaseStream", RELEASE_STREAM, &[Value::Null, name()]));
    connection.put(&Message::command(0, "FCPublish", FC_PUBLISH, &[Value::Null, name()]));
    connection.put(&Message::command(0, "createStream", CREATE_STREAM, &[Value::Null]));
    loop {
        let message = connection.next().await?;
        let Some(command) = message.as_command() else { continue };
        let command = command?;
        refusal(&command, CREATE_STREAM, key.expose())?;
        if command.name == "_result" && command.transaction == CREATE_STREAM {
            let id = command.arguments.get(1).and_then(Value::as_f64).unwrap_or(1.0) as u32;
            let arguments = [Value::Null, name(), Value::from("live")];
            connection.put(&Message::command(id, "publish", PUBLISH, &arguments));
            return accepted(connection, id, key).await;
        }
    }
}

async fn accepted(connection: &mut Connection, id: u32, key: &StreamKey) -> Result<u32, PublishError> {
    loop {
        let message = connection.next().await?;
        let Some(command) = message.as_command() else { continue };
        let command = command?;
        refusal(&command, PUBLISH, key.expose())?;
        if command.name == "onStatus" && command.status().code == "NetStream.Publish.Start" {
            return Ok(id);
        }
    }
}

/// Whether the peer says no to what was asked by `transaction`, or altogether. Errors of `releaseStream` and
/// `FCPublish`, which many servers do not know, say nothing.
fn refusal(command: &Command, transaction: f64, secret: &str) -> Result<(), PublishError> {
    let status = || command.status();
    match command.name.as_str() {
        "_error" if command.transaction == transaction => Err(into_error(&status(), secret)),
        "onStatus" if is_error(&status()) => Err(into_error(&status(), secret)),
        "onStatus" if status().code == "NetConnection.Connect.Closed" => Err(PublishError::Closed(Step::Publish)),
        "close" => Err(PublishError::Closed(Step::Publish)),
        _ => Ok(()),
    }
}

impl Publisher {
    /// Appends a tag, and writes if that is due. Script tags get `@setDataFrame`. Waits while more than
    /// [`Options::max_buffer`] is to be written: the caller decides what to drop meanwhile (see
    /// [`Publisher::waiting`]).
    ///
    /// # Errors
    /// Whatever ended the connection. The tag is then lost.
    ///
    /// # Cancel safety
    /// The tag is either appended whole or not at all.
    pub async fn send(&mut self, tag: &Tag) -> Result<(), PublishError> {
        if tag.data.len() > MAX_BODY {
            return Err(PublishError::TagTooBig(tag.data.len()));
        }
        if self.connection.waiting() > self.options.max_buffer {
            self.until_below(self.options.max_buffer).await?;
        }
        self.connection.put(&match tag.kind {
            TagKind::Script => {
                let data = metadata::with_set_data_frame(&tag.data);
                Message::from_tag(&Tag { data, ..tag.clone() }, self.stream_id)
            }
            TagKind::Audio | TagKind::Video => Message::from_tag(tag, self.stream_id),
        });
        if Instant::now() < self.due() {
            return Ok(());
        }
        poll_fn(|cx| Poll::Ready(self.turn(cx))).await.map(|_| ())
    }

    /// Hands everything to the kernel.
    ///
    /// # Errors
    /// Whatever ended the connection.
    pub async fn flush(&mut self) -> Result<(), PublishError> {
        self.last_write = Instant::now().checked_sub(self.options.coalesce).unwrap_or(self.last_write);
        self.until_below(0).await
    }

    /// Writes what is due, answers the peer and watches it. Ends only with an error.
    ///
    /// # Errors
    /// Whatever ended the connection.
    pub async fn drive(&mut self) -> Result<Infallible, PublishError> {
        poll_fn(|cx| self.poll_drive(cx)).await
    }

    /// Bytes that wait to be written. Above [`Options::max_buffer`], `send` waits.
    pub fn waiting(&self) -> usize {
        self.connection.waiting()
    }

    /// Bytes of RTMP handed to the kernel, handshake included.
    pub fn written(&self) -> u64 {
        self.connection.written()
    }

    /// Bytes of RTMP that the peer has acknowledged at TCP level, handshake included. Never shrinks. Under TLS this is
    /// the plain text in the acknowledged ciphertext, exact to one TLS record.
    pub fn acked(&self) -> u64 {
        self.connection.acked()
    }

    /// The part of [`Publisher::acked`] that came after the server accepted the publish.
    pub fn media_acked(&self) -> u64 {
        self.acked().saturating_sub(self.media_at)
    }

    /// Bytes written when the peer last sent an RTMP acknowledgement; 0 if it never did.
    pub fn confirmed(&self) -> u64 {
        self.connection.confirmed()
    }

    /// Writes what waits, unpublishes, and waits (at most [`Options::close_timeout`]) until the peer has everything.
    /// Returns [`Publisher::media_acked`] of the whole session. A peer that does not play along is cut.
    pub async fn close(mut self) -> u64 {
        let name = Value::from(self.key.expose());
        let id = Value::Number(self.stream_id.into());
        self.connection.put(&Message::command(0, "FCUnpublish", FC_UNPUBLISH, &[Value::Null, name]));
        self.connection.put(&Message::command(0, "deleteStream", DELETE_STREAM, &[Value::Null, id]));
        match timeout(self.options.close_timeout, self.connection.finish()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "goodbye not delivered"),
            Err(_) => {
                tracing::debug!("goodbye not acknowledged in time");
                self.connection.cut();
            }
        }
        self.media_acked()
    }

    /// Resets the connection now. What the kernel has not delivered is thrown away.
    pub fn abort(self) {
        self.connection.cut();
    }

    /// When what waits must be written.
    fn due(&self) -> Instant {
        if self.connection.is_urgent() || self.connection.waiting() >= self.options.coalesce_bytes {
            return self.last_write;
        }
        self.last_write + self.options.coalesce
    }

    async fn until_below(&mut self, limit: usize) -> Result<(), PublishError> {
        poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.poll_drive(cx) {
                return Poll::Ready(Err(error));
            }
            let done = self.connection.waiting() <= limit && (limit > 0 || self.connection.is_idle());
            if done { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Infallible, PublishError>> {
        loop {
            let wake = self.turn(cx)?.into();
            // Early is fine (one more turn), late is not: an armed timer is only moved forward.
            if self.timer.is_elapsed() || wake < self.timer.deadline() {
                self.timer.as_mut().reset(wake);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Does what can be done now; returns when to do more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Instant, PublishError> {
        let now = Instant::now();
        if now >= self.listen_at {
            self.listen_at = now + self.options.listen_every;
            self.listen(cx)?;
        }
        let mut wake = self.connection.look(now)?;
        if !self.connection.is_idle() {
            let due = self.due();
            if due > now {
                wake = wake.min(due);
            } else if self.connection.poll_write(cx)?.is_ready() {
                self.last_write = now;
            }
        }
        Ok(wake)
    }

    /// Reads whatever the peer has sent.
    fn listen(&mut self, cx: &mut Context<'_>) -> Result<(), PublishError> {
        while self.connection.poll_read(cx)?.is_ready() {
            while let Some(message) = self.connection.take()? {
                // What cannot be read does not matter any more: the publish was accepted.
                if let Some(Ok(command)) = message.as_command() {
                    refusal(&command, PUBLISH, self.key.expose()).map_err(|error| match error {
                        PublishError::Closed(_) => PublishError::Closed(Step::Live),
                        other => other,
                    })?;
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("key", &self.key).field("written", &self.written()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_may_move_between_threads() {
        fn check<T: Send>() {}
        check::<Publisher>();
        check::<crate::rtmp::player::Player>();
    }
}
