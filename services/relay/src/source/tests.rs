//! A source between a writer and its readers.

use std::{pin::pin, task::Context};

use bytes::{Bytes, BytesMut};
use domain::ids::{Epoch, SessionId};
use futures::task::noop_waker;
use hyper::body::Body;
use media::{
    flv::{Decoder, Tag, TagKind, metadata},
    rtmp::amf::Value,
};
use service_kit::ticket::Use;
use uuid::Uuid;

use super::*;
use crate::fence::Fence;

const VIDEO_HEADER: &[u8] = b"\x17\0\0\0\0\x01\x64";
const AUDIO_HEADER: &[u8] = b"\xaf\0\x11\x90";

struct Rig {
    source: Arc<Source>,
    writer: Writer,
    fence: Fence,
    sessions: u128,
}

impl Rig {
    fn new(bounds: &Bounds) -> Self {
        let identity = Identity {
            stream: StreamId(Uuid::from_u128(1)),
            publish: PublishId(Uuid::from_u128(2)),
            source_epoch: 3,
            key_sha256: None,
        };
        let source = Source::new(identity, bounds);
        let writer = Writer::new(Arc::clone(&source), bounds.flush_bytes);
        Self { source, writer, fence: Fence::new(100, Duration::from_secs(60)), sessions: 0 }
    }

    fn push(&mut self, kind: TagKind, ts: u32, data: &[u8]) {
        self.writer.push(&Tag { kind, ts, data: Bytes::copy_from_slice(data) }, Instant::now());
    }

    fn headers(&mut self) {
        self.push(TagKind::Video, 0, VIDEO_HEADER);
        self.push(TagKind::Audio, 0, AUDIO_HEADER);
    }

    /// 25 fps with audio; a keyframe each `gop` frames. One batch per frame.
    fn frames(&mut self, numbers: std::ops::Range<u32>, gop: u32) {
        for n in numbers {
            let first = if n % gop == 0 { 0x17 } else { 0x27 };
            self.push(TagKind::Video, n * 40, &[first, 1, 0, 0, 0, n as u8]);
            self.push(TagKind::Audio, n * 40 + 5, &[0xaf, 1, n as u8]);
            self.writer.flush();
        }
    }

    fn pass(&mut self) -> Pass {
        self.sessions += 1;
        let session = SessionId(Uuid::from_u128(self.sessions));
        self.fence.enter(session, Epoch(1), Use::Read, Instant::now()).unwrap_or_else(|_| panic!("first"))
    }

    async fn join(&mut self) -> Option<Reader> {
        let pass = self.pass();
        self.source.join(pass, Duration::from_secs(5)).await
    }
}

/// What a reader gets without waiting: tags, then how it stands.
#[derive(Debug, PartialEq)]
enum Stand {
    Waits,
    Ended,
    Aborted(reader::ReadError),
}

fn drain(reader: &mut Reader) -> (Vec<u8>, Stand) {
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut bytes = Vec::new();
    loop {
        match pin!(&mut *reader).poll_frame(&mut cx) {
            std::task::Poll::Ready(Some(Ok(frame))) => bytes.extend_from_slice(&frame.into_data().unwrap()),
            std::task::Poll::Ready(Some(Err(error))) => return (bytes, Stand::Aborted(error)),
            std::task::Poll::Ready(None) => return (bytes, Stand::Ended),
            std::task::Poll::Pending => return (bytes, Stand::Waits),
        }
    }
}

fn tags(decoder: &mut Decoder, bytes: &[u8]) -> Vec<(TagKind, u32)> {
    let mut input = BytesMut::from(bytes);
    let mut tags = Vec::new();
    while let Some(tag) = decoder.next(&mut input).unwrap() {
        tags.push((tag.kind, tag.ts));
    }
    assert!(input.is_empty());
    tags
}

use TagKind::{Audio, Script, Video};

#[tokio::test]
async fn a_reader_gets_headers_then_the_last_gop_then_live() {
    let mut rig = Rig::new(&Bounds::default());
    rig.push(Script, 77, &metadata::write(vec![("width".into(), Value::Number(8.0))]).data);
    rig.headers();
    rig.frames(0..58, 25);
    let mut reader = rig.join().await.unwrap();
    let (mut decoder, (bytes, stand)) = (Decoder::default(), drain(&mut reader));
    let got = tags(&mut decoder, &bytes);
    assert!(decoder.has_video() && decoder.has_audio());
    assert_eq!(got[..5], [(Script, 0), (Video, 2000), (Audio, 2000), (Video, 2000), (Audio, 2005)]);
    assert_eq!((got.len(), stand), (3 + 16, Stand::Waits));
    rig.frames(58..60, 25);
    assert_eq!(tags(&mut decoder, &drain(&mut reader).0), [(Video, 2320), (Audio, 2325), (Video, 2360), (Audio, 2365)]);
}

#[tokio::test]
async fn a_clean_end_an_abort_and_a_fence() {
    for (reason, want) in [
        (EndReason::Closed, Stand::Ended),
        (EndReason::Timeout, Stand::Ended),
        (EndReason::Superseded, Stand::Aborted(reader::ReadError::Moved)),
        (EndReason::Drained, Stand::Aborted(reader::ReadError::Moved)),
    ] {
        let mut rig = Rig::new(&Bounds::default());
        rig.headers();
        rig.frames(0..3, 25);
        let mut reader = rig.join().await.unwrap();
        rig.frames(3..4, 25);
        rig.source.end(reason);
        let (bytes, stand) = drain(&mut reader);
        assert_eq!((tags(&mut Decoder::default(), &bytes).len(), stand), (2 + 8, want), "what was sent arrives");
        assert!(rig.join().await.is_none());
    }
    let mut rig = Rig::new(&Bounds::default());
    rig.headers();
    rig.frames(0..3, 25);
    let (first, fence) = (rig.pass(), rig.fence.clone());
    let mut old = rig.source.join(first, Duration::from_secs(1)).await.unwrap();
    let second = fence.enter(SessionId(Uuid::from_u128(1)), Epoch(2), Use::Read, Instant::now());
    assert_eq!(drain(&mut old), (Vec::new(), Stand::Aborted(reader::ReadError::Fenced)), "not one more byte");
    assert_eq!(rig.source.readers(), 1);
    drop((old, second));
    assert_eq!(rig.source.readers(), 0);
}

#[tokio::test]
async fn a_slow_reader_skips_to_a_keyframe_and_gets_new_configurations() {
    let bounds = Bounds { keep_for_slow: Duration::from_millis(100), ..Bounds::default() };
    let mut rig = Rig::new(&bounds);
    rig.headers();
    rig.frames(0..10, 25);
    let (mut slow, mut steady) = (rig.join().await.unwrap(), rig.join().await.unwrap());
    let (mut slow_decoder, mut steady_decoder) = (Decoder::default(), Decoder::default());
    tags(&mut slow_decoder, &drain(&mut slow).0);
    tags(&mut steady_decoder, &drain(&mut steady).0);
    let mut step = |rig: &mut Rig, numbers: std::ops::Range<u32>| -> usize {
        numbers
            .map(|n| {
                rig.frames(n..n + 1, 25);
                tags(&mut steady_decoder, &drain(&mut steady).0).len()
            })
            .sum()
    };
    assert_eq!(step(&mut rig, 10..60), 100);
    let got = tags(&mut slow_decoder, &drain(&mut slow).0);
    assert_eq!((got[0], got.len()), ((Video, 2000), 20), "no configuration again: it did not change");
    rig.push(Video, 2400, b"\x17\0\0\0\0\x01\x4d");
    assert_eq!(step(&mut rig, 60..110), 1 + 100);
    let got = tags(&mut slow_decoder, &drain(&mut slow).0);
    assert_eq!(got[..3], [(Video, 4000), (Audio, 4000), (Video, 4000)]);
}

#[tokio::test]
async fn after_a_new_configuration_readers_start_at_a_keyframe_behind_it() {
    let mut rig = Rig::new(&Bounds::default());
    rig.headers();
    rig.frames(0..30, 25);
    rig.push(Video, 1200, b"\x17\0\0\0\0\x01\x4d");
    assert_eq!(rig.source.readiness(Instant::now()), Readiness::Wait(None));
    rig.frames(30..40, 25);
    assert_eq!(rig.source.readiness(Instant::now()), Readiness::Wait(None));
    rig.frames(40..51, 25);
    assert_eq!(rig.source.readiness(Instant::now()), Readiness::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_missing_kind_is_waited_for_a_while_and_the_header_says_what_is_there() {
    let mut rig = Rig::new(&Bounds::default());
    rig.push(Video, 0, VIDEO_HEADER);
    rig.frames(0..1, 25); // the audio frame has no configuration yet
    let now = Instant::now();
    assert!(matches!(rig.source.readiness(now), Readiness::Wait(Some(_))));
    assert_eq!(rig.source.readiness(now + Bounds::default().second_kind_wait), Readiness::Ready);

    let mut rig = Rig::new(&Bounds::default());
    let said = [("videocodecid", 7.0), ("audiocodecid", 10.0)].map(|(k, n)| (k.to_owned(), Value::Number(n)));
    rig.push(Script, 0, &metadata::write(said.to_vec()).data);
    rig.push(Video, 0, VIDEO_HEADER);
    rig.push(Video, 0, &[0x17, 1, 0, 0, 0]);
    rig.writer.flush();
    let now = Instant::now();
    assert!(matches!(rig.source.readiness(now + Bounds::default().second_kind_wait), Readiness::Wait(Some(_))));
    assert_eq!(rig.source.readiness(now + Bounds::default().announced_kind_wait), Readiness::Ready);
    rig.push(Audio, 0, AUDIO_HEADER);
    rig.push(Video, 40, &[0x17, 1, 0, 0, 0]);
    rig.writer.flush();
    assert_eq!(rig.source.readiness(now), Readiness::Ready);
}

#[tokio::test]
async fn audio_alone_is_served_and_video_that_comes_later_makes_readers_start_anew() {
    let bounds = Bounds { second_kind_wait: Duration::ZERO, ..Bounds::default() };
    let mut rig = Rig::new(&bounds);
    rig.push(Audio, 0, AUDIO_HEADER);
    for n in 0..20 {
        rig.push(Audio, n * 20, &[0xaf, 1, 2]);
        rig.writer.flush();
    }
    let mut reader = rig.join().await.unwrap();
    let (mut decoder, (bytes, stand)) = (Decoder::default(), drain(&mut reader));
    assert_eq!(tags(&mut decoder, &bytes), [(Audio, 380), (Audio, 380)]);
    assert!(decoder.has_audio() && !decoder.has_video() && stand == Stand::Waits);
    rig.push(Video, 400, VIDEO_HEADER);
    assert_eq!(drain(&mut reader).1, Stand::Aborted(reader::ReadError::LayoutChanged));
}

#[tokio::test]
async fn only_metadata_passes_of_all_script_tags() {
    let mut rig = Rig::new(&Bounds::default());
    rig.push(Script, 5, b"\x02\x00\x0aonTextData\x05");
    rig.push(Script, 5, b"garbage");
    rig.headers();
    rig.frames(0..1, 25);
    let mut reader = rig.join().await.unwrap();
    assert!(tags(&mut Decoder::default(), &drain(&mut reader).0).iter().all(|(kind, _)| *kind != Script));
}
