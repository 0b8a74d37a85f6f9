//! What readers get.

use std::time::Duration;

use media::flv::TagKind;
use reqwest::StatusCode;
use service_kit::ticket::Use;
use testkit::wait;
use tokio::sync::watch;

use crate::{
    rig::{DEADLINE, End, KEY, Rig, bounds},
    script,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_headers_the_last_gop_and_live_tags_in_order() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..60).await.unwrap();
    // The last GOP begins at frame 50.
    let (mut reader, first) = wait::until("everything arrived", DEADLINE, async || {
        let mut reader = rig.read().await;
        let first = [reader.next().await, reader.next().await, reader.next().await, reader.next().await];
        let first = first.map(Result::unwrap);
        (first[3].ts == 2000).then_some((reader, first))
    })
    .await
    .unwrap();
    assert_eq!((reader.info.gop_ms, reader.info.width), (1000, 1280));
    assert!(reader.decoder.has_video() && reader.decoder.has_audio());
    assert_eq!(first.each_ref().map(|tag| tag.kind), [TagKind::Script, TagKind::Video, TagKind::Audio, TagKind::Video]);
    assert_eq!(first.each_ref().map(|tag| tag.ts), [0, 2000, 2000, 2000]);
    assert!(first[1].is_sequence_header() && first[2].is_sequence_header() && first[3].is_keyframe());
    assert_eq!(first[1].data, script::AVC_CONFIGURATION);
    script::frames(&mut publisher, 60..90).await.unwrap();
    publisher.close().await;
    let mut videos = vec![first[3].ts];
    let end = loop {
        match reader.next().await {
            Ok(tag) if tag.kind == TagKind::Video => videos.push(tag.ts),
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!(videos, (50..90).map(|n| n * 40).collect::<Vec<_>>());
    assert_eq!(end, End::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_skips_to_a_keyframe_and_hurts_nobody() {
    let mut bounds = bounds();
    bounds.max_cached_bytes = 2 << 20;
    bounds.keep_for_slow = Duration::from_millis(500);
    let rig = Rig::with(bounds, false).await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let (mut slow, mut quick) = (rig.read().await, rig.read().await);
    slow.next().await.unwrap();
    let (seen, mut quick_saw) = watch::channel(0);
    let quick = tokio::spawn(async move {
        let mut times = Vec::new();
        loop {
            match quick.next().await {
                Ok(tag) if tag.kind == TagKind::Video && !tag.is_sequence_header() => {
                    times.push(tag.ts);
                    seen.send_replace(tag.ts);
                }
                Ok(_) => {}
                Err(end) => return (times, end),
            }
        }
    });
    // 32 MB: more than all socket buffers on the way to the slow one.
    for n in 3..803 {
        let mut picture = vec![0; 40_000];
        picture[..2].copy_from_slice(&[if n % 25 == 0 { 0x17 } else { 0x27 }, 1]);
        publisher.send(&script::tag(TagKind::Video, n * 40, picture)).await.unwrap();
        publisher.flush().await.unwrap();
        if n % 5 == 0 {
            quick_saw.wait_for(|ts| *ts + 200 >= n * 40).await.unwrap();
        }
    }
    let slow = tokio::spawn(async move {
        let (mut times, mut gaps) = (Vec::new(), 0);
        loop {
            match slow.next().await {
                Ok(tag) if tag.kind == TagKind::Video && !tag.is_sequence_header() => {
                    let gap = times.last().is_some_and(|last| tag.ts != last + 40);
                    assert!(!gap || tag.is_keyframe(), "after a gap comes a keyframe, not {}", tag.ts);
                    gaps += u32::from(gap);
                    times.push(tag.ts);
                }
                Ok(_) => {}
                Err(end) => return (times, gaps, end),
            }
        }
    });
    wait::until_true("a skip", DEADLINE, async || rig.metric("relay_reader_lag_skips_total").await > 0.0)
        .await
        .unwrap();
    publisher.close().await;
    let (times, gaps, end) = slow.await.unwrap();
    assert_eq!((times.last(), gaps, end), (Some(&(802 * 40)), 1, End::Clean));
    assert_eq!(quick.await.unwrap(), ((0..803).map(|n| n * 40).collect(), End::Clean));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_a_keyframe_answers_503_in_time() {
    let mut bounds = bounds();
    bounds.join_wait = Duration::from_millis(300);
    let rig = Rig::with(bounds, false).await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    wait::until_true("known and not ready", DEADLINE, async || {
        let answer = rig.get(rig.stream, &rig.ticket(rig.session(), 1, Use::Read)).await;
        answer.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await
    .unwrap();
    script::frames(&mut publisher, 0..2).await.unwrap();
    assert!(rig.read().await.next().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_before_the_first_keyframe_is_served_with_it() {
    let rig = Rig::new().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    let ticket = rig.ticket(rig.session(), 1, Use::Read);
    let early = rig.get(rig.stream, &ticket);
    let late = async {
        script::headers(&mut publisher).await.unwrap();
        script::frames(&mut publisher, 0..2).await.unwrap();
    };
    let (response, ()) = tokio::join!(early, late);
    let mut reader = crate::rig::Reader::new(response);
    assert_eq!(reader.next().await.unwrap().kind, TagKind::Script);
}
