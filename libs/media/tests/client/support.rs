//! Targets, and media to send to them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use domain::target::{RtmpUrl, TargetPolicy};
use media::{
    flv::{Decoder, Tag, TagKind},
    rtmp::{
        publisher::{self, Options, PublishError, Publisher, Target},
        tls::Trust,
    },
};
use secret::StreamKey;
use testkit::tools;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) const KEY: &str = "live_7Qx2mVbT9sKp4Wz";
pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) fn url(text: &str) -> RtmpUrl {
    RtmpUrl::parse(text, TargetPolicy { allow_private: true }).unwrap()
}

pub(crate) fn target(text: &str, addr: SocketAddr) -> Target {
    Target { url: url(text), key: StreamKey::new(KEY.to_owned()).unwrap(), addr }
}

pub(crate) fn options() -> Options {
    Options::new(Trust::system(None).unwrap())
}

pub(crate) async fn publish(text: &str, addr: SocketAddr) -> Result<Publisher, PublishError> {
    publisher::connect(target(text, addr), options(), |_, _| {}).await
}

/// Sequence headers first, as a real encoder sends them. The bodies are filler: no server looks inside.
pub(crate) struct Synthetic {
    kbps: u32,
    frame: u32,
}

impl Synthetic {
    const FPS: u32 = 30;

    pub(crate) fn new(kbps: u32) -> Self {
        Self { kbps, frame: 0 }
    }

    pub(crate) fn headers() -> Vec<Tag> {
        let tag = |kind, data: &'static [u8]| Tag { kind, ts: 0, data: Bytes::from_static(data) };
        vec![
            media::flv::metadata::write(Vec::new()),
            tag(
                TagKind::Video,
                b"\x17\0\0\0\0\x01\x42\xc0\x1f\xff\xe1\0\x04\x67\x42\xc0\x1f\x01\0\x04\x68\xce\x3c\x80",
            ),
            tag(TagKind::Audio, b"\xaf\0\x11\x90"),
        ]
    }

    /// The next video frame (a keyframe every 2 s) and its sound.
    pub(crate) fn next(&mut self) -> [Tag; 2] {
        let ts = self.frame * 1000 / Self::FPS;
        let first = if self.frame.is_multiple_of(2 * Self::FPS) { 0x17 } else { 0x27 };
        self.frame += 1;
        let mut video = vec![0x5a; (self.kbps * 125 / Self::FPS) as usize - 300];
        video[..5].copy_from_slice(&[first, 1, 0, 0, 0]);
        let mut audio = vec![0x33; 300];
        audio[..2].copy_from_slice(&[0xaf, 1]);
        [(TagKind::Video, video), (TagKind::Audio, audio)].map(|(kind, data)| Tag { kind, ts, data: data.into() })
    }
}

/// No fault may take longer to be seen.
const NEVER: Duration = Duration::from_secs(40);

/// Sends `kbps` in real time until `enough` says so or the connection ends.
pub(crate) async fn feed(
    publisher: &mut Publisher,
    kbps: u32,
    mut enough: impl FnMut(&Publisher, Instant) -> bool,
) -> Result<(), PublishError> {
    for tag in Synthetic::headers() {
        publisher.send(&tag).await?;
    }
    let (mut source, began) = (Synthetic::new(kbps), Instant::now());
    let mut clock = interval(Duration::from_micros(1_000_000 / u64::from(Synthetic::FPS)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                assert!(began.elapsed() < NEVER, "no end: {} written, {} acked", publisher.written(), publisher.acked());
                if enough(publisher, Instant::now()) {
                    return publisher.flush().await;
                }
                for tag in source.next() {
                    publisher.send(&tag).await?;
                }
            }
            ended = publisher.drive() => match ended? {},
        }
    }
}

/// Two seconds of a real picture with sound, encoded now.
pub(crate) async fn real_tags() -> Vec<Tag> {
    let output = tokio::process::Command::new(tools::ffmpeg().unwrap())
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "2", "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .args(["-flvflags", "no_duration_filesize", "-f", "flv", "pipe:1"])
        .output()
        .await
        .unwrap();
    let (mut decoder, mut input, mut tags) = (Decoder::default(), BytesMut::from(&output.stdout[..]), Vec::new());
    while let Some(tag) = decoder.next(&mut input).unwrap() {
        tags.push(tag);
    }
    assert!(tags.len() > 100, "{}", String::from_utf8_lossy(&output.stderr));
    tags
}

/// No text of an error holds five bytes of the key.
pub(crate) fn assert_secret(error: &PublishError) {
    let mut text = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text += &format!(" {inner}");
        source = inner.source();
    }
    for piece in KEY.as_bytes().windows(5) {
        assert!(!text.contains(std::str::from_utf8(piece).unwrap()), "{text}");
    }
}
