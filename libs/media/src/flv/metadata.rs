//! `onMetaData`: what an encoder says about itself. Hints only; the probe measures.

use bytes::{Bytes, BytesMut};

use super::{Tag, TagKind};
use crate::rtmp::amf::{self, Value};

const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// The hints of an `onMetaData` that this product uses. Zero means "not said".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaData {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// kbit/s.
    pub video_kbps: u32,
    /// kbit/s.
    pub audio_kbps: u32,
    /// Whether a video stream is announced.
    pub has_video: bool,
    /// Whether an audio stream is announced.
    pub has_audio: bool,
}

/// An RTMP data message starts with `@setDataFrame`, a script tag does not.
pub fn strip_set_data_frame(body: &Bytes) -> Bytes {
    if body.starts_with(SET_DATA_FRAME) { body.slice(SET_DATA_FRAME.len()..) } else { body.clone() }
}

/// The other way round, for publishing a script tag: prefixes `@setDataFrame` unless it is there.
pub fn with_set_data_frame(body: &Bytes) -> Bytes {
    if body.starts_with(SET_DATA_FRAME) {
        return body.clone();
    }
    let mut out = BytesMut::with_capacity(SET_DATA_FRAME.len() + body.len());
    out.extend_from_slice(SET_DATA_FRAME);
    out.extend_from_slice(body);
    out.freeze()
}

/// Reads the `onMetaData` in a script tag; `None` when it is another one or no AMF0.
pub fn read(tag: &Tag) -> Option<MetaData> {
    if tag.kind != TagKind::Script {
        return None;
    }
    let values = amf::decode_all(&strip_set_data_frame(&tag.data)).ok()?;
    let [Value::String(name), data, ..] = &values[..] else { return None };
    if name != "onMetaData" {
        return None;
    }
    let number = |key: &str| data.get(key).and_then(Value::as_f64).filter(|n| n.is_finite() && *n > 0.0);
    let whole = |key: &str| number(key).map_or(0, |n| n.round() as u32);
    Some(MetaData {
        width: whole("width"),
        height: whole("height"),
        fps: number("framerate").or_else(|| number("fps")).filter(|n| *n <= 1000.0).unwrap_or(0.0),
        video_kbps: whole("videodatarate"),
        audio_kbps: whole("audiodatarate"),
        has_video: is_announced(data.get("videocodecid")),
        has_audio: is_announced(data.get("audiocodecid")),
    })
}

/// Some encoders name the codec by number, some by text; 0 is a valid audio codec, so presence is what counts.
fn is_announced(codec: Option<&Value>) -> bool {
    matches!(codec, Some(Value::Number(_) | Value::String(_)))
}

/// A script tag with `onMetaData` at time 0 (FFmpeg 5.1 makes a bogus subtitle stream of any other time).
pub fn write(properties: Vec<(String, Value)>) -> Tag {
    let mut body = BytesMut::new();
    amf::encode(&Value::from("onMetaData"), &mut body);
    amf::encode(&Value::EcmaArray(properties), &mut body);
    Tag { kind: TagKind::Script, ts: 0, data: body.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_back() {
        let tag = write(vec![
            ("width".into(), Value::Number(1280.0)),
            ("framerate".into(), Value::Number(29.97)),
            ("videocodecid".into(), Value::Number(7.0)),
            ("videodatarate".into(), Value::Number(f64::NAN)),
        ]);
        let got = read(&tag).unwrap();
        let want = MetaData { width: 1280, fps: 29.97, has_video: true, ..MetaData::default() };
        assert_eq!(got, want);
        let sent = with_set_data_frame(&tag.data);
        assert_eq!(strip_set_data_frame(&sent), tag.data);
        assert_eq!(with_set_data_frame(&sent), sent);
    }

    #[test]
    fn other_scripts_are_not_metadata() {
        let script = |data: &'static [u8]| read(&Tag { kind: TagKind::Script, ts: 0, data: Bytes::from_static(data) });
        assert_eq!(script(b"\x02\x00\x0aonTextData\x05"), None);
        assert_eq!(script(b"\xff\xff"), None);
    }
}
