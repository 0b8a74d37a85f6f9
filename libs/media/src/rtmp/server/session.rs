//! The command side: what a publisher asks for and what it is answered.

use std::fmt;

use secret::StreamKey;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Options, io::Wire};
use crate::{
    flv::Tag,
    rtmp::{
        amf::Value,
        chunk::ChunkError,
        handshake::{self, HandshakeError, Progress},
        message::{Command, EVENT_STREAM_BEGIN, Message, Status, UserControl},
    },
};

/// Why a session ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The peer closed the connection (a health check closes it before the first byte).
    #[error("connection closed")]
    Closed,
    /// A bound of [`Options`] passed.
    #[error("timed out")]
    Timeout,
    /// The peer speaks another protocol.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The chunk stream is broken or above its limits.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The peer wanted something else than to publish, and was told so.
    #[error("not a publish: {0}")]
    NotPublishing(&'static str),
    /// The socket failed.
    #[error("connection lost")]
    Io(#[from] std::io::Error),
}

/// A publisher asks to publish.
pub struct PublishRequest {
    /// The application name (`live`).
    pub app: String,
    /// The stream key, without a query.
    pub key: StreamKey,
    /// What followed the key's `?`. Some platforms make it part of the secret.
    pub query: Option<String>,
    stream_id: u32,
}

impl fmt::Debug for PublishRequest {
    // `app` is what a person typed: some paste the key there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest").field("key", &self.key.masked()).finish_non_exhaustive()
    }
}

/// Why a publish is refused or cut. FFmpeg shows `text` as "Server error: …", OBS its own sentence for `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `NetStream.…`
    pub code: &'static str,
    /// A sentence for the streamer.
    pub text: &'static str,
}

impl Refusal {
    /// `NetStream.Publish.BadName`: what every encoder understands as "this key, or not now".
    pub fn bad_name(text: &'static str) -> Self {
        Self { code: "NetStream.Publish.BadName", text }
    }
}

/// One connection, from the handshake to the end of its publish.
pub struct ServerSession<S> {
    wire: Wire<S>,
    options: Options,
    stream_id: u32,
    idle_deadline: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerSession<S> {
    /// Runs the handshake and the commands up to `publish`. Then call `accept` or `refuse`.
    ///
    /// # Errors
    /// [`SessionError`]: the connection is of no use; drop it. A peer that asks to play, or publishes with an empty or
    /// unusable key, has been told so.
    pub async fn open(io: S, options: Options) -> Result<(Self, PublishRequest), SessionError> {
        let mut wire = Wire::new(io, &options);
        let deadline = Instant::now() + options.handshake_timeout;
        let mut handshake = handshake::Server::default();
        while handshake.advance(&mut wire.input, &mut wire.output)? == Progress::Waiting {
            wire.fill(deadline).await?;
        }
        let mut session = Self { wire, options, stream_id: 0, idle_deadline: deadline };
        match session.commands().await? {
            Ok(request) => Ok((session, request)),
            Err((stream_id, refusal)) => {
                session.refuse(stream_id, refusal).await;
                Err(SessionError::NotPublishing(refusal.text))
            }
        }
    }

    async fn commands(&mut self) -> Result<Result<PublishRequest, (u32, Refusal)>, SessionError> {
        let deadline = Instant::now() + self.options.command_timeout;
        let (mut app, mut streams) = (String::new(), 0);
        loop {
            let message = self.wire.message(deadline).await?;
            // What is no command, or none that can be read, is somebody's extension.
            let Some(Ok(command)) = message.as_command() else { continue };
            match command.name.as_str() {
                "connect" => {
                    let asked = command.arguments.first().and_then(|o| o.get("app")).and_then(Value::as_str);
                    app = asked.unwrap_or_default().chars().take(128).collect();
                    self.answer_connect(&command);
                }
                "createStream" => {
                    streams += 1;
                    self.answer(&command, &[Value::Null, Value::Number(streams.into())]);
                }
                "releaseStream" | "FCPublish" => self.answer(&command, &[Value::Null, Value::Undefined]),
                "publish" => return Ok(publish_request(app, &command, message.stream_id)),
                "play" | "play2" => return Ok(Err((message.stream_id, NO_PLAY))),
                _ => {}
            }
        }
    }

    fn answer_connect(&mut self, command: &Command) {
        let Options { window, chunk_size, .. } = self.options;
        self.wire.queue(&Message::window_ack_size(window));
        self.wire.queue(&Message::peer_bandwidth(window));
        self.wire.set_chunk_size(chunk_size);
        let properties =
            Value::object([("fmsVer", Value::from("FMS/3,0,1,123")), ("capabilities", Value::Number(31.0))]);
        let information = Value::object([
            ("level", Value::from("status")),
            ("code", Value::from("NetConnection.Connect.Success")),
            ("description", Value::from("Connection succeeded.")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.answer(command, &[properties, information]);
    }

    fn answer(&mut self, command: &Command, arguments: &[Value]) {
        self.wire.queue(&Message::command(0, "_result", command.transaction, arguments));
    }

    fn status(&mut self, stream_id: u32, level: &str, code: &str, text: &str) {
        let status = Status { level: level.into(), code: code.into(), description: text.into() };
        self.wire.queue(&Message::command(stream_id, "onStatus", 0.0, &[Value::Null, status.to_value()]));
    }

    /// Tells the publisher to go on. From here [`Self::next`] yields its tags.
    ///
    /// # Errors
    /// [`SessionError`]: the connection failed meanwhile.
    pub async fn accept(&mut self, request: &PublishRequest) -> Result<(), SessionError> {
        self.stream_id = request.stream_id;
        self.wire.set_limits(self.options.limits);
        self.wire.queue(&Message::user_control(UserControl { event: EVENT_STREAM_BEGIN, value: self.stream_id }));
        self.status(self.stream_id, "status", "NetStream.Publish.Start", "Publishing.");
        self.idle_deadline = Instant::now() + self.options.idle_timeout;
        self.wire.flush().await
    }

    /// Answers with an error status and closes in good order, within [`Options::linger`].
    pub async fn refuse_publish(self, request: &PublishRequest, refusal: Refusal) {
        self.refuse(request.stream_id, refusal).await;
    }

    /// Ends a running publish with an error status, within [`Options::linger`].
    pub async fn cut(self, refusal: Refusal) {
        let stream_id = self.stream_id;
        self.refuse(stream_id, refusal).await;
    }

    async fn refuse(mut self, stream_id: u32, refusal: Refusal) {
        self.status(stream_id, "error", refusal.code, refusal.text);
        self.wire.close(self.options.linger).await;
    }

    /// The next tag, or `None` when the publisher ended its publish. Cancel safe.
    ///
    /// # Errors
    /// [`SessionError`]: the publish is over without a good-bye.
    pub async fn next(&mut self) -> Result<Option<Tag>, SessionError> {
        loop {
            let message = self.wire.message(self.idle_deadline).await?;
            if let Some(tag) = message.to_tag() {
                self.idle_deadline = Instant::now() + self.options.idle_timeout;
                return Ok(Some(tag));
            }
            if let Some(Ok(command)) = message.as_command()
                && self.ends_publish(&command)
            {
                return Ok(None);
            }
        }
    }

    fn ends_publish(&mut self, command: &Command) -> bool {
        match command.name.as_str() {
            "FCUnpublish" | "deleteStream" | "closeStream" => {
                self.status(self.stream_id, "status", "NetStream.Unpublish.Success", "Stopped publishing.");
                true
            }
            // Some encoders repeat these while they publish; an unanswered one makes them wait.
            "releaseStream" | "FCPublish" => {
                self.answer(command, &[Value::Null, Value::Undefined]);
                false
            }
            _ => false,
        }
    }

    /// Closes in good order after [`Self::next`] returned `None`, within [`Options::linger`].
    pub async fn close(self) {
        self.wire.close(self.options.linger).await;
    }

    /// Bytes received so far, handshake included.
    pub fn received(&self) -> u64 {
        self.wire.received()
    }
}

const NO_PLAY: Refusal = Refusal { code: "NetStream.Play.Failed", text: "this server takes publishers only" };
const NO_KEY: Refusal =
    Refusal { code: "NetStream.Publish.BadName", text: "no stream key: copy it from the stream's settings" };

fn publish_request(app: String, command: &Command, stream_id: u32) -> Result<PublishRequest, (u32, Refusal)> {
    let name = command.text(1).unwrap_or_default();
    let (bare, query) = name.split_once('?').map_or((name, None), |(bare, query)| (bare, Some(query.to_owned())));
    match StreamKey::new(bare.to_owned()) {
        Ok(key) => Ok(PublishRequest { app, key, query, stream_id }),
        Err(_) => Err((stream_id, NO_KEY)),
    }
}

impl SessionError {
    /// Whether this is everyday life (scanners, health checks, encoders that go away) rather than worth a warning.
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::Closed | Self::NotPublishing(_) | Self::Handshake(HandshakeError::Version(_)))
            || matches!(self, Self::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset)
    }
}
