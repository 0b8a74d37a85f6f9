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
use tokio::{sync::oneshot, task::JoinHandle};

const FPS: u32 = 30;
const VIDEO: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1f\xff\xe1\0\x04\x67\x42\xc0\x1f\x01\0\x04\x68\xce\x3c\x80";
const AUDIO: &[u8] = b"\xaf\0\x11\x90";

/// A running publish.
pub(super) struct Live {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), PublishError>>,
}

impl Live {
    /// Publishes to `server` with a keyframe each `gop_frames`.
    pub async fn start(server: &str, key: &StreamKey, gop_frames: u32) -> Self {
        let url = RtmpUrl::parse(server, TargetPolicy { allow_private: true }).unwrap();
        let addr = format!("127.0.0.1:{}", url.port).parse().unwrap();
        let target = Target { url, key: key.clone(), addr };
        let options = Options::new(Trust::system(None).unwrap());
        let mut publisher = publisher::connect(target, options, |_, _| {}).await.unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            publisher.send(&tag(TagKind::Video, 0, VIDEO)).await?;
            publisher.send(&tag(TagKind::Audio, 0, AUDIO)).await?;
            let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / u64::from(FPS)));
            for frame in 0.. {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = &mut stopped => break,
                }
                for tag in frame_tags(frame, gop_frames) {
                    publisher.send(&tag).await?;
                }
                publisher.flush().await?;
            }
            publisher.close().await;
            Ok(())
        });
        Self { stop, task }
    }

    /// Unpublishes.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let _ = self.task.await.unwrap();
    }
}

fn tag(kind: TagKind, ts: u32, data: impl Into<Bytes>) -> Tag {
    Tag { kind, ts, data: data.into() }
}

fn frame_tags(frame: u32, gop_frames: u32) -> [Tag; 2] {
    let ts = frame * 1_000 / FPS;
    let mut video = vec![0x5a; 8_000];
    video[..5].copy_from_slice(&[if frame.is_multiple_of(gop_frames) { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
    let audio = [[0xaf, 1].as_slice(), &[0x33; 300]].concat();
    [tag(TagKind::Video, ts, video), tag(TagKind::Audio, ts, audio)]
}
