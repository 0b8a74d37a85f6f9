//! Settings outside a start, playback and analytics.

use super::*;

#[tokio::test]
async fn changes_count_at_once_or_from_the_next_connection_on() {
    let mut world = World::start().await;
    let changes: PlatformSettings = serde_json::from_value(json!({"recording": false, "title": "New"})).unwrap();
    world.run.settings = changes.clone();
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (vec!["title".to_owned()], vec!["recording".to_owned()]));
    let ready = world.prepared().await;
    let changes: PlatformSettings = serde_json::from_value(json!({"recording": true})).unwrap();
    world.run.settings.recording = Some(true);
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (vec!["recording".to_owned()], Vec::new()));
    assert_eq!(world.inputs()[0]["mode"], "automatic");
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    let changes = PlatformSettings { low_latency: Some(true), ..PlatformSettings::default() };
    world.run.settings.low_latency = Some(true);
    let applied = world.cloudflare.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied, applied.later), (Vec::new(), vec!["low_latency".to_owned()]));
    live.finish().await;
    assert_contract(&world.sim);
}

#[tokio::test]
async fn playback_is_the_live_picture_and_then_the_recording() {
    let world = World::start().await;
    assert_eq!(world.cloudflare.playback(&world.run).await.unwrap_err().code(), "broadcast_ended");
    let ready = world.prepared().await;
    let idle = world.cloudflare.playback(&world.run).await.unwrap();
    assert!(!idle.available && idle.hls_url.ends_with("/manifest/video.m3u8"));
    let live = world.publish(&ready).await;
    let playing = async || world.cloudflare.playback(&world.run).await.unwrap();
    let now = until("playback", playing, |playback| playback.available).await;
    assert_eq!(now.hls_url, idle.hls_url);
    live.finish().await;
    let recorded = until("a recording", playing, |playback| playback.hls_url != idle.hls_url).await;
    assert!(recorded.available && recorded.dash_url.ends_with("/manifest/video.mpd"));
    let viewed = world.cloudflare.analytics(&world.run, "2026-11-01", "2026-11-24").await.unwrap();
    assert!(viewed.minutes_viewed > 0.0 && viewed.countries[0].country == "DE", "{viewed:?}");
    assert_eq!(world.cloudflare.embed(&world.run).await.unwrap_err().code(), "not_offered_by_platform");
    assert_contract(&world.sim);
}
