//! Measures what a source is made of, from its tags alone: no decoding, a few bytes per tag.

mod audio;
mod av1;
mod bits;
mod h264;
mod hevc;
mod meter;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use domain::source::SourceInfo;

use super::{
    Tag, TagKind,
    metadata::{self, MetaData},
    video::{Codec, Header, Packet},
};
use audio::Sound;
use meter::Meter;

/// The longest of so many keyframe distances counts.
const GOPS_REMEMBERED: usize = 5;
/// B-frames show as changing composition times; so many tags are looked at before "none" is believed again.
const REORDER_MEMORY: u32 = 300;

/// Size and profile, as decoder configurations say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Picture {
    width: u32,
    height: u32,
    profile: &'static str,
}

/// Watches the tags of one publish. What an encoder says (`onMetaData`) stands in for what is not measured yet.
#[derive(Default)]
pub struct SourceProbe {
    said: MetaData,
    codec: Option<Codec>,
    enhanced: bool,
    picture: Picture,
    sound: Sound,
    video: Meter,
    audio: Meter,
    last_key: Option<u32>,
    last_video: u32,
    gops: VecDeque<u32>,
    reorder: Reorder,
}

/// Remembers for a while that composition times differ.
#[derive(Default)]
struct Reorder {
    last: Option<i32>,
    unchanged: u32,
    seen: bool,
}

impl SourceProbe {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next tag. Returns whether it carried a configuration (codec, size, rate may have changed).
    pub fn push(&mut self, tag: &Tag) -> bool {
        match tag.kind {
            TagKind::Video => self.push_video(tag),
            TagKind::Audio => self.push_audio(tag),
            TagKind::Script => match metadata::read(tag) {
                Some(said) => {
                    self.said = said;
                    true
                }
                None => false,
            },
        }
    }

    fn push_video(&mut self, tag: &Tag) -> bool {
        let Some(header) = Header::parse(&tag.data) else { return false };
        if header.packet == Packet::Other || header.packet == Packet::SequenceEnd {
            return false;
        }
        let first = self.codec.is_none();
        self.codec = Some(header.codec);
        self.enhanced = header.enhanced;
        if header.packet == Packet::SequenceStart {
            self.picture = picture(header.codec, tag.data.get(header.payload_at..).unwrap_or_default());
            return true;
        }
        self.video.push(tag.ts, tag.data.len());
        self.reorder.push(header.composition_ms);
        if header.is_keyframe() {
            self.push_keyframe(tag.ts);
        }
        self.last_video = tag.ts;
        first
    }

    fn push_keyframe(&mut self, ts: u32) {
        if let Some(last) = self.last_key.replace(ts)
            && ts.wrapping_sub(last) < 0x8000_0000
        {
            self.gops.push_back(ts.wrapping_sub(last));
            if self.gops.len() > GOPS_REMEMBERED {
                self.gops.pop_front();
            }
        }
    }

    fn push_audio(&mut self, tag: &Tag) -> bool {
        self.audio.push(tag.ts, tag.data.len());
        let Some(sound) = audio::parse(&tag.data) else { return false };
        std::mem::replace(&mut self.sound, sound) != sound
    }

    /// Whether video has been seen (configuration or pictures).
    pub fn has_video(&self) -> bool {
        self.codec.is_some()
    }

    /// Whether the codec and configuration of the sound are known.
    pub fn has_audio(&self) -> bool {
        !self.sound.codec.is_empty()
    }

    /// What the encoder said of itself.
    pub fn said(&self) -> &MetaData {
        &self.said
    }

    /// What is known by now.
    pub fn info(&self) -> SourceInfo {
        let video = self.has_video();
        let open_gop = self.last_key.map_or(0, |key| self.last_video.wrapping_sub(key)).min(i32::MAX as u32);
        let or = |measured: u32, said: u32| if measured > 0 || !video { measured } else { said };
        SourceInfo {
            video_codec: self.codec.map_or("", Codec::name).to_owned(),
            video_profile: self.picture.profile.to_owned(),
            width: or(self.picture.width, self.said.width),
            height: or(self.picture.height, self.said.height),
            fps: self.video.rate().map_or(if video { self.said.fps } else { 0.0 }, |fps| (fps * 100.0).round() / 100.0),
            video_kbps: or(self.video.kbps().unwrap_or(0), self.said.video_kbps),
            gop_ms: self.gops.iter().copied().max().unwrap_or(0).max(open_gop),
            audio_codec: self.sound.codec.to_owned(),
            audio_rate_hz: self.sound.rate_hz,
            audio_channels: self.sound.channels,
            audio_kbps: self.audio.kbps().unwrap_or(if self.has_audio() { self.said.audio_kbps } else { 0 }),
            enhanced: self.enhanced,
            b_frames: self.reorder.seen,
        }
    }
}

fn picture(codec: Codec, configuration: &[u8]) -> Picture {
    match codec {
        Codec::H264 => h264::parse(configuration),
        Codec::Hevc => hevc::parse(configuration),
        Codec::Av1 => av1::parse(configuration),
        Codec::Vp9 | Codec::Unknown => None,
    }
    .unwrap_or_default()
}

impl Reorder {
    fn push(&mut self, composition_ms: i32) {
        if self.last.replace(composition_ms).is_some_and(|last| last.abs_diff(composition_ms) > 1) {
            (self.seen, self.unchanged) = (true, 0);
        } else {
            self.unchanged = self.unchanged.saturating_add(1);
            self.seen &= self.unchanged < REORDER_MEMORY;
        }
    }
}
