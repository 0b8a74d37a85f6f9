//! Promise P4: a destination that accepts TCP and stops reading is seen in 8 s at 500 kbit/s and more.

use std::time::{Duration, Instant};

use media::rtmp::publisher::PublishError;
use testkit::{NginxRtmp, Proxy, Sink, sink};

use crate::support::{feed, publish};

const SEEN_WITHIN: Duration = Duration::from_secs(8);
/// Media flows before the freeze: long enough for the kernel to have tuned its buffers.
const BEFORE: Duration = Duration::from_secs(4);

async fn frozen_sink(kbps: u32, acknowledge: bool, receive_buffer: Option<u32>) -> (Duration, PublishError) {
    let options = sink::Options { acknowledge, receive_buffer, ..sink::Options::default() };
    let sink = Sink::start_with(options).await.unwrap();
    let mut publisher = publish(&sink.url(), sink.addr()).await.unwrap();
    let began = Instant::now();
    let mut frozen = None;
    let error = feed(&mut publisher, kbps, |_, now| {
        if frozen.is_none() && now.duration_since(began) >= BEFORE {
            sink.freeze();
            frozen = Some((now, sink.look(|seen| seen[0].bytes)));
        }
        false
    })
    .await
    .unwrap_err();
    let (at, bytes) = frozen.expect("it was frozen first");
    let read = sink.look(|seen| seen[0].bytes);
    assert!(read <= bytes + (64 << 10), "it really stopped reading: {bytes}, then {read}");
    (at.elapsed(), error)
}

/// The cases run beside each other: they wait, they do not compute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_stops_reading_is_seen_in_time() {
    let cases = [
        (500, true, None),
        (500, false, None),
        (500, true, Some(4 << 20)),
        (1_000, false, None),
        (4_500, true, None),
        (4_500, true, Some(4 << 20)),
        (300, false, None),
    ];
    let runs = cases
        .map(|(kbps, acknowledge, buffer)| tokio::spawn(async move { frozen_sink(kbps, acknowledge, buffer).await }));
    for ((kbps, acknowledge, buffer), run) in cases.into_iter().zip(runs) {
        let (after, error) = run.await.unwrap();
        println!("{kbps} kbit/s, acknowledges: {acknowledge}, SO_RCVBUF {buffer:?}: {after:.1?}, {error}");
        assert!(matches!(error, PublishError::Stalled(_)), "{error:?}");
        let limit = if kbps < 500 { SEEN_WITHIN * 2 } else { SEEN_WITHIN };
        assert!(after < limit, "{kbps} kbit/s: {after:?}");
    }
}

#[tokio::test]
async fn a_frozen_nginx_is_seen_in_time() {
    let nginx = NginxRtmp::start().await.unwrap();
    let mut publisher = publish(&nginx.url(), nginx.addr()).await.unwrap();
    let (began, mut frozen) = (Instant::now(), None);
    let error = feed(&mut publisher, 500, |_, now| {
        if frozen.is_none() && now.duration_since(began) >= BEFORE {
            nginx.pause();
            frozen = Some(now);
        }
        false
    })
    .await
    .unwrap_err();
    assert!(matches!(error, PublishError::Stalled(_)), "{error:?}");
    let after = frozen.expect("it was frozen first").elapsed();
    println!("nginx at 500 kbit/s: {after:.1?}, {error}");
    assert!(after < SEEN_WITHIN, "{after:?}");
}

/// A dead network behind a proxy whose kernel goes on acknowledging.
#[tokio::test]
async fn a_freeze_behind_a_proxy_is_seen_in_time() {
    let sink = Sink::start().await.unwrap();
    let proxy = Proxy::start(sink.addr()).await.unwrap();
    let mut publisher = publish(&sink.url(), proxy.addr()).await.unwrap();
    let (began, mut frozen) = (Instant::now(), None);
    let error = feed(&mut publisher, 500, |_, now| {
        if frozen.is_none() && now.duration_since(began) >= BEFORE {
            proxy.freeze(true);
            frozen = Some(now);
        }
        false
    })
    .await
    .unwrap_err();
    assert!(matches!(error, PublishError::Stalled(_)), "{error:?}");
    let after = frozen.expect("it was frozen first").elapsed();
    println!("behind a proxy at 500 kbit/s: {after:.1?}, {error}");
    assert!(after < SEEN_WITHIN, "{after:?}");
}

/// What is slow is not dead: 200 kbit/s left of 500, and 800 ± 200 ms of latency, are endured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_is_no_stall() {
    let slow = tokio::spawn(endures(|network| network.bytes_per_second = Some(25_000)));
    let far = tokio::spawn(endures(|network| {
        network.latency = Duration::from_millis(800);
        network.jitter = Duration::from_millis(200);
    }));
    slow.await.unwrap();
    far.await.unwrap();
}

async fn endures(change: impl FnOnce(&mut testkit::proxy::Network)) {
    let sink = Sink::start().await.unwrap();
    let proxy = Proxy::start(sink.addr()).await.unwrap();
    proxy.change(change);
    let mut publisher = publish(&sink.url(), proxy.addr()).await.unwrap();
    let began = Instant::now();
    // `feed` blocks when the buffer is full, hence the timeout around it.
    let fed = feed(&mut publisher, 500, |_, _| began.elapsed() > Duration::from_secs(12));
    match tokio::time::timeout(Duration::from_secs(14), fed).await {
        Err(_) | Ok(Ok(())) => assert!(publisher.media_acked() > 200_000),
        Ok(Err(error)) => panic!("{error}"),
    }
}
