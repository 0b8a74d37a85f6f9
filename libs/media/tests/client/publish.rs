//! What arrives where everything goes well.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use media::{
    flv::TagKind,
    rtmp::publisher::{self, Step},
};
use testkit::{
    NginxRtmp, Sink, ffprobe, ffprobe_bytes,
    ports::Port,
    sink::{self, Certificate, End, TestCa},
    temp, tools, wait,
};

use crate::support::{KEY, SOON, feed, options, publish, real_tags, target};

#[tokio::test]
async fn what_is_sent_arrives_and_is_counted() {
    let sink = Sink::start().await.unwrap();
    let mut steps = Vec::new();
    let options = options();
    let mut publisher =
        publisher::connect(target(&sink.url(), sink.addr()), options, |step, _| steps.push(step)).await.unwrap();
    assert_eq!(steps, [Step::Connect, Step::Handshake, Step::RtmpConnect, Step::Publish]);
    assert_eq!(publisher.media_acked(), 0);

    let tags = real_tags().await;
    for tag in &tags {
        publisher.send(tag).await.unwrap();
    }
    publisher.flush().await.unwrap();
    assert_eq!(publisher.waiting(), 0);
    let written = publisher.written();
    let acked = publisher.close().await;

    let ended = sink.wait_for("the end", SOON, |seen| seen[0].ended).await.unwrap();
    assert_eq!(ended.1, End::Unpublished);
    let seen = sink.seen().remove(0);
    assert_eq!(seen.tags.len(), tags.len());
    let times = |seen: Vec<(TagKind, u32)>| seen;
    assert_eq!(
        times(seen.tags.iter().map(|tag| (tag.kind, tag.ts)).collect()),
        times(tags.iter().map(|tag| (tag.kind, tag.ts)).collect())
    );
    assert!(seen.starts_decodable() && seen.backwards == 0 && seen.max_skew_ms < 100, "{seen:?}");
    assert_eq!((seen.app.as_str(), seen.tc_url.as_str()), ("live", sink.url().as_str()));
    assert!(seen.bytes >= written, "{} of {written}", seen.bytes);
    assert_eq!(acked, seen.media_bytes);
    assert_eq!(ffprobe_bytes(&seen.flv()).await.unwrap().summary(), "h264 320x180, aac");
}

#[tokio::test]
async fn rtmps_is_verified_and_counted_in_plain_bytes() {
    let ca = TestCa::new().unwrap();
    let tls = Some((ca.clone(), Certificate::Valid));
    let sink = Sink::start_with(sink::Options { tls, ..sink::Options::default() }).await.unwrap();
    let mut options = options();
    options.trust = media::rtmp::tls::Trust::system(Some(ca.file())).unwrap();
    let mut steps = Vec::new();
    let mut publisher =
        publisher::connect(target(&sink.url(), sink.addr()), options, |step, _| steps.push(step)).await.unwrap();
    assert_eq!(steps, [Step::Connect, Step::Tls, Step::Handshake, Step::RtmpConnect, Step::Publish]);
    for tag in real_tags().await {
        publisher.send(&tag).await.unwrap();
    }
    publisher.flush().await.unwrap();
    let written = publisher.written();
    wait::until_true("all acknowledged", SOON, async || publisher.acked() == written).await.unwrap();
    let acked = publisher.close().await;
    let seen = sink.wait_for("the end", SOON, |seen| seen[0].ended.map(|_| seen[0].clone())).await.unwrap();
    assert_eq!(acked, seen.media_bytes);
    assert_eq!(ffprobe_bytes(&seen.flv()).await.unwrap().summary(), "h264 320x180, aac");
}

#[tokio::test]
async fn nginx_takes_it_confirms_it_and_is_told_the_end() {
    let nginx = NginxRtmp::start().await.unwrap();
    let mut publisher = publish(&nginx.url(), nginx.addr()).await.unwrap();
    for tag in real_tags().await {
        publisher.send(&tag).await.unwrap();
    }
    publisher.flush().await.unwrap();
    wait::until_true("nginx shows the stream", SOON, async || nginx.stream(KEY).await.unwrap().publishing)
        .await
        .unwrap();
    // Real time from here on, so that nginx' acknowledgements (it obeys our window of 64 KiB) are seen.
    let mut looks = 0;
    feed(&mut publisher, 2_000, |publisher, _| {
        looks += 1;
        publisher.confirmed() > 0 || looks > 150
    })
    .await
    .unwrap();
    assert!(publisher.confirmed() > 0);
    publisher.close().await;
    let gone = async || !nginx.stream(KEY).await.unwrap().publishing;
    wait::until_true("nginx sees the end", Duration::from_secs(1), gone).await.unwrap();
    let recording = nginx.recordings(KEY).remove(0);
    assert_eq!(ffprobe(recording).await.unwrap().summary(), "h264 320x180, aac");
}

#[tokio::test]
async fn ffmpeg_as_a_server_takes_it() {
    let (port, dir) = (Port::draw().unwrap(), temp::dir("listen").unwrap());
    let file = dir.path().join("out.flv");
    let mut ffmpeg = tokio::process::Command::new(tools::ffmpeg().unwrap())
        .args(["-loglevel", "error", "-listen", "1", "-i", &format!("rtmp://{}/live/{KEY}", port.addr())])
        .args(["-c", "copy", "-f", "flv"])
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut publisher = connect_when_up(port.addr()).await;
    for tag in real_tags().await {
        publisher.send(&tag).await.unwrap();
    }
    publisher.close().await;
    let status = tokio::time::timeout(SOON, ffmpeg.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(ffprobe(&file).await.unwrap().summary(), "h264 320x180, aac");
}

async fn connect_when_up(addr: SocketAddr) -> publisher::Publisher {
    let connect = async || publish(&format!("rtmp://{addr}/live"), addr).await.ok();
    wait::until("ffmpeg listens", SOON, connect).await.unwrap()
}

#[tokio::test]
async fn few_writes_carry_many_tags_and_all_in_time() {
    let sink = Sink::start().await.unwrap();
    let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
    let mut frames = 0;
    feed(&mut publisher, 1_000, |_, _| {
        frames += 1;
        frames > 60
    })
    .await
    .unwrap();
    let seen =
        sink.wait_for("all tags", SOON, |seen| (seen[0].tags.len() >= 123).then(|| seen[0].clone())).await.unwrap();
    let first = seen.tags[4];
    for tag in &seen.tags[4..] {
        let late = tag.at.duration_since(first.at).as_millis() as i64 - i64::from(tag.ts - first.ts);
        assert!(late.abs() < 300, "{late} ms");
    }
    publisher.close().await;
}
