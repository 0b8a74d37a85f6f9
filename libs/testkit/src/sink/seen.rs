//! What a sink saw of one connection.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use media::flv::{self, Tag, TagKind};

/// Tags remembered per connection; more are only counted. An hour of 30 fps with sound is 270,000.
const MAX_TAGS: usize = 300_000;

/// One tag as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenTag {
    /// Audio, video or script.
    pub kind: TagKind,
    /// Its time in ms.
    pub ts: u32,
    /// When it was complete.
    pub at: Instant,
    /// Bytes of its body.
    pub bytes: usize,
    /// A video keyframe.
    pub keyframe: bool,
    /// A sequence header.
    pub sequence_header: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The publisher said goodbye (FCUnpublish, deleteStream).
    Unpublished,
    /// The publisher closed without a word (FIN).
    Closed,
    /// The publisher reset it, or the network failed.
    Reset,
    /// By script or order of the test.
    ByUs,
    /// The publisher did not speak RTMP, or gave up in the TLS handshake.
    Broken,
}

/// What was seen of one connection. Instants are those of the test process' clock.
#[derive(Clone)]
pub struct Seen {
    /// Its number, in the order of acceptance.
    pub id: usize,
    /// Accepted.
    pub connected_at: Instant,
    /// The publish was accepted.
    pub published_at: Option<Instant>,
    /// SHA-256 of the key in hex.
    pub key_sha256: String,
    /// `app` of the connect command.
    pub app: String,
    /// `tcUrl` of the connect command.
    pub tc_url: String,
    /// First byte after the publish was accepted.
    pub first_media: Option<Instant>,
    /// Last byte.
    pub last_media: Option<Instant>,
    /// When and how it ended.
    pub ended: Option<(Instant, End)>,
    /// Bytes of RTMP received, all together (plain text under TLS).
    pub bytes: u64,
    /// Bytes of RTMP received since the publish was accepted.
    pub media_bytes: u64,
    /// Bytes per 100 ms slot since [`Seen::connected_at`]; empty slots are not there.
    pub per_100ms: BTreeMap<u64, u64>,
    /// Tags, in order.
    pub tags: Vec<SeenTag>,
    /// Tags whose time was below that of their predecessor of the same kind.
    pub backwards: u64,
    /// Largest distance of the audio time from the video time when a tag came, in ms.
    pub max_skew_ms: u32,
    last_ts: [Option<u32>; 2],
    media: Vec<Tag>,
    kept: usize,
}

impl Seen {
    pub(super) fn new(id: usize) -> Self {
        Self {
            id,
            connected_at: Instant::now(),
            published_at: None,
            key_sha256: String::new(),
            app: String::new(),
            tc_url: String::new(),
            first_media: None,
            last_media: None,
            ended: None,
            bytes: 0,
            media_bytes: 0,
            per_100ms: BTreeMap::new(),
            tags: Vec::new(),
            backwards: 0,
            max_skew_ms: 0,
            last_ts: [None; 2],
            media: Vec::new(),
            kept: 0,
        }
    }

    /// The publish was accepted and the connection stands.
    pub fn is_live(&self) -> bool {
        self.published_at.is_some() && self.ended.is_none()
    }

    /// Tags of one kind.
    pub fn count(&self, kind: TagKind) -> usize {
        self.tags.iter().filter(|tag| tag.kind == kind).count()
    }

    /// The longest time without a byte between the first and the last.
    pub fn longest_gap(&self) -> Duration {
        let (Some(first), Some(last)) = (self.first_media, self.last_media) else { return Duration::ZERO };
        let slot = |at: Instant| at.duration_since(self.connected_at).as_millis() as u64 / 100;
        let (mut longest, mut before) = (0, slot(first));
        for at in self.per_100ms.keys().copied().filter(|at| *at > before && *at <= slot(last)).collect::<Vec<_>>() {
            longest = longest.max(at - before - 1);
            before = at;
        }
        Duration::from_millis(longest * 100)
    }

    /// The first media tag of a new publish was what a decoder needs: sequence headers, then a keyframe.
    pub fn starts_decodable(&self) -> bool {
        let mut video = self.tags.iter().filter(|tag| tag.kind == TagKind::Video);
        video.next().is_some_and(|tag| tag.sequence_header) && video.next().is_some_and(|tag| tag.keyframe)
    }

    /// What was received as an FLV file (the first [`super::Options::keep_bytes`] of it), for `ffprobe`.
    pub fn flv(&self) -> Bytes {
        let has = |kind| self.media.iter().any(|tag| tag.kind == kind);
        let mut file = BytesMut::from(&flv::header(has(TagKind::Video), has(TagKind::Audio))[..]);
        self.media.iter().for_each(|tag| flv::put_tag(tag, &mut file));
        file.freeze()
    }

    pub(super) fn received(&mut self, bytes: usize) {
        let now = Instant::now();
        self.bytes += bytes as u64;
        let slot = now.duration_since(self.connected_at).as_millis() as u64 / 100;
        *self.per_100ms.entry(slot).or_default() += bytes as u64;
        if self.published_at.is_some() {
            self.media_bytes += bytes as u64;
            self.first_media.get_or_insert(now);
            self.last_media = Some(now);
        }
    }

    pub(super) fn tag(&mut self, tag: Tag, keep_bytes: usize) {
        self.judge_times(&tag);
        if self.tags.len() < MAX_TAGS {
            self.tags.push(SeenTag {
                kind: tag.kind,
                ts: tag.ts,
                at: Instant::now(),
                bytes: tag.data.len(),
                keyframe: tag.is_keyframe(),
                sequence_header: tag.is_sequence_header(),
            });
        }
        self.kept += tag.data.len();
        if self.kept <= keep_bytes {
            // A copy: the original is a piece of a read buffer, which it would keep alive.
            self.media.push(Tag { data: Bytes::copy_from_slice(&tag.data), ..tag });
        }
    }

    fn judge_times(&mut self, tag: &Tag) {
        let (own, other) = match tag.kind {
            TagKind::Audio => (0, 1),
            TagKind::Video => (1, 0),
            TagKind::Script => return,
        };
        if tag.is_sequence_header() {
            return;
        }
        if self.last_ts[own].is_some_and(|last| tag.ts.wrapping_sub(last) > u32::MAX / 2) {
            self.backwards += 1;
        }
        self.last_ts[own] = Some(tag.ts);
        if let Some(there) = self.last_ts[other] {
            self.max_skew_ms = self.max_skew_ms.max(tag.ts.wrapping_sub(there).min(there.wrapping_sub(tag.ts)));
        }
    }
}

/// Milliseconds in which two connections sent media for one key: for each pair, the common part of their times from
/// first to last byte.
pub fn overlap_ms(seen: &[Seen]) -> u64 {
    let mut total = Duration::ZERO;
    for (at, one) in seen.iter().enumerate() {
        for other in seen[at + 1..].iter().filter(|other| other.key_sha256 == one.key_sha256) {
            let times = (one.first_media.zip(one.last_media), other.first_media.zip(other.last_media));
            if let (Some((first, last)), Some((other_first, other_last))) = times {
                total += last.min(other_last).saturating_duration_since(first.max(other_first));
            }
        }
    }
    total.as_millis() as u64
}

impl fmt::Debug for Seen {
    /// One line; the key as the beginning of its hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |at: Option<Instant>| at.map(|at| at.duration_since(self.connected_at).as_millis());
        f.debug_struct("Seen")
            .field("id", &self.id)
            .field("key", &self.key_sha256.get(..8).unwrap_or_default())
            .field("published_ms", &ms(self.published_at))
            .field("first_media_ms", &ms(self.first_media))
            .field("last_media_ms", &ms(self.last_media))
            .field("ended", &self.ended.map(|(at, end)| (ms(Some(at)), end)))
            .field("bytes", &self.bytes)
            .field("tags", &self.tags.len())
            .field("backwards", &self.backwards)
            .field("max_skew_ms", &self.max_skew_ms)
            .finish()
    }
}
