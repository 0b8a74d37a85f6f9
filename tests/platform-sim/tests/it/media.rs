//! A synthetic publisher: sequence headers, then filler at 30 fps.

use std::time::Duration;

use bytes::Bytes;
use domain::target::{RtmpUrl, TargetPolicy};
use media::{
    flv::{Tag, TagKind},
    rtmp::{
        publisher::{self, Options, PublishError, Target},
        tls::Trust,
    },
};
use secret::StreamKey;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const FPS: u32 = 30;
const VIDEO: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1f\xff\xe1\0\x04\x67\x42\xc0\x1f\x01\0\x04\x68\xce\x3c\x80";

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub gop_frames: u32,
    pub audio: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { gop_frames: 2 * FPS, audio: true }
    }
}

/// A running publish.
pub(crate) struct Live {
    stop: CancellationToken,
    task: JoinHandle<Result<(), PublishError>>,
}

impl Live {
    /// Publishes to `server` (rtmp://host:port/app, perhaps with a slash at the end) with `key`.
    pub async fn start(server: &str, key: &str, shape: Shape) -> Result<Self, PublishError> {
        Self::trusting(Trust::system(None).unwrap(), server, key, shape).await
    }

    /// As [`Self::start`], with the authorities that RTMPS needs.
    pub async fn trusting(trust: Trust, server: &str, key: &str, shape: Shape) -> Result<Self, PublishError> {
        let url = RtmpUrl::parse(server.trim_end_matches('/'), TargetPolicy { allow_private: true }).unwrap();
        let addr = format!("127.0.0.1:{}", url.port).parse().unwrap();
        let target = Target { url, key: StreamKey::new(key.to_owned()).unwrap(), addr };
        let mut publisher = publisher::connect(target, Options::new(trust), |_, _| {}).await?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            for tag in headers(shape) {
                publisher.send(&tag).await?;
            }
            let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / u64::from(FPS)));
            for frame in 0.. {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stopped.cancelled() => break,
                }
                for tag in tags(frame, shape) {
                    publisher.send(&tag).await?;
                }
                publisher.flush().await?;
            }
            publisher.close().await;
            Ok(())
        });
        Ok(Self { stop, task })
    }

    /// To a URL whose last part is the key, as Facebook gives it.
    pub async fn to(url: &str) -> Result<Self, PublishError> {
        let at = url.find("/rtmp/").unwrap() + "/rtmp".len();
        Self::start(&url[..at], &url[at + 1..], Shape::default()).await
    }

    /// Unpublishes.
    pub async fn finish(self) -> Result<(), PublishError> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    /// Waits until the server ends it.
    pub async fn ended(self) -> Result<(), PublishError> {
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("the server ends the publish").unwrap()
    }
}

fn tag(kind: TagKind, ts: u32, data: impl Into<Bytes>) -> Tag {
    Tag { kind, ts, data: data.into() }
}

fn headers(shape: Shape) -> Vec<Tag> {
    let mut headers = vec![tag(TagKind::Video, 0, VIDEO)];
    if shape.audio {
        headers.push(tag(TagKind::Audio, 0, &b"\xaf\0\x11\x90"[..]));
    }
    headers
}

fn tags(frame: u32, shape: Shape) -> Vec<Tag> {
    let ts = frame * 1_000 / FPS;
    let mut video = vec![0x5a; 8_000];
    video[..5].copy_from_slice(&[if frame.is_multiple_of(shape.gop_frames) { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
    let mut tags = vec![tag(TagKind::Video, ts, video)];
    if shape.audio {
        tags.push(tag(TagKind::Audio, ts, [[0xaf, 1].as_slice(), &[0x33; 300]].concat()));
    }
    tags
}
