//! The real RTMP server, the generated source and FFprobe together.

use std::time::Duration;

use testkit::{LiveSource, NginxRtmp, ffprobe, live_source, wait::until_true};

const PATIENCE: Duration = Duration::from_secs(20);

fn small() -> live_source::Options {
    live_source::Options { size: "320x180".into(), kbps: 500, ..Default::default() }
}

#[tokio::test]
async fn a_published_source_is_recorded_counted_and_probed() {
    let nginx = NginxRtmp::start().await.unwrap();
    let source = LiveSource::start_with(&nginx.stream_url("one"), &small()).unwrap();
    until_true("bytes at the server", PATIENCE, async || {
        nginx.stream("one").await.is_ok_and(|stat| stat.publishing && stat.bytes_in > 100_000)
    })
    .await
    .unwrap();
    source.finish();
    until_true("the publisher is gone", PATIENCE, async || !nginx.stream("one").await.unwrap().publishing)
        .await
        .unwrap();
    let recordings = nginx.recordings("one");
    assert_eq!(recordings.len(), 1);
    let found = ffprobe(&recordings[0]).await.unwrap();
    assert_eq!(found.summary(), "h264 320x180, aac");
}

#[tokio::test]
async fn a_refused_key_ends_the_publisher() {
    let nginx = NginxRtmp::start().await.unwrap();
    nginx.refuse("bad").unwrap();
    let source = LiveSource::start_with(&nginx.stream_url("bad"), &small()).unwrap();
    until_true("FFmpeg gives up", PATIENCE, async || !source.alive()).await.unwrap();
    assert!(nginx.recordings("bad").is_empty());
    nginx.accept("bad").unwrap();
    source.restart().unwrap();
    until_true("accepted", PATIENCE, async || nginx.stream("bad").await.unwrap().publishing).await.unwrap();
}
