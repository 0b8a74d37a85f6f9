//! What a reader must have before its first picture: metadata and decoder configurations.

use bytes::{Bytes, BytesMut};
use media::flv::{self, Tag, TagKind, put_tag, video};

/// Which kinds of media a source has: what the FLV header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) video: bool,
    pub(crate) audio: bool,
}

#[derive(Default)]
pub(super) struct Headers {
    metadata: Option<Tag>,
    video: Option<Tag>,
    audio: Option<Tag>,
    layout: Layout,
    generation: u32,
}

/// What a tag means for the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// A kind of media was seen for the first time.
    NewKind,
    /// Pictures after this one need another decoder.
    NewPicture,
    /// Metadata or audio configuration changed.
    Changed,
}

impl Headers {
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Grows with every change.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn take(&mut self, tag: &Tag) -> Effect {
        let effect = match tag.kind {
            TagKind::Script => replace(&mut self.metadata, tag, Effect::Changed),
            TagKind::Video if tag.is_sequence_header() => replace(&mut self.video, tag, Effect::NewPicture),
            TagKind::Audio if tag.is_sequence_header() => replace(&mut self.audio, tag, Effect::Changed),
            TagKind::Video | TagKind::Audio => Effect::None,
        };
        let before = self.layout;
        match tag.kind {
            TagKind::Video => self.layout.video |= self.video.is_some() || needs_no_header(tag),
            TagKind::Audio => self.layout.audio |= self.audio.is_some() || needs_no_header(tag),
            TagKind::Script => {}
        }
        if effect != Effect::None {
            self.generation += 1;
        }
        if self.layout == before { effect } else { Effect::NewKind }
    }

    /// File header, metadata at time 0 (FFmpeg makes a bogus stream of a script tag at another time) and the decoder
    /// configurations at `ts`.
    pub(super) fn prelude(&self, ts: u32) -> Bytes {
        let mut out = BytesMut::from(&flv::header(self.layout.video, self.layout.audio)[..]);
        out.extend_from_slice(&self.configurations(ts));
        out.freeze()
    }

    /// The same without the file header, for the middle of a stream.
    pub(super) fn configurations(&self, ts: u32) -> Bytes {
        let mut out = BytesMut::new();
        if let Some(metadata) = &self.metadata {
            put_tag(metadata, &mut out);
        }
        for header in [&self.video, &self.audio].into_iter().flatten() {
            put_tag(&Tag { ts, ..header.clone() }, &mut out);
        }
        out.freeze()
    }
}

fn replace(slot: &mut Option<Tag>, tag: &Tag, effect: Effect) -> Effect {
    let same = slot.as_ref().is_some_and(|old| old.data == tag.data);
    if same {
        return Effect::None;
    }
    // Copied: the tag's bytes may be a slice of a large read buffer.
    *slot = Some(Tag { data: Bytes::copy_from_slice(&tag.data), ..tag.clone() });
    effect
}

/// Codecs that carry no decoder configuration of their own (MP3, old video codecs).
fn needs_no_header(tag: &Tag) -> bool {
    match tag.kind {
        TagKind::Video => video::Header::parse(&tag.data).is_some_and(|header| {
            !header.enhanced && header.codec == video::Codec::Unknown && header.packet == video::Packet::Frames
        }),
        TagKind::Audio => tag.data.first().is_some_and(|first| !matches!(first >> 4, 9 | 10)),
        TagKind::Script => false,
    }
}
