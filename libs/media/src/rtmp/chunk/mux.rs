//! From messages to bytes.

use std::collections::HashMap;

use bytes::{BufMut, BytesMut};

use super::{DEFAULT_CHUNK_SIZE, EXTENDED};
use crate::rtmp::message::Message;

/// Cuts messages into chunks. Uses type 0 to start a chunk stream (and when time runs backwards), type 1 with a delta
/// otherwise, and type 3 only to continue a message: what every server understands the same way.
pub struct Muxer {
    chunk_size: usize,
    last: HashMap<u32, Last>,
}

struct Last {
    timestamp: u32,
    stream_id: u32,
}

impl Default for Muxer {
    fn default() -> Self {
        Self { chunk_size: DEFAULT_CHUNK_SIZE, last: HashMap::new() }
    }
}

impl Muxer {
    /// A muxer for a new connection, chunk size 128.
    pub fn new() -> Self {
        Self::default()
    }

    /// From the next message on. Write [`Message::set_chunk_size`] first. Zero is taken for 1.
    pub fn set_chunk_size(&mut self, size: u32) {
        self.chunk_size = (size & 0x7fff_ffff).max(1) as usize;
    }

    /// Appends the chunks of `message`. Its payload must be below 16 MiB (the length field has 24 bits); more is cut.
    pub fn write(&mut self, message: &Message, out: &mut BytesMut) {
        let payload = &message.payload[..message.payload.len().min(0xff_ffff)];
        let chunks = payload.len().div_ceil(self.chunk_size).max(1);
        out.reserve(payload.len() + chunks * 7 + 18);
        let extended = self.first_header(message, payload.len(), out);
        let mut pieces = payload.chunks(self.chunk_size);
        out.put_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            basic_header(3, message.csid, out);
            if let Some(time) = extended {
                out.put_u32(time);
            }
            out.put_slice(piece);
        }
    }

    /// Writes the header that starts a message; returns the extended timestamp that its type-3 chunks must repeat.
    fn first_header(&mut self, message: &Message, length: usize, out: &mut BytesMut) -> Option<u32> {
        let delta = self
            .last
            .get(&message.csid)
            .filter(|last| last.stream_id == message.stream_id)
            .map(|last| message.timestamp.wrapping_sub(last.timestamp))
            .filter(|delta| *delta < 0x8000_0000);
        self.last.insert(message.csid, Last { timestamp: message.timestamp, stream_id: message.stream_id });
        let (format, time) = delta.map_or((0, message.timestamp), |delta| (1, delta));
        let extended = (time >= EXTENDED).then_some(time);
        basic_header(format, message.csid, out);
        out.put_uint(time.min(EXTENDED).into(), 3);
        out.put_uint(length as u64, 3);
        out.put_u8(message.type_id);
        if format == 0 {
            out.put_u32_le(message.stream_id);
        }
        if let Some(time) = extended {
            out.put_u32(time);
        }
        extended
    }
}

fn basic_header(format: u8, csid: u32, out: &mut BytesMut) {
    match csid {
        0..=63 => out.put_u8(format << 6 | csid.max(2) as u8),
        64..=319 => {
            out.put_u8(format << 6);
            out.put_u8((csid - 64) as u8);
        }
        _ => {
            out.put_u8(format << 6 | 1);
            out.put_u16_le((csid.min(65_599) - 64) as u16);
        }
    }
}
