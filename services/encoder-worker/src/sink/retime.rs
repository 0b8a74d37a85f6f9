//! Gives a publish its own clock.
//!
//! FFmpeg runs on while a destination is away, so its time stamps don't start at zero for a new publish, and a new FFmpeg
//! starts at zero in the middle of one. Audio and video are always moved by the same amount.

use media::flv::Tag;

/// The gap between the last tag of one FFmpeg and the first of the next, at least: one frame at 25 fps.
const SPLICE_MS: u32 = 40;

/// Maps times of FFmpeg to times of one publish.
#[derive(Debug, Default)]
pub struct Retimer {
    /// The input time that maps to `at`.
    base: Option<u32>,
    at: u32,
    last: u32,
}

impl Retimer {
    /// A new FFmpeg follows; `elapsed_ms` is how long the publish has been running. Its first tag continues the
    /// timeline, after the last one and no earlier than the wall clock says.
    pub fn splice(&mut self, elapsed_ms: u32) {
        if self.base.take().is_some() {
            self.at = (self.last.wrapping_add(SPLICE_MS)).max(elapsed_ms);
        }
    }

    /// The time of the last tag that went out.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// The tag with its time in the publish; `None` for one from before the first (audio that precedes the keyframe).
    pub fn apply(&mut self, tag: Tag) -> Option<Tag> {
        let base = *self.base.get_or_insert(tag.ts);
        // 32-bit times wrap after 49 days; the difference doesn't care.
        let since = tag.ts.wrapping_sub(base);
        if since > u32::MAX / 2 {
            return None;
        }
        let ts = self.at.wrapping_add(since);
        self.last = self.last.max(ts);
        Some(Tag { ts, ..tag })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::flv::TagKind;

    use super::*;

    fn tag(kind: TagKind, ts: u32) -> Tag {
        Tag { kind, ts, data: Bytes::from_static(b"x") }
    }

    fn times(retimer: &mut Retimer, input: &[(TagKind, u32)]) -> Vec<Option<u32>> {
        input.iter().map(|(kind, ts)| retimer.apply(tag(*kind, *ts)).map(|tag| tag.ts)).collect()
    }

    use TagKind::{Audio, Video};

    #[test]
    fn a_publish_starts_at_zero_with_both_tracks() {
        let mut retimer = Retimer::default();
        let out = times(&mut retimer, &[(Video, 5_000), (Audio, 4_990), (Audio, 5_011), (Video, 5_033)]);
        assert_eq!(out, [Some(0), None, Some(11), Some(33)]);
    }

    #[test]
    fn a_new_ffmpeg_continues_the_timeline() {
        let mut retimer = Retimer::default();
        times(&mut retimer, &[(Video, 0), (Video, 1_000)]);
        retimer.splice(3_500);
        assert_eq!(times(&mut retimer, &[(Video, 21), (Audio, 30)]), [Some(3_500), Some(3_509)]);
        retimer.splice(0);
        assert_eq!(times(&mut retimer, &[(Video, 21)]), [Some(3_549)]);
    }

    #[test]
    fn a_splice_before_anything_was_sent_changes_nothing() {
        let mut retimer = Retimer::default();
        retimer.splice(900);
        assert_eq!(times(&mut retimer, &[(Video, 70)]), [Some(0)]);
    }

    #[test]
    fn times_may_wrap() {
        let mut retimer = Retimer::default();
        assert_eq!(times(&mut retimer, &[(Video, u32::MAX - 9), (Video, 10)]), [Some(0), Some(20)]);
    }
}
