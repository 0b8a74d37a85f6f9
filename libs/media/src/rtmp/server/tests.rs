//! A session against a scripted peer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
};

use super::*;
use crate::{
    flv::{Tag, TagKind},
    rtmp::{
        amf::Value,
        chunk::{Demuxer, Muxer},
        handshake::{Client, HandshakeError, Progress},
        message::{self, Command, Message},
    },
};

type Opened = Result<(ServerSession<DuplexStream>, PublishRequest), SessionError>;

struct Peer {
    io: DuplexStream,
    input: BytesMut,
    demuxer: Demuxer,
    muxer: Muxer,
}

impl Peer {
    async fn send(&mut self, message: &Message) {
        let mut out = BytesMut::new();
        self.muxer.write(message, &mut out);
        self.io.write_all(&out).await.unwrap();
    }

    async fn command(&mut self, stream_id: u32, name: &str, transaction: f64, arguments: &[Value]) {
        self.send(&Message::command(stream_id, name, transaction, arguments)).await;
    }

    /// The next message; `None` at the end of the connection.
    async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.demuxer.next(&mut self.input).unwrap() {
                return Some(message);
            }
            if self.io.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn until_command(&mut self, name: &str) -> Command {
        loop {
            let message = self.message().await.expect("the connection ended early");
            if let Some(Ok(command)) = message.as_command()
                && command.name == name
            {
                return command;
            }
        }
    }

    async fn until_type(&mut self, type_id: u8) -> Message {
        loop {
            let message = self.message().await.expect("the connection ended early");
            if message.type_id == type_id {
                return message;
            }
        }
    }
}

async fn connect(options: Options) -> (Peer, JoinHandle<Opened>) {
    let (ours, mut theirs) = duplex(1 << 20);
    let server = tokio::spawn(ServerSession::open(ours, options));
    let (mut out, mut input) = (BytesMut::new(), BytesMut::new());
    let mut handshake = Client::start(1, &mut out);
    loop {
        theirs.write_all(&out.split()).await.unwrap();
        if handshake.advance(&mut input, &mut out).unwrap() == Progress::Done {
            theirs.write_all(&out.split()).await.unwrap();
            break;
        }
        theirs.read_buf(&mut input).await.unwrap();
    }
    (Peer { io: theirs, input, demuxer: Demuxer::default(), muxer: Muxer::new() }, server)
}

async fn publish(options: Options, name: &str) -> (Peer, JoinHandle<Opened>) {
    let (mut peer, server) = connect(options).await;
    peer.command(0, "connect", 1.0, &[Value::object([("app", Value::from("live"))])]).await;
    assert_eq!(peer.until_command("_result").await.status().code, "NetConnection.Connect.Success");
    peer.command(0, "releaseStream", 2.0, &[Value::Null, Value::from(name)]).await;
    peer.command(0, "FCPublish", 3.0, &[Value::Null, Value::from(name)]).await;
    peer.command(0, "createStream", 4.0, &[Value::Null]).await;
    let created = loop {
        let answer = peer.until_command("_result").await;
        if answer.transaction == 4.0 {
            break answer;
        }
    };
    assert_eq!(created.arguments[1], Value::Number(1.0));
    peer.command(1, "publish", 5.0, &[Value::Null, Value::from(name), Value::from("live")]).await;
    (peer, server)
}

async fn accepted(options: Options) -> (Peer, ServerSession<DuplexStream>) {
    let (mut peer, server) = publish(options, "abcdefghijklmnop?auth=1").await;
    let (mut session, request) = server.await.unwrap().unwrap();
    assert_eq!((request.app.as_str(), request.key.expose()), ("live", "abcdefghijklmnop"));
    assert!(!format!("{request:?}").contains("efgh"), "{request:?}");
    session.accept(&request).await.unwrap();
    assert_eq!(peer.until_command("onStatus").await.status().code, "NetStream.Publish.Start");
    (peer, session)
}

fn tag(ts: u32, data: &[u8]) -> Tag {
    Tag { kind: TagKind::Video, ts, data: Bytes::copy_from_slice(data) }
}

#[tokio::test]
async fn a_publish_from_handshake_to_goodbye() {
    let (mut peer, mut session) = accepted(Options::default()).await;
    peer.send(&Message::from_tag(&tag(0, b"\x17\x01key"), 1)).await;
    peer.send(&Message::from_tag(&tag(33, &[0x27; 5000]), 1)).await;
    assert_eq!(session.next().await.unwrap().unwrap().data.len(), 5);
    assert_eq!(session.next().await.unwrap().unwrap(), tag(33, &[0x27; 5000]));
    peer.command(0, "FCUnpublish", 6.0, &[Value::Null, Value::from("x")]).await;
    assert_eq!(session.next().await.unwrap(), None);
    let closing = tokio::spawn(session.close());
    assert_eq!(peer.until_command("onStatus").await.status().code, "NetStream.Unpublish.Success");
    drop(peer);
    closing.await.unwrap();
}

#[tokio::test]
async fn unreadable_commands_and_data_end_nothing() {
    let (mut peer, mut session) = accepted(Options::default()).await;
    for type_id in [message::COMMAND_AMF0, message::COMMAND_AMF3, message::DATA_AMF3, 22, 99] {
        for payload in [&b""[..], b"\x04", b"\x00\x11\x0a\x0b\x01", b"\x0a\xff\xff\xff\xff"] {
            let payload = Bytes::copy_from_slice(payload);
            peer.send(&Message { csid: 3, timestamp: 0, type_id, stream_id: 1, payload }).await;
        }
    }
    peer.send(&Message::from_tag(&tag(40, b"\x17\x01key"), 1)).await;
    let got = loop {
        match session.next().await.unwrap().unwrap() {
            got if got.kind == TagKind::Video => break got,
            _ => {}
        }
    };
    assert_eq!(got.ts, 40);
}

#[tokio::test]
async fn a_refusal_arrives_whole_even_from_a_peer_that_keeps_sending() {
    let (mut peer, server) = publish(Options::default(), "wrong").await;
    let (session, request) = server.await.unwrap().unwrap();
    let refusing =
        tokio::spawn(async move { session.refuse_publish(&request, Refusal::bad_name("unknown key")).await });
    peer.send(&Message::from_tag(&tag(0, &[0x17; 4000]), 1)).await;
    let status = peer.until_command("onStatus").await.status();
    assert_eq!((status.level.as_str(), status.code.as_str()), ("error", "NetStream.Publish.BadName"));
    assert_eq!(status.description, "unknown key");
    assert_eq!(peer.message().await, None);
    drop(peer);
    refusing.await.unwrap();
}

#[tokio::test]
async fn an_empty_key_and_a_player_are_told_why() {
    let (mut peer, server) = publish(Options::default(), "?only=query").await;
    assert!(peer.until_command("onStatus").await.status().description.contains("no stream key"));
    drop(peer);
    assert!(matches!(server.await.unwrap(), Err(SessionError::NotPublishing(_))));

    let (mut peer, server) = connect(Options::default()).await;
    peer.command(1, "play", 0.0, &[Value::Null, Value::from("x")]).await;
    assert_eq!(peer.until_command("onStatus").await.status().code, "NetStream.Play.Failed");
    drop(peer);
    assert!(server.await.unwrap().err().unwrap().is_ordinary());
}

#[tokio::test]
async fn pings_are_answered_and_bytes_acknowledged_in_total() {
    let (mut peer, mut session) = accepted(Options::default()).await;
    peer.send(&Message::window_ack_size(0)).await; // seen in the field, means nothing
    peer.send(&Message::window_ack_size(5000)).await;
    peer.send(&Message::user_control(message::UserControl { event: message::EVENT_PING_REQUEST, value: 7 })).await;
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = session.next().await {} });
    peer.send(&Message::from_tag(&tag(0, &[0x17; 20_000]), 1)).await;
    let pong = peer.until_type(message::USER_CONTROL).await.as_user_control().unwrap();
    assert_eq!((pong.event, pong.value), (message::EVENT_PING_RESPONSE, 7));
    let first = peer.until_type(message::ACKNOWLEDGEMENT).await.as_number().unwrap();
    peer.send(&Message::from_tag(&tag(0, &[0x17; 20_000]), 1)).await;
    let second = peer.until_type(message::ACKNOWLEDGEMENT).await.as_number().unwrap();
    assert!(first >= 20_000 && second >= first + 15_000, "{first} {second}");
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn every_silence_has_an_end() {
    let (ours, _theirs) = duplex(1024);
    let waited = tokio::time::Instant::now();
    assert!(matches!(ServerSession::open(ours, Options::default()).await, Err(SessionError::Timeout)));
    assert_eq!(waited.elapsed(), Options::default().handshake_timeout);

    let (peer, server) = connect(Options::default()).await;
    assert!(matches!(server.await.unwrap(), Err(SessionError::Timeout)));
    drop(peer);

    let (mut peer, mut session) = accepted(Options::default()).await;
    peer.send(&Message::from_tag(&tag(0, b"\x17\x01key"), 1)).await;
    session.next().await.unwrap();
    // Pings are no media: an encoder that only pings is idle.
    peer.send(&Message::user_control(message::UserControl { event: message::EVENT_PING_REQUEST, value: 7 })).await;
    let waited = tokio::time::Instant::now();
    assert!(matches!(session.next().await, Err(SessionError::Timeout)));
    assert!(waited.elapsed() <= Options::default().idle_timeout + Duration::from_millis(1));
}

#[tokio::test]
async fn a_health_check_and_another_protocol_end_at_once() {
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    assert!(matches!(ServerSession::open(ours, Options::default()).await, Err(SessionError::Closed)));
    let (ours, mut theirs) = duplex(1024);
    theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let refused = ServerSession::open(ours, Options::default()).await.err().unwrap();
    assert!(matches!(refused, SessionError::Handshake(HandshakeError::Version(b'G'))));
}

#[tokio::test]
async fn before_a_key_is_shown_only_small_messages_are_taken() {
    let (mut peer, server) = connect(Options::default()).await;
    peer.send(&Message::from_tag(&tag(0, &vec![0x17; 100_000]), 1)).await;
    assert!(matches!(server.await.unwrap(), Err(SessionError::Chunk(_))));

    let (mut peer, mut session) = accepted(Options::default()).await;
    let sending = tokio::spawn(async move {
        peer.send(&Message::from_tag(&tag(0, &vec![0x17; 1_000_000]), 1)).await;
        peer
    });
    assert_eq!(session.next().await.unwrap().unwrap().data.len(), 1_000_000);
    drop(sending.await.unwrap());
    assert!(matches!(session.next().await, Err(SessionError::Closed)));
}
