//! Tags and file headers as bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{TAG_HEADER, TAG_TRAILER, Tag};

/// The file header and the first "previous tag size". The flags must say what the stream really has: FFmpeg creates
/// streams for what they promise and waits for it.
pub fn header(has_video: bool, has_audio: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(13);
    out.put_slice(b"FLV\x01");
    out.put_u8(u8::from(has_video) | u8::from(has_audio) << 2);
    out.put_u32(9);
    out.put_u32(0);
    out.freeze()
}

/// Header, body and trailing size of one tag. A body above 16 MiB does not fit the format and is cut.
pub fn encode_tag(tag: &Tag) -> Bytes {
    let mut out = BytesMut::with_capacity(tag.data.len() + TAG_HEADER + TAG_TRAILER);
    put_tag(tag, &mut out);
    out.freeze()
}

/// [`encode_tag`] into a buffer.
pub fn put_tag(tag: &Tag, out: &mut BytesMut) {
    let body = &tag.data[..tag.data.len().min(0xff_ffff)];
    out.reserve(body.len() + TAG_HEADER + TAG_TRAILER);
    out.put_u8(tag.kind as u8);
    out.put_uint(body.len() as u64, 3);
    out.put_uint((tag.ts & 0xff_ffff).into(), 3);
    out.put_u8((tag.ts >> 24) as u8);
    out.put_uint(0, 3);
    out.put_slice(body);
    out.put_u32((body.len() + TAG_HEADER) as u32);
}
