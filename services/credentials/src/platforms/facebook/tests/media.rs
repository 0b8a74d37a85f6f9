//! A synthetic publisher: sequence headers, then filler at 30 fps.

use std::time::Duration;

use bytes::Bytes;
use domain::target::{RtmpUrl, TargetPolicy};
use media::{
    flv::{Tag, TagKind},
    rtmp::{
        publisher::{self, Options, PublishError, Publisher, Target},
        tls::Trust,
    },
};
use secret::StreamKey;
use tokio::task::JoinHandle;

const FPS: u32 = 30;
const GOP: u32 = 2 * FPS;
const VIDEO: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1f\xff\xe1\0\x04\x67\x42\xc0\x1f\x01\0\x04\x68\xce\x3c\x80";

/// A running publish. Dropping it resets the connection.
pub(super) struct Live(JoinHandle<Result<(), PublishError>>);

impl Live {
    pub async fn start(server: &str, key: &StreamKey) -> Result<Self, PublishError> {
        let url = RtmpUrl::parse(server, TargetPolicy { allow_private: true }).unwrap();
        let addr = format!("127.0.0.1:{}", url.port).parse().unwrap();
        let target = Target { url, key: key.clone(), addr };
        let publisher = publisher::connect(target, Options::new(Trust::system(None).unwrap()), |_, _| {}).await?;
        Ok(Self(tokio::spawn(send(publisher))))
    }

    /// Waits until the server ends it.
    pub async fn ended(mut self) -> bool {
        tokio::time::timeout(Duration::from_secs(10), &mut self.0).await.is_ok()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(mut publisher: Publisher) -> Result<(), PublishError> {
    publisher.send(&tag(TagKind::Video, 0, VIDEO)).await?;
    publisher.send(&tag(TagKind::Audio, 0, &b"\xaf\0\x11\x90"[..])).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / u64::from(FPS)));
    for frame in 0.. {
        ticks.tick().await;
        let ts = frame * 1_000 / FPS;
        let mut video = vec![0x5a; 8_000];
        video[..5].copy_from_slice(&[if frame.is_multiple_of(GOP) { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
        publisher.send(&tag(TagKind::Video, ts, video)).await?;
        publisher.send(&tag(TagKind::Audio, ts, [[0xaf, 1].as_slice(), &[0x33; 300]].concat())).await?;
        publisher.flush().await?;
    }
    Ok(())
}

fn tag(kind: TagKind, ts: u32, data: impl Into<Bytes>) -> Tag {
    Tag { kind, ts, data: data.into() }
}
