//! Plays a stream from an RTMP(S) server: how an external source is pulled in.

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    time::Duration,
};

use bytes::{BufMut, BytesMut};
use domain::target::RtmpUrl;
use secret::{ExposeSecret, SecretString};
use tokio::time::timeout;

pub use super::client::{Error as PlayError, Step};
use super::{
    amf::Value,
    chunk,
    client::{Connection, Endpoint, Limits, Role, StallLimits, into_error, is_error, open, timed},
    message::{self, Command, Message},
    tls::Trust,
};
use crate::flv::{Tag, TagKind};

/// What to play.
#[derive(Clone, Debug)]
pub struct Source {
    /// Scheme, host, port and application.
    pub url: RtmpUrl,
    /// What comes after the application, with its query. May be empty; may hold a secret.
    pub play_path: SecretString,
    /// The address that was vetted. No name is resolved here.
    pub addr: SocketAddr,
}

/// Bounds of a player.
#[derive(Clone)]
pub struct Options {
    /// Whose certificates are believed (RTMPS).
    pub trust: Trust,
    /// For each of TCP connect, TLS, handshake, `connect` and `play`.
    pub step_timeout: Duration,
    /// No tag for so long (from the start on): [`PlayError::Idle`].
    pub idle_timeout: Duration,
    /// Of the peer's messages.
    pub limits: chunk::Limits,
}

impl Options {
    /// The defaults.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            step_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            limits: chunk::Limits::default(),
        }
    }
}

const CREATE_STREAM: f64 = 2.0;
const PLAY: f64 = 3.0;
/// `start` of `play` (7.2.2.1): live if there is such a stream, else recorded.
const ANY: f64 = -2_000.0;
/// User control event "Set Buffer Length" (6.2), in ms; some servers send as much at once.
const EVENT_SET_BUFFER_LENGTH: u16 = 3;
const BUFFER_MS: u32 = 3_000;
/// User control event "Stream EOF" (6.2).
const EVENT_STREAM_EOF: u16 = 1;
/// What servers say when a stream is over.
const OVER: [&str; 3] = ["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete"];

/// An accepted play; a stream of tags. Dropping it closes the connection.
pub struct Player {
    connection: Connection,
    source: Source,
    idle_timeout: Duration,
}

/// Connects and asks to play; reports each step with its duration when it is done. A server may accept before the
/// stream exists: then the first [`Player::next`] waits.
///
/// # Errors
/// See [`PlayError`].
pub async fn connect(
    source: Source,
    options: Options,
    mut steps: impl FnMut(Step, Duration) + Send,
) -> Result<Player, PlayError> {
    let unhurried = Duration::from_secs(u64::from(u32::MAX)); // we hardly write: stalls are for publishers
    let endpoint = Endpoint {
        url: &source.url,
        address: source.addr,
        secret: source.play_path.expose_secret(),
        trust: &options.trust,
        gate: None,
        unsent_limit: 64 << 10,
        limits: Limits {
            chunks: options.limits,
            stall: StallLimits { quiet: unhurried, ack_quiet: unhurried, ack_window: u64::from(u32::MAX) },
        },
        step_timeout: options.step_timeout,
        seed: RandomState::new().hash_one(0_u8),
    };
    let mut connection = open(endpoint, Role::Player, &mut steps).await?;
    timed(Step::Publish, options.step_timeout, &mut steps, play(&mut connection, &source)).await?;
    connection.enter(Step::Live);
    Ok(Player { connection, source, idle_timeout: options.idle_timeout })
}

async fn play(connection: &mut Connection, source: &Source) -> Result<(), PlayError> {
    let secret = source.play_path.expose_secret();
    connection.put(&Message::command(0, "createStream", CREATE_STREAM, &[Value::Null]));
    loop {
        let message = connection.next().await?;
        let Some(command) = message.as_command() else { continue };
        let command = command?;
        refusal(&command, CREATE_STREAM, secret)?;
        if command.name == "_result" && command.transaction == CREATE_STREAM {
            let id = command.arguments.get(1).and_then(Value::as_f64).unwrap_or(1.0) as u32;
            connection.put(&Message::command(id, "play", PLAY, &[Value::Null, secret.into(), ANY.into()]));
            connection.put(&buffer_length(id));
            return connection.flush().await;
        }
    }
}

fn buffer_length(stream_id: u32) -> Message {
    let mut body = BytesMut::with_capacity(10);
    body.put_u16(EVENT_SET_BUFFER_LENGTH);
    body.put_u32(stream_id);
    body.put_u32(BUFFER_MS);
    let (csid, type_id) = (message::CSID_CONTROL, message::USER_CONTROL);
    Message { csid, timestamp: 0, type_id, stream_id: 0, payload: body.freeze() }
}

fn refusal(command: &Command, transaction: f64, secret: &str) -> Result<(), PlayError> {
    match command.name.as_str() {
        "_error" if command.transaction == transaction => Err(into_error(&command.status(), secret)),
        "onStatus" if is_error(&command.status()) => Err(into_error(&command.status(), secret)),
        "close" => Err(PlayError::Closed(Step::Live)),
        _ => Ok(()),
    }
}

impl Player {
    /// The next tag; `None` when the server says that the stream is over.
    ///
    /// # Errors
    /// [`PlayError::Idle`] when nothing came for [`Options::idle_timeout`]; [`PlayError::Closed`] when the connection
    /// ended without a word; a refusal that came late.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Tag>, PlayError> {
        let limit = self.idle_timeout;
        timeout(limit, self.media()).await.map_err(|_| PlayError::Idle(limit))?
    }

    async fn media(&mut self) -> Result<Option<Tag>, PlayError> {
        loop {
            let message = self.connection.next().await?;
            if is_over(&message) {
                return Ok(None);
            }
            if let Some(tag) = message.to_tag().filter(|tag| !is_talk(tag)) {
                return Ok(Some(tag));
            }
            if let Some(Ok(command)) = message.as_command() {
                refusal(&command, PLAY, self.source.play_path.expose_secret())?;
            }
        }
    }
}

/// Data between server and player, not of the stream.
fn is_talk(tag: &Tag) -> bool {
    let talk: [&[u8]; 3] = [b"\x02\0\x11|RtmpSampleAccess", b"\x02\0\x08onStatus", b"\x02\0\x0conPlayStatus"];
    tag.kind == TagKind::Script && talk.iter().any(|name| tag.data.starts_with(name))
}

/// `onStatus` as a command, `onPlayStatus` as data, or Stream EOF.
fn is_over(message: &Message) -> bool {
    if let Some(control) = message.as_user_control() {
        return control.event == EVENT_STREAM_EOF;
    }
    if let Some(Ok(command)) = message.as_command() {
        return command.name == "onStatus" && OVER.contains(&command.status().code.as_str());
    }
    message.type_id == message::DATA_AMF0
        && message.payload.starts_with(b"\x02\x00\x0conPlayStatus")
        && OVER.iter().any(|code| message.payload.windows(code.len()).any(|seen| seen == code.as_bytes()))
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player").field("url", &self.source.url).finish_non_exhaustive()
    }
}
