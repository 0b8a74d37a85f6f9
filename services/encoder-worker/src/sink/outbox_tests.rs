use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { bytes: 1_000, lag_ms: 3_000 };

fn tag(kind: TagKind, ts: u32, data: Vec<u8>) -> Tag {
    Tag { kind, ts, data: Bytes::from(data) }
}

fn headers() -> Vec<Tag> {
    vec![
        tag(TagKind::Script, 0, b"\x02\x00\x0aonMetaData".to_vec()),
        tag(TagKind::Video, 0, vec![0x17, 0, 0, 0, 0, 1]),
        tag(TagKind::Audio, 0, vec![0xaf, 0, 0x12, 0x10]),
    ]
}

fn key(ts: u32) -> Tag {
    tag(TagKind::Video, ts, [vec![0x17, 1, 0, 0, 0], vec![0; 95]].concat())
}

fn delta(ts: u32) -> Tag {
    tag(TagKind::Video, ts, [vec![0x27, 1, 0, 0, 0], vec![0; 45]].concat())
}

fn audio(ts: u32) -> Tag {
    tag(TagKind::Audio, ts, [vec![0xaf, 1], vec![0; 18]].concat())
}

fn outbox() -> Outbox {
    let outbox = Outbox::new(SMALL);
    outbox.begin();
    outbox.push(headers());
    outbox
}

fn media(items: &[Item]) -> Vec<u32> {
    items.iter().filter_map(|item| if let Item::Media(tag) = item { Some(tag.ts) } else { None }).collect()
}

#[test]
fn without_a_publish_the_newest_group_is_kept() {
    let outbox = outbox();
    outbox.push([delta(1), key(10), audio(11), delta(20), key(30), audio(31)]);
    let headers = outbox.attach();
    assert_eq!(headers.tags().count(), 3);
    assert_eq!(media(&outbox.take(100)), [30, 31]);
    outbox.push([delta(40), audio(41)]);
    assert_eq!(media(&outbox.take(100)), [40, 41]);
    assert_eq!(outbox.dropped_frames(), 0);
}

#[test]
fn a_group_too_big_to_keep_is_not_kept() {
    let outbox = outbox();
    outbox.push((0..30).map(|n| if n == 0 { key(0) } else { delta(n) }));
    outbox.attach();
    assert_eq!(outbox.take(100), []);
    outbox.push([delta(31), key(40)]);
    assert_eq!(media(&outbox.take(100)), [40]);
}

#[test]
fn a_slow_sink_skips_to_the_newest_keyframe() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0), audio(1), delta(1_000), key(2_000), audio(2_001), delta(3_001)]);
    assert_eq!(media(&outbox.take(100)), [2_000, 2_001, 3_001]);
    assert_eq!(outbox.dropped_frames(), 2);
}

#[test]
fn a_slow_sink_without_a_newer_keyframe_waits_for_one() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0), delta(1_000), delta(3_001), audio(3_010), delta(3_040), key(4_000)]);
    assert_eq!(media(&outbox.take(100)), [4_000]);
    assert_eq!(outbox.dropped_frames(), 4);
}

#[test]
fn a_lost_publish_leaves_the_newest_group() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0), delta(40), key(80), delta(120)]);
    outbox.take(1);
    outbox.detach();
    outbox.attach();
    assert_eq!(media(&outbox.take(100)), [80, 120]);
    outbox.push([delta(160)]);
    outbox.detach();
    outbox.attach();
    assert_eq!(outbox.take(100), [], "what was taken is gone, a new start needs a keyframe");
}

#[test]
fn a_new_ffmpeg_splices_and_tells_only_new_headers() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0)]);
    outbox.begin();
    outbox.push(headers());
    let changed = tag(TagKind::Video, 0, vec![0x17, 0, 0, 0, 0, 2]);
    outbox.push([changed.clone(), audio(0), key(5)]);
    assert_eq!(outbox.take(100), [Item::Media(key(0)), Item::Splice, Item::Header(changed), Item::Media(key(5))]);
}

#[test]
fn what_is_held_back_never_leaves() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0)]);
    outbox.hold();
    outbox.push([delta(40)]);
    assert_eq!(outbox.take(100), []);
    outbox.begin();
    outbox.push([delta(1), key(2)]);
    assert_eq!(outbox.take(100), [Item::Splice, Item::Media(key(2))]);
}

#[test]
fn what_is_put_back_comes_first() {
    let outbox = outbox();
    outbox.attach();
    outbox.push([key(0), key(10), delta(20)]);
    let mut taken = outbox.take(2).into_iter();
    taken.next();
    outbox.put_back(taken);
    outbox.detach();
    outbox.attach();
    assert_eq!(media(&outbox.take(100)), [10, 20]);
}

#[test]
fn audio_alone_needs_no_keyframe() {
    let outbox = Outbox::new(SMALL);
    outbox.begin();
    outbox.push([tag(TagKind::Audio, 0, vec![0xaf, 0, 0x12, 0x10]), audio(1), audio(2)]);
    outbox.attach();
    assert_eq!(media(&outbox.take(100)), [2]);
}

proptest! {
    #[test]
    fn bounded_and_always_decodable(steps in proptest::collection::vec((0_u8..12, 1_u32..200), 1..300)) {
        let outbox = outbox();
        let (mut ts, mut attached, mut decodable) = (0, false, false);
        for (kind, step) in steps {
            ts += step;
            match kind {
                0..=1 => outbox.push([key(ts)]),
                2..=5 => outbox.push([delta(ts)]),
                6..=8 => outbox.push([audio(ts)]),
                9 if !attached => { outbox.attach(); attached = true; decodable = false; }
                9 => { outbox.detach(); attached = false; }
                10 => outbox.begin(),
                _ if attached => for item in outbox.take(3) {
                    match item {
                        Item::Media(tag) => {
                            decodable |= tag.is_keyframe();
                            prop_assert!(decodable);
                        }
                        Item::Splice => decodable = false,
                        Item::Header(_) => {}
                    }
                },
                _ => {}
            }
            prop_assert!(outbox.lock().bytes <= SMALL.bytes);
        }
    }
}
