//! RTMP messages: the struct, the type numbers and the protocol control messages (sections 5.4, 6.2 and 7.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::amf::{self, Value};
use crate::flv::{Tag, TagKind};

/// Set Chunk Size (5.4.1).
pub const SET_CHUNK_SIZE: u8 = 1;
/// Abort Message (5.4.2).
pub const ABORT: u8 = 2;
/// Acknowledgement (5.4.3).
pub const ACKNOWLEDGEMENT: u8 = 3;
/// User Control Message (6.2).
pub const USER_CONTROL: u8 = 4;
/// Window Acknowledgement Size (5.4.4).
pub const WINDOW_ACK_SIZE: u8 = 5;
/// Set Peer Bandwidth (5.4.5).
pub const SET_PEER_BANDWIDTH: u8 = 6;
/// Audio data.
pub const AUDIO: u8 = 8;
/// Video data.
pub const VIDEO: u8 = 9;
/// Data message in AMF3: one zero byte, then AMF0 in practice.
pub const DATA_AMF3: u8 = 15;
/// Command message in AMF3: one zero byte, then AMF0 in practice.
pub const COMMAND_AMF3: u8 = 17;
/// Data message in AMF0.
pub const DATA_AMF0: u8 = 18;
/// Command message in AMF0.
pub const COMMAND_AMF0: u8 = 20;

/// Chunk stream of protocol control messages (fixed by the protocol).
pub const CSID_CONTROL: u32 = 2;
/// Chunk stream we use for commands.
pub const CSID_COMMAND: u32 = 3;
/// Chunk stream we use for audio.
pub const CSID_AUDIO: u32 = 4;
/// Chunk stream we use for video.
pub const CSID_VIDEO: u32 = 6;
/// Chunk stream we use for data (metadata).
pub const CSID_DATA: u32 = 5;

/// User control event: a stream may be used.
pub const EVENT_STREAM_BEGIN: u16 = 0;
/// User control event: ping request, to be answered with the same 4 bytes.
pub const EVENT_PING_REQUEST: u16 = 6;
/// User control event: the answer to a ping.
pub const EVENT_PING_RESPONSE: u16 = 7;

/// One reassembled (or to be sent) RTMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Chunk stream id, 2..=65599.
    pub csid: u32,
    /// Absolute time in ms, modulo 2^32.
    pub timestamp: u32,
    /// One of this module's type numbers.
    pub type_id: u8,
    /// Message stream id; 0 for control.
    pub stream_id: u32,
    /// The body.
    pub payload: Bytes,
}

/// A user control message (6.2): the event and its first 4 bytes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserControl {
    /// `EVENT_…`.
    pub event: u16,
    /// Stream id, or the ping's time.
    pub value: u32,
}

impl Message {
    fn control(type_id: u8, payload: Bytes) -> Self {
        Self { csid: CSID_CONTROL, timestamp: 0, type_id, stream_id: 0, payload }
    }

    fn number(type_id: u8, value: u32) -> Self {
        Self::control(type_id, Bytes::copy_from_slice(&value.to_be_bytes()))
    }

    /// Announces our chunk size. The muxer must be told too: [`super::chunk::Muxer::set_chunk_size`].
    pub fn set_chunk_size(size: u32) -> Self {
        Self::number(SET_CHUNK_SIZE, size & 0x7fff_ffff)
    }

    /// Acknowledges the *total* number of bytes received, modulo 2^32.
    pub fn acknowledgement(total: u64) -> Self {
        Self::number(ACKNOWLEDGEMENT, total as u32)
    }

    /// Asks the peer to acknowledge every `window` bytes.
    pub fn window_ack_size(window: u32) -> Self {
        Self::number(WINDOW_ACK_SIZE, window)
    }

    /// Set Peer Bandwidth with limit type 2 (dynamic), as servers customarily send.
    pub fn peer_bandwidth(window: u32) -> Self {
        let mut body = BytesMut::with_capacity(5);
        body.put_u32(window);
        body.put_u8(2);
        Self::control(SET_PEER_BANDWIDTH, body.freeze())
    }

    /// A user control message.
    pub fn user_control(control: UserControl) -> Self {
        let mut body = BytesMut::with_capacity(6);
        body.put_u16(control.event);
        body.put_u32(control.value);
        Self::control(USER_CONTROL, body.freeze())
    }

    /// A command: name, transaction id, then the arguments (the first is the command object or `Null`).
    pub fn command(stream_id: u32, name: &str, transaction: f64, arguments: &[Value]) -> Self {
        let mut body = BytesMut::new();
        amf::encode(&Value::from(name), &mut body);
        amf::encode(&Value::Number(transaction), &mut body);
        for argument in arguments {
            amf::encode(argument, &mut body);
        }
        Self { csid: CSID_COMMAND, timestamp: 0, type_id: COMMAND_AMF0, stream_id, payload: body.freeze() }
    }

    /// The message that carries a tag. A script tag is sent as it is: add `@setDataFrame` first if it is wanted.
    pub fn from_tag(tag: &Tag, stream_id: u32) -> Self {
        let (csid, type_id) = match tag.kind {
            TagKind::Audio => (CSID_AUDIO, AUDIO),
            TagKind::Video => (CSID_VIDEO, VIDEO),
            TagKind::Script => (CSID_DATA, DATA_AMF0),
        };
        Self { csid, timestamp: tag.ts, type_id, stream_id, payload: tag.data.clone() }
    }

    /// The tag in an audio, video or data message; `None` for every other type and for empty bodies.
    /// `@setDataFrame` is stripped from data, as FLV wants it.
    pub fn to_tag(&self) -> Option<Tag> {
        if self.payload.is_empty() {
            return None;
        }
        let (kind, data) = match self.type_id {
            AUDIO => (TagKind::Audio, self.payload.clone()),
            VIDEO => (TagKind::Video, self.payload.clone()),
            DATA_AMF0 => (TagKind::Script, crate::flv::metadata::strip_set_data_frame(&self.payload)),
            DATA_AMF3 => (TagKind::Script, crate::flv::metadata::strip_set_data_frame(&self.payload.slice(1..))),
            _ => return None,
        };
        if data.is_empty() { None } else { Some(Tag { kind, ts: self.timestamp, data }) }
    }

    /// The 32-bit number of a control message (chunk size, window, acknowledgement).
    pub fn as_number(&self) -> Option<u32> {
        let head: [u8; 4] = self.payload.get(..4)?.try_into().ok()?;
        Some(u32::from_be_bytes(head))
    }

    /// The user control event, if this is one with at least 4 bytes of data.
    pub fn as_user_control(&self) -> Option<UserControl> {
        if self.type_id != USER_CONTROL {
            return None;
        }
        let event = u16::from_be_bytes(self.payload.get(..2)?.try_into().ok()?);
        let value = u32::from_be_bytes(self.payload.get(2..6)?.try_into().ok()?);
        Some(UserControl { event, value })
    }

    /// The command in an AMF0 (or AMF3-wrapped AMF0) command message; `None` for other types.
    ///
    /// # Errors
    /// The body is no AMF0, or does not start with a name.
    pub fn as_command(&self) -> Option<Result<Command, amf::DecodeError>> {
        let body = match self.type_id {
            COMMAND_AMF0 => &self.payload[..],
            COMMAND_AMF3 => self.payload.get(1..)?,
            _ => return None,
        };
        Some(Command::parse(body))
    }
}

/// A command or its answer: name, transaction id, and what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// `connect`, `publish`, `_result`, `onStatus`, …
    pub name: String,
    /// Pairs an answer with its question; 0 when no answer is expected.
    pub transaction: f64,
    /// Everything after: command object (or `Null`) first.
    pub arguments: Vec<Value>,
}

impl Command {
    fn parse(body: &[u8]) -> Result<Self, amf::DecodeError> {
        let mut values = amf::decode_all(body)?.into_iter();
        let Some(Value::String(name)) = values.next() else { return Err(amf::DecodeError::NotACommand) };
        let mut arguments: Vec<Value> = values.collect();
        let transaction = match arguments.first() {
            Some(Value::Number(number)) => {
                let number = *number;
                arguments.remove(0);
                number
            }
            _ => 0.0,
        };
        Ok(Self { name, transaction, arguments })
    }

    /// The argument at `index` as text (0 is the command object).
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).and_then(Value::as_str)
    }

    /// `level`, `code` and `description` of an `onStatus` or `_error` info object; missing ones are empty.
    pub fn status(&self) -> Status {
        let info = self.arguments.iter().rev().find(|v| v.get("code").is_some());
        let part = |key| info.and_then(|i| i.get(key)).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        Status { level: part("level"), code: part("code"), description: part("description") }
    }
}

/// The info object of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `status`, `warning` or `error`.
    pub level: String,
    /// `NetStream.Publish.Start`, …
    pub code: String,
    /// Free text.
    pub description: String,
}

impl Status {
    /// The info object for the wire.
    pub fn to_value(&self) -> Value {
        Value::object([
            ("level", Value::from(self.level.as_str())),
            ("code", Value::from(self.code.as_str())),
            ("description", Value::from(self.description.as_str())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_wire() {
        let sent = Message::command(1, "publish", 5.0, &[Value::Null, Value::from("key"), Value::from("live")]);
        let got = sent.as_command().unwrap().unwrap();
        assert_eq!(
            (got.name.as_str(), got.transaction, got.text(1), got.text(2)),
            ("publish", 5.0, Some("key"), Some("live"))
        );
    }

    #[test]
    fn a_status_is_found_wherever_it_stands() {
        let status =
            Status { level: "error".into(), code: "NetStream.Publish.BadName".into(), description: "no".into() };
        let sent = Message::command(1, "onStatus", 0.0, &[Value::Null, status.to_value()]);
        assert_eq!(sent.as_command().unwrap().unwrap().status(), status);
    }

    #[test]
    fn only_media_becomes_a_tag() {
        let message = |type_id, payload| Message {
            csid: 4,
            timestamp: 7,
            type_id,
            stream_id: 1,
            payload: Bytes::from_static(payload),
        };
        assert!(message(AUDIO, b"").to_tag().is_none());
        assert!(message(DATA_AMF3, b"\0").to_tag().is_none());
        assert!(message(USER_CONTROL, b"123456").to_tag().is_none());
        let tag = message(DATA_AMF0, b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData").to_tag().unwrap();
        assert_eq!((tag.kind, tag.ts, &tag.data[..]), (TagKind::Script, 7, &b"\x02\x00\x0aonMetaData"[..]));
    }
}
