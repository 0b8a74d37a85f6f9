//! From bytes to tags. Sans-IO and bounded.

use bytes::{Buf, BytesMut};

use super::{TAG_HEADER, TAG_TRAILER, Tag, TagKind};

/// The bytes are no FLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Does not start with `FLV`, or its header is absurd.
    #[error("not an FLV header")]
    Header,
    /// A tag type that the format does not have.
    #[error("FLV tag type {0}")]
    Kind(u8),
    /// A tag above the limit.
    #[error("FLV tag of {0} bytes")]
    TooLarge(usize),
}

/// Reads a file header, then tags. Empty tags are skipped.
pub struct Decoder {
    max_tag: usize,
    started: bool,
    flags: u8,
}

impl Default for Decoder {
    /// At most 8 MiB a tag.
    fn default() -> Self {
        Self::new(8 << 20)
    }
}

impl Decoder {
    /// A decoder at the start of a stream; `max_tag` bounds one body in bytes.
    pub fn new(max_tag: usize) -> Self {
        Self { max_tag, started: false, flags: 0 }
    }

    /// Whether the header has been read and promises video.
    pub fn has_video(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the header has been read and promises audio.
    pub fn has_audio(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Takes the next tag from the front of `input`, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`]: the stream cannot be read any further.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Tag>, DecodeError> {
        if !self.started && !self.file_header(input)? {
            return Ok(None);
        }
        loop {
            let Some(head) = input.get(..TAG_HEADER) else { return Ok(None) };
            let kind = match head[0] & 0x1f {
                8 => TagKind::Audio,
                9 => TagKind::Video,
                18 => TagKind::Script,
                other => return Err(DecodeError::Kind(other)),
            };
            let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
            let ts = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
            if size > self.max_tag {
                return Err(DecodeError::TooLarge(size));
            }
            let whole = TAG_HEADER + size + TAG_TRAILER;
            if input.len() < whole {
                input.reserve(whole - input.len());
                return Ok(None);
            }
            input.advance(TAG_HEADER);
            let data = input.split_to(size).freeze();
            input.advance(TAG_TRAILER);
            if !data.is_empty() {
                return Ok(Some(Tag { kind, ts, data }));
            }
        }
    }

    fn file_header(&mut self, input: &mut BytesMut) -> Result<bool, DecodeError> {
        let known = input.len().min(3);
        if input[..known] != b"FLV"[..known] {
            return Err(DecodeError::Header);
        }
        let Some(head) = input.get(..9) else { return Ok(false) };
        let offset = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
        if !(9..=64).contains(&offset) {
            return Err(DecodeError::Header);
        }
        if input.len() < offset + TAG_TRAILER {
            return Ok(false);
        }
        self.flags = head[4];
        self.started = true;
        input.advance(offset + TAG_TRAILER);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes};
    use proptest::prelude::*;

    use super::*;
    use crate::flv::{header, put_tag};

    fn any_tag() -> impl Strategy<Value = Tag> {
        let kind = prop_oneof![Just(TagKind::Audio), Just(TagKind::Video), Just(TagKind::Script)];
        (kind, any::<u32>(), prop::collection::vec(any::<u8>(), 1..300)).prop_map(|(kind, ts, data)| Tag {
            kind,
            ts,
            data: Bytes::from(data),
        })
    }

    #[test]
    fn the_header_says_what_is_there() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.next(&mut BytesMut::from(&header(true, false)[..])), Ok(None));
        assert!(decoder.has_video() && !decoder.has_audio());
    }

    #[test]
    fn garbage_is_refused() {
        let check = |input: &[u8], want| {
            assert_eq!(Decoder::new(100).next(&mut BytesMut::from(input)), Err(want), "{input:?}");
        };
        check(b"HTTP", DecodeError::Header);
        check(b"FLV\x01\x05\xff\xff\xff\xff", DecodeError::Header);
        check(&[&header(true, true)[..], &[7; 11]].concat(), DecodeError::Kind(7));
        check(&[&header(true, true)[..], &[9, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0]].concat(), DecodeError::TooLarge(101));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(tags in prop::collection::vec(any_tag(), 0..20), step in 1usize..1000) {
            let mut wire = BytesMut::from(&header(true, true)[..]);
            tags.iter().for_each(|t| put_tag(t, &mut wire));
            let (mut decoder, mut buffer, mut got) = (Decoder::default(), BytesMut::new(), Vec::new());
            for piece in wire.chunks(step) {
                buffer.put_slice(piece);
                while let Some(tag) = decoder.next(&mut buffer).unwrap() {
                    got.push(tag);
                }
            }
            prop_assert_eq!(got, tags);
        }

        #[test]
        fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut input = BytesMut::from(&header(true, true)[..]);
            input.put_slice(&tail);
            let mut decoder = Decoder::new(400);
            while let Ok(Some(_)) = decoder.next(&mut input) {}
            let _ = Decoder::default().next(&mut BytesMut::from(&tail[..]));
        }
    }
}
