//! The first bytes of a video tag, old and enhanced.

/// What a video tag is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Decoder configuration.
    SequenceStart,
    /// Picture data.
    Frames,
    /// End of sequence.
    SequenceEnd,
    /// Anything else (HDR metadata, video info frames, multitrack).
    Other,
}

/// The codec a video tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
    /// VP9 by fourcc.
    Vp9,
    /// Not one we know.
    Unknown,
}

impl Codec {
    /// FFmpeg's name; empty when unknown.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Vp9 => "vp9",
            Self::Unknown => "",
        }
    }
}

/// A parsed video tag header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marked as a keyframe.
    pub key: bool,
    /// What follows.
    pub packet: Packet,
    /// Which codec.
    pub codec: Codec,
    /// Fourcc form.
    pub enhanced: bool,
    /// Presentation minus decoding time in ms (0 when the tag has none).
    pub composition_ms: i32,
    /// Where the payload starts.
    pub payload_at: usize,
}

impl Header {
    /// Reads the header; `None` when the body is too short for it.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let first = *body.first()?;
        if first & 0x80 != 0 { Self::enhanced(first, body) } else { Self::plain(first, body) }
    }

    /// Whether a decoder can start here.
    pub fn is_keyframe(&self) -> bool {
        self.key && self.packet == Packet::Frames
    }

    fn plain(first: u8, body: &[u8]) -> Option<Self> {
        let codec = match first & 0x0f {
            7 => Codec::H264,
            12 => Codec::Hevc, // not in the specification, but in wide use before Enhanced RTMP
            13 => Codec::Av1,
            _ => Codec::Unknown,
        };
        let (key, enhanced) = (first >> 4 == 1, false);
        if first >> 4 == 5 || codec == Codec::Unknown {
            let packet = if first >> 4 == 5 { Packet::Other } else { Packet::Frames };
            return Some(Self { key, packet, codec, enhanced, composition_ms: 0, payload_at: 1 });
        }
        let packet = match body.get(1)? {
            0 => Packet::SequenceStart,
            1 => Packet::Frames,
            2 => Packet::SequenceEnd,
            _ => Packet::Other,
        };
        let composition_ms = if packet == Packet::Frames { signed24(body.get(2..5)?) } else { 0 };
        Some(Self { key, packet, codec, enhanced, composition_ms, payload_at: 5 })
    }

    fn enhanced(first: u8, body: &[u8]) -> Option<Self> {
        let codec = match body.get(1..5)? {
            b"avc1" => Codec::H264,
            b"hvc1" => Codec::Hevc,
            b"av01" => Codec::Av1,
            b"vp09" => Codec::Vp9,
            _ => Codec::Unknown,
        };
        let with_time = matches!(codec, Codec::H264 | Codec::Hevc);
        let (packet, composition_ms, payload_at) = match first & 0x0f {
            0 => (Packet::SequenceStart, 0, 5),
            1 if with_time => (Packet::Frames, signed24(body.get(5..8)?), 8),
            1 | 3 => (Packet::Frames, 0, 5),
            2 => (Packet::SequenceEnd, 0, 5),
            _ => (Packet::Other, 0, 5),
        };
        let key = (first >> 4) & 7 == 1;
        Some(Self { key, packet, codec, enhanced: true, composition_ms, payload_at })
    }
}

fn signed24(bytes: &[u8]) -> i32 {
    match bytes {
        [a, b, c, ..] => i32::from_be_bytes([*a, *b, *c, 0]) >> 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition_times_are_signed() {
        let time = |body: &[u8]| Header::parse(body).unwrap().composition_ms;
        assert_eq!(time(b"\x27\x01\x00\x00\x50"), 80);
        assert_eq!(time(b"\x27\x01\xff\xff\xff"), -1);
        assert_eq!(time(b"\xa1hvc1\x00\x00\x42"), 66);
        assert_eq!(time(b"\xa3hvc1"), 0);
    }

    #[test]
    fn short_bodies_are_no_headers() {
        for body in [&b""[..], b"\x17", b"\x17\x01\0", b"\x90hv", b"\x91hvc1\0"] {
            assert_eq!(Header::parse(body), None, "{body:?}");
        }
    }
}
