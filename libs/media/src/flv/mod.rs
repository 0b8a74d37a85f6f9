//! FLV tags: the unit that travels from RTMP ingest through the relay and FFmpeg to an RTMP destination.
//!
//! Sources: Adobe's "Video File Format Specification" 10.1, annex E, and "Enhanced RTMP" v1 and v2 (veovera) for tags
//! that name their codec by fourcc.

mod decode;
mod encode;
pub mod metadata;
pub mod probe;
pub mod video;

pub use decode::{DecodeError, Decoder};
pub use encode::{encode_tag, header, put_tag};

use bytes::Bytes;

/// Bytes before a tag's body.
pub const TAG_HEADER: usize = 11;
/// Bytes after a tag's body: its size again.
pub const TAG_TRAILER: usize = 4;

/// What a tag carries. The numbers are those of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// Type 8.
    Audio = 8,
    /// Type 9.
    Video = 9,
    /// Type 18: `onMetaData` and other AMF0 data.
    Script = 18,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// What it carries.
    pub kind: TagKind,
    /// Decoding time in ms, modulo 2^32.
    pub ts: u32,
    /// The body, without the 11-byte header.
    pub data: Bytes,
}

impl Tag {
    /// Whether a decoder can start here: a video keyframe with picture data (sequence headers are none).
    pub fn is_keyframe(&self) -> bool {
        self.kind == TagKind::Video && video::Header::parse(&self.data).is_some_and(|h| h.is_keyframe())
    }

    /// Whether it carries decoder configuration only (AVC, HEVC or AV1 configuration, AAC AudioSpecificConfig).
    pub fn is_sequence_header(&self) -> bool {
        match self.kind {
            TagKind::Video => {
                video::Header::parse(&self.data).is_some_and(|h| h.packet == video::Packet::SequenceStart)
            }
            TagKind::Audio => match self.data[..] {
                [first, second, ..] if first >> 4 == 10 => second == 0, // AAC, AACPacketType 0
                [first, ..] if first >> 4 == 9 => first & 0x0f == 0,    // Enhanced RTMP v2, SequenceStart
                _ => false,
            },
            TagKind::Script => false,
        }
    }

    /// Whether it is a video tag in Enhanced RTMP form (fourcc instead of codec id). FFmpeg reads these from 6.1 on.
    pub fn is_enhanced_video(&self) -> bool {
        self.kind == TagKind::Video && self.data.first().is_some_and(|first| first & 0x80 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: TagKind, data: &'static [u8]) -> Tag {
        Tag { kind, ts: 0, data: Bytes::from_static(data) }
    }

    #[test]
    fn keyframes_and_sequence_headers() {
        let check = |kind, data, key, sequence| {
            let tag = tag(kind, data);
            assert_eq!((tag.is_keyframe(), tag.is_sequence_header()), (key, sequence), "{data:?}");
        };
        check(TagKind::Video, b"\x17\x00\0\0\0", false, true); // AVC sequence header
        check(TagKind::Video, b"\x17\x01\0\0\0x", true, false); // AVC keyframe
        check(TagKind::Video, b"\x27\x01\0\0\0x", false, false); // AVC inter frame
        check(TagKind::Video, b"\x17\x02\0\0\0", false, false); // AVC end of sequence
        check(TagKind::Video, b"\x90hvc1x", false, true); // enhanced SequenceStart
        check(TagKind::Video, b"\x91hvc1\0\0\0x", true, false); // enhanced CodedFrames, key
        check(TagKind::Video, b"\xa1hvc1\0\0\0x", false, false); // enhanced CodedFrames, inter
        check(TagKind::Video, b"\x93av01x", true, false); // enhanced CodedFramesX, key
        check(TagKind::Video, b"\x94av01x", false, false); // enhanced metadata
        check(TagKind::Video, b"", false, false);
        check(TagKind::Audio, b"\xaf\x00\x12\x10", false, true);
        check(TagKind::Audio, b"\xaf\x01\x21", false, false);
        check(TagKind::Audio, b"\x90Opus", false, true);
        check(TagKind::Script, b"\x02", false, false);
    }
}
