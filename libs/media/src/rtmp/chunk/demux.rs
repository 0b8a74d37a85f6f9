//! From bytes to messages. Sans-IO; every quirk here was seen from a real sender.

use bytes::{Buf, Bytes, BytesMut};

use super::{DEFAULT_CHUNK_SIZE, EXTENDED};
use crate::rtmp::message::{self, Message};

/// Room made for a message before its bytes have come: what it claims to need, but not more than this.
const RESERVE: usize = 16 << 10;

/// What a peer may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message in bytes.
    pub max_message: usize,
    /// Most chunk streams in one connection.
    pub max_chunk_streams: usize,
    /// Most bytes of unfinished messages, all chunk streams together.
    pub max_pending: usize,
}

impl Default for Limits {
    /// 8 MiB a message (a 4K keyframe at 50 Mbps is below 3 MiB), 64 chunk streams (encoders use 4 to 6), 16 MiB pending.
    fn default() -> Self {
        Self { max_message: 8 << 20, max_chunk_streams: 64, max_pending: 16 << 20 }
    }
}

/// The bytes are no chunk stream, or exceed a limit. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A compressed header without one before it to refer to.
    #[error("chunk stream {0}: compressed header without a previous one")]
    NoPrevious(u32),
    /// Above [`Limits::max_message`].
    #[error("message of {0} bytes")]
    MessageTooLarge(usize),
    /// Above [`Limits::max_chunk_streams`].
    #[error("too many chunk streams")]
    TooManyStreams,
    /// Above [`Limits::max_pending`].
    #[error("too many bytes in unfinished messages")]
    TooMuchPending,
    /// A new header while a message is unfinished.
    #[error("chunk stream {0}: header inside a message")]
    HeaderInsideMessage(u32),
    /// Zero, or the top bit set.
    #[error("chunk size {0}")]
    ChunkSize(u32),
}

#[derive(Default)]
struct ChunkStream {
    timestamp: u32,
    delta: u32,
    length: usize,
    type_id: u8,
    stream_id: u32,
    /// The extended timestamp of the last header, when it had one.
    extended: Option<u32>,
    partial: BytesMut,
}

/// Reassembles messages. Set Chunk Size and Abort messages take effect here and are also returned.
pub struct Demuxer {
    /// A few entries, looked up for every chunk (FFmpeg sends 128-byte ones): a search beats hashing.
    streams: Vec<(u32, ChunkStream)>,
    chunk_size: usize,
    limits: Limits,
    pending: usize,
}

impl Default for Demuxer {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

/// One parsed chunk header, not yet applied.
struct Header {
    format: u8,
    csid: u32,
    /// Bytes of the header itself.
    size: usize,
    time: u32,
    length: usize,
    type_id: u8,
    stream_id: u32,
    extended: Option<u32>,
    continues: bool,
}

impl Demuxer {
    /// A demuxer for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self { streams: Vec::new(), chunk_size: DEFAULT_CHUNK_SIZE, limits, pending: 0 }
    }

    /// From the next chunk on (a peer that has shown its key may send more).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Bytes held for unfinished messages.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Takes the next complete message from the front of `input`, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`ChunkError`]: close the connection.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        while let Some(header) = self.header(input)? {
            let have = self.stream(header.csid).map_or(0, |s| s.partial.len());
            let take = (header.length - have).min(self.chunk_size);
            if input.len() < header.size + take {
                input.reserve(header.size + take - input.len());
                return Ok(None);
            }
            input.advance(header.size);
            if let Some(message) = self.apply(&header, input, take)? {
                self.obey(&message)?;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn header(&self, input: &[u8]) -> Result<Option<Header>, ChunkError> {
        let Some((format, csid, basic)) = basic_header(input) else { return Ok(None) };
        let previous = self.stream(csid);
        // librtmp (OBS, curl) opens its control channel with a type-1 header.
        if previous.is_none() && format != 0 && !(csid == message::CSID_CONTROL && format == 1) {
            return Err(ChunkError::NoPrevious(csid));
        }
        if previous.is_none() && self.streams.len() >= self.limits.max_chunk_streams {
            return Err(ChunkError::TooManyStreams);
        }
        let continues = previous.is_some_and(|s| !s.partial.is_empty());
        if continues && format != 3 {
            return Err(ChunkError::HeaderInsideMessage(csid));
        }
        let fields = [11, 7, 3, 0][usize::from(format)];
        let Some(bytes) = input.get(basic..basic + fields) else { return Ok(None) };
        let after = &input[basic + fields..];
        let number = |at: usize| u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
        let mut header = Header {
            format,
            csid,
            size: basic + fields,
            time: if format <= 2 { number(0) } else { 0 },
            length: if format <= 1 { number(3) as usize } else { previous.map_or(0, |s| s.length) },
            type_id: if format <= 1 { bytes[6] } else { previous.map_or(0, |s| s.type_id) },
            stream_id: if format == 0 {
                u32::from_le_bytes([bytes[7], bytes[8], bytes[9], bytes[10]])
            } else {
                previous.map_or(0, |s| s.stream_id)
            },
            extended: None,
            continues,
        };
        if header.length > self.limits.max_message {
            return Err(ChunkError::MessageTooLarge(header.length));
        }
        let before = previous.and_then(|s| s.extended);
        let complete = header.read_extended(after, before);
        Ok(complete.then_some(header))
    }

    fn stream(&self, csid: u32) -> Option<&ChunkStream> {
        self.streams.iter().find(|(id, _)| *id == csid).map(|(_, stream)| stream)
    }

    fn apply(&mut self, header: &Header, input: &mut BytesMut, take: usize) -> Result<Option<Message>, ChunkError> {
        let whole = !header.continues && take == header.length;
        if !whole && self.pending + take > self.limits.max_pending {
            return Err(ChunkError::TooMuchPending);
        }
        let index = self.streams.iter().position(|(id, _)| *id == header.csid).unwrap_or(self.streams.len());
        if index == self.streams.len() {
            self.streams.push((header.csid, ChunkStream::default()));
        }
        let stream = &mut self.streams[index].1;
        if !header.continues {
            stream.start(header);
            if !whole {
                stream.partial.reserve(header.length.min(RESERVE));
            }
        }
        let payload: Bytes = if whole {
            input.split_to(take).freeze()
        } else {
            self.pending += take;
            stream.partial.extend_from_slice(&input[..take]);
            input.advance(take);
            if stream.partial.len() < stream.length {
                return Ok(None);
            }
            self.pending -= stream.length;
            std::mem::take(&mut stream.partial).freeze()
        };
        let ChunkStream { timestamp, type_id, stream_id, .. } = *stream;
        Ok(Some(Message { csid: header.csid, timestamp, type_id, stream_id, payload }))
    }

    fn obey(&mut self, message: &Message) -> Result<(), ChunkError> {
        match (message.type_id, message.as_number()) {
            (message::SET_CHUNK_SIZE, Some(size)) => {
                if size == 0 || size & 0x8000_0000 != 0 {
                    return Err(ChunkError::ChunkSize(size));
                }
                self.chunk_size = size as usize;
            }
            (message::ABORT, Some(csid)) => {
                if let Some((_, stream)) = self.streams.iter_mut().find(|(id, _)| *id == csid) {
                    self.pending -= stream.partial.len();
                    stream.partial = BytesMut::new();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Header {
    /// Reads the extended timestamp if there is one; `false` when its bytes have not come yet.
    fn read_extended(&mut self, after: &[u8], before: Option<u32>) -> bool {
        let announced = self.format <= 2 && self.time == EXTENDED;
        let repeated = self.format == 3 && before.is_some();
        if !announced && !repeated {
            return true;
        }
        let Some(value) = after.get(..4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])) else { return false };
        if announced {
            self.time = value;
        } else if self.continues && before != Some(value) {
            // Some senders leave it out on continuations: these 4 bytes are payload.
            self.extended = before;
            return true;
        }
        self.extended = Some(value);
        self.size += 4;
        true
    }
}

impl ChunkStream {
    fn start(&mut self, header: &Header) {
        match header.format {
            0 => {
                self.timestamp = header.time;
                self.delta = header.time; // 5.3.1.2.4: type 3 after type 0 repeats the field
            }
            1 | 2 => {
                self.delta = header.time;
                self.timestamp = self.timestamp.wrapping_add(self.delta);
            }
            _ => {
                if let (Some(now), Some(_)) = (header.extended, self.extended) {
                    self.delta = now;
                }
                self.timestamp = self.timestamp.wrapping_add(self.delta);
            }
        }
        self.length = header.length;
        self.type_id = header.type_id;
        self.stream_id = header.stream_id;
        self.extended = header.extended;
    }
}

/// `(format, chunk stream id, bytes)`, 5.3.1.1.
fn basic_header(input: &[u8]) -> Option<(u8, u32, usize)> {
    let first = *input.first()?;
    let (csid, size) = match first & 63 {
        0 => (64 + u32::from(*input.get(1)?), 2),
        1 => (64 + u32::from(*input.get(1)?) + (u32::from(*input.get(2)?) << 8), 3),
        id => (id.into(), 1),
    };
    Some((first >> 6, csid, size))
}
