//! One connection of a sink, from accept to its end.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use media::rtmp::{
    amf::Value,
    chunk::{Demuxer, Muxer},
    handshake::{Progress, Server},
    message::{self, Command, EVENT_STREAM_BEGIN, Message, Status, UserControl},
};
use ring::digest;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Answer, Behaviour, Duplicate, End, Shared, Then};

/// What the test wants of a connection that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    Freeze,
    Reset,
    Close,
}

/// Bytes read at once: small, so that "after N bytes" is met closely.
const READ: usize = 8 << 10;
/// An answer that the peer does not take for so long ends the connection.
const WRITE: Duration = Duration::from_secs(5);
const WINDOW: u32 = 2_500_000;
const CHUNK_SIZE: u32 = 4096;
const STREAM_ID: u32 = 1;

/// A byte stream whose TCP socket can be reached.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves one connection as `behaviour` says.
pub(super) async fn connection(
    shared: Arc<Shared>,
    id: usize,
    behaviour: Behaviour,
    mut orders: watch::Receiver<Order>,
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
) {
    let end = async {
        tokio::time::sleep(behaviour.delay).await;
        if behaviour.answer == Answer::NeverRead {
            return until_ended(&tcp, &mut orders).await;
        }
        let _ = tcp.set_nodelay(true);
        match tls {
            None => Session::new(&shared, id, behaviour, orders, tcp).run().await,
            Some(tls) => match tls.accept(tcp).await {
                Ok(stream) => Session::new(&shared, id, behaviour, orders, stream).run().await,
                Err(_) => End::Broken,
            },
        }
    };
    let end = end.await;
    shared.note(id, |seen| seen.ended = Some((std::time::Instant::now(), end)));
}

/// Reads nothing until the test ends it.
async fn until_ended(tcp: &TcpStream, orders: &mut watch::Receiver<Order>) -> End {
    while !matches!(*orders.borrow_and_update(), Order::Reset | Order::Close) {
        if orders.changed().await.is_err() {
            break;
        }
    }
    reset(tcp);
    End::ByUs
}

fn reset(tcp: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
}

/// Why a session goes no further.
enum Stop {
    Ended(End),
    /// What waits is written first.
    AfterAnswer(End),
}

struct Session<'a, S> {
    shared: &'a Shared,
    id: usize,
    behaviour: Behaviour,
    orders: watch::Receiver<Order>,
    stream: S,
    input: BytesMut,
    output: BytesMut,
    demuxer: Demuxer,
    muxer: Muxer,
    received: u64,
    acked: u64,
    ack_every: Option<u64>,
    publishing: bool,
    media: u64,
}

impl<'a, S: Stream> Session<'a, S> {
    fn new(shared: &'a Shared, id: usize, behaviour: Behaviour, orders: watch::Receiver<Order>, stream: S) -> Self {
        Self {
            shared,
            id,
            behaviour,
            orders,
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            demuxer: Demuxer::default(),
            muxer: Muxer::new(),
            received: 0,
            acked: 0,
            ack_every: None,
            publishing: false,
            media: 0,
        }
    }

    async fn run(mut self) -> End {
        match self.serve().await {
            Stop::Ended(end) => end,
            Stop::AfterAnswer(end) => {
                let _ = self.write().await;
                let _ = timeout(WRITE, self.stream.shutdown()).await;
                end
            }
        }
    }

    async fn serve(&mut self) -> Stop {
        let mut handshake = Server::default();
        loop {
            if let Err(stop) = self.read().await {
                return stop;
            }
            if self.behaviour.answer == Answer::SilentHandshake {
                self.input.clear();
                continue;
            }
            match handshake.advance(&mut self.input, &mut self.output) {
                Ok(Progress::Done) => break,
                Ok(Progress::Waiting) => {}
                Err(_) => return Stop::Ended(End::Broken),
            }
            if let Err(stop) = self.write().await {
                return stop;
            }
        }
        loop {
            loop {
                match self.demuxer.next(&mut self.input) {
                    Ok(None) => break,
                    Err(_) => return Stop::Ended(End::Broken),
                    Ok(Some(message)) => {
                        if let Err(stop) = self.obey(&message) {
                            return stop;
                        }
                    }
                }
            }
            if let Err(stop) = self.write().await {
                return stop;
            }
            if let Err(stop) = self.read().await {
                return stop;
            }
        }
    }

    /// Reads once, unless script or order say otherwise.
    async fn read(&mut self) -> Result<(), Stop> {
        let left = match self.behaviour.then {
            Then::Keep => u64::MAX,
            Then::StopReading(after) | Then::Reset(after) | Then::Close(after) => after.saturating_sub(self.media),
        };
        let mut stopped = false;
        if self.publishing && left == 0 {
            match self.behaviour.then {
                Then::Reset(_) => return self.end_by_reset(),
                Then::Close(_) => return Err(Stop::AfterAnswer(End::ByUs)),
                Then::StopReading(_) | Then::Keep => stopped = true,
            }
        }
        let room = if self.publishing { left.min(READ as u64) as usize } else { READ };
        let mut space = [0_u8; READ];
        loop {
            let order = *self.orders.borrow_and_update();
            match order {
                Order::Reset => return self.end_by_reset(),
                Order::Close => return Err(Stop::AfterAnswer(End::ByUs)),
                Order::Run | Order::Freeze => {}
            }
            tokio::select! {
                biased;
                changed = self.orders.changed() => if changed.is_err() { return self.end_by_reset() },
                read = self.stream.read(&mut space[..room]), if !stopped && order != Order::Freeze => {
                    return match read {
                        Ok(0) => Err(Stop::Ended(End::Closed)),
                        Ok(read) => { self.received(&space[..read]); Ok(()) }
                        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(Stop::Ended(End::Closed)),
                        Err(_) => Err(Stop::Ended(End::Reset)),
                    };
                }
            }
        }
    }

    fn end_by_reset(&self) -> Result<(), Stop> {
        reset(self.stream.tcp());
        Err(Stop::Ended(End::ByUs))
    }

    fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.received += bytes.len() as u64;
        if self.publishing {
            self.media += bytes.len() as u64;
        }
        self.shared.note(self.id, |seen| seen.received(bytes.len()));
        if self.ack_every.is_some_and(|every| self.received - self.acked >= every) {
            self.acked = self.received;
            self.put(&Message::acknowledgement(self.received));
        }
    }

    async fn write(&mut self) -> Result<(), Stop> {
        let written = timeout(WRITE, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => {
                self.output.clear();
                Ok(())
            }
            _ => Err(Stop::Ended(End::Reset)),
        }
    }

    fn put(&mut self, message: &Message) {
        self.muxer.write(message, &mut self.output);
    }

    fn obey(&mut self, message: &Message) -> Result<(), Stop> {
        if message.type_id == message::WINDOW_ACK_SIZE && self.shared.options.acknowledge {
            self.ack_every = message.as_number().map(|every| u64::from(every.max(1)));
        }
        if let Some(Ok(command)) = message.as_command() {
            return self.command(&command, message.stream_id);
        }
        if let Some(tag) = message.to_tag().filter(|_| self.publishing) {
            let keep = self.shared.options.keep_bytes;
            self.shared.note(self.id, |seen| seen.tag(tag, keep));
        }
        Ok(())
    }

    fn command(&mut self, command: &Command, stream_id: u32) -> Result<(), Stop> {
        match command.name.as_str() {
            "connect" => self.greet(command),
            "createStream" => {
                let answer = [Value::Null, Value::Number(STREAM_ID.into())];
                self.put(&Message::command(0, "_result", command.transaction, &answer));
                Ok(())
            }
            "releaseStream" | "FCPublish" => {
                self.put(&Message::command(0, "_result", command.transaction, &[Value::Null]));
                Ok(())
            }
            "publish" => self.publish(command.text(1).unwrap_or_default(), stream_id),
            "deleteStream" | "closeStream" if self.publishing => {
                self.status(stream_id, "status", "NetStream.Unpublish.Success", "bye");
                Err(Stop::AfterAnswer(End::Unpublished))
            }
            _ => Ok(()),
        }
    }

    fn greet(&mut self, command: &Command) -> Result<(), Stop> {
        let text = |key| command.arguments.first().and_then(|about| about.get(key)).and_then(Value::as_str);
        let (app, tc_url) = (text("app").unwrap_or_default(), text("tcUrl").unwrap_or_default());
        self.shared.note(self.id, |seen| {
            app.clone_into(&mut seen.app);
            tc_url.clone_into(&mut seen.tc_url);
        });
        self.put(&Message::window_ack_size(WINDOW));
        self.put(&Message::peer_bandwidth(WINDOW));
        self.put(&Message::set_chunk_size(CHUNK_SIZE));
        self.muxer.set_chunk_size(CHUNK_SIZE);
        let refuse = self.behaviour.answer == Answer::RefuseConnect;
        let (name, level, code) = if refuse {
            ("_error", "error", "NetConnection.Connect.Rejected")
        } else {
            ("_result", "status", "NetConnection.Connect.Success")
        };
        let status = status(level, code, "as the test wants it").to_value();
        let version = Value::object([("fmsVer", Value::from("FMS/3,0,1,123")), ("capabilities", Value::from(31.0))]);
        self.put(&Message::command(0, name, command.transaction, &[version, status]));
        if refuse { Err(Stop::AfterAnswer(End::ByUs)) } else { Ok(()) }
    }

    fn publish(&mut self, key: &str, stream_id: u32) -> Result<(), Stop> {
        let hash = digest::digest(&digest::SHA256, key.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.shared.note(self.id, |seen| seen.key_sha256.clone_from(&hash));
        match self.behaviour.answer.clone() {
            Answer::CloseOnPublish => return Err(Stop::AfterAnswer(End::ByUs)),
            Answer::RefuseKey { code, description } => {
                self.status(stream_id, "error", &code, &description.replace("{key}", key));
                return Err(Stop::AfterAnswer(End::ByUs));
            }
            _ => {}
        }
        if !self.may_publish(&hash) {
            self.status(stream_id, "error", "NetStream.Publish.BadName", "Already publishing");
            return Err(Stop::AfterAnswer(End::ByUs));
        }
        self.publishing = true;
        self.put(&Message::user_control(UserControl { event: EVENT_STREAM_BEGIN, value: stream_id }));
        self.status(stream_id, "status", "NetStream.Publish.Start", "Start publishing");
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Settles who publishes a key; under one lock, so that two cannot both win.
    fn may_publish(&self, hash: &str) -> bool {
        let mut state = self.shared.state();
        let others: Vec<usize> = state
            .seen
            .iter()
            .filter(|seen| seen.id != self.id && seen.is_live() && seen.key_sha256 == hash)
            .map(|seen| seen.id)
            .collect();
        match self.shared.options.duplicate {
            Duplicate::Refuse if !others.is_empty() => return false,
            Duplicate::KickFirst => others.iter().for_each(|id| {
                state.orders[*id].send_replace(Order::Close);
            }),
            Duplicate::Refuse | Duplicate::TakeBoth => {}
        }
        state.seen[self.id].published_at = Some(std::time::Instant::now());
        true
    }

    fn status(&mut self, stream_id: u32, level: &str, code: &str, description: &str) {
        let status = status(level, code, description).to_value();
        self.put(&Message::command(stream_id, "onStatus", 0.0, &[Value::Null, status]));
    }
}

fn status(level: &str, code: &str, description: &str) -> Status {
    Status { level: level.to_owned(), code: code.to_owned(), description: description.to_owned() }
}
