//! Tags as an encoder would send them.

use bytes::Bytes;
use media::{
    flv::{Tag, TagKind, metadata},
    rtmp::{
        amf::Value,
        publisher::{PublishError, Publisher},
    },
};

/// x264's configuration of a 1280x718 High picture.
pub const AVC_CONFIGURATION: &[u8] =
    b"\x17\0\0\0\0\x01\x64\x00\x1f\xff\xe1\x00\x1a\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbf\xac\x04\x40\x00\x00\x03\x00\
      \x40\x00\x00\x0c\x83\xc6\x0c\x65\x80\x01\x00\x04\x68\xef\x8f\xcb\xfd\xf8\xf8\x00";
pub const AAC_CONFIGURATION: &[u8] = b"\xaf\0\x11\x90";

pub fn tag(kind: TagKind, ts: u32, data: impl Into<Bytes>) -> Tag {
    Tag { kind, ts, data: data.into() }
}

pub async fn headers(publisher: &mut Publisher) -> Result<(), PublishError> {
    let said = [("width", 1280.0), ("height", 718.0), ("framerate", 25.0)];
    let said = said.map(|(key, number)| (key.to_owned(), Value::Number(number)));
    publisher.send(&metadata::write(said.to_vec())).await?;
    publisher.send(&tag(TagKind::Video, 0, AVC_CONFIGURATION)).await?;
    publisher.send(&tag(TagKind::Audio, 0, AAC_CONFIGURATION)).await?;
    publisher.flush().await
}

/// Frame `n` of 25 a second, with its audio; a keyframe each 25.
pub async fn frame(publisher: &mut Publisher, n: u32) -> Result<(), PublishError> {
    let mut picture = vec![n as u8; 400];
    picture[..5].copy_from_slice(&[if n.is_multiple_of(25) { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
    publisher.send(&tag(TagKind::Video, n * 40, picture)).await?;
    publisher.send(&tag(TagKind::Audio, n * 40 + 5, vec![0xaf, 1, n as u8])).await?;
    publisher.flush().await
}

pub async fn frames(publisher: &mut Publisher, numbers: std::ops::Range<u32>) -> Result<(), PublishError> {
    for n in numbers {
        frame(publisher, n).await?;
    }
    Ok(())
}
