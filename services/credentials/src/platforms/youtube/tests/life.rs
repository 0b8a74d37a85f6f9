//! The whole life, as the simulator's journal has it.

use domain::platform_settings::{Latency, PlatformSettings, Privacy};
use secret::ExposeSecret;
use serde_json::json;
use service_kit::Clock;

use super::{publisher::Live, world::World};
use crate::platforms::{Judgement, Lifecycle, Repair, State, Thumbnail, Tokens};

const GOP: u32 = 60;

#[tokio::test]
async fn from_nothing_to_live_to_the_end() {
    let world = World::start().await;
    let settings = PlatformSettings {
        description: Some("Every evening".to_owned()),
        privacy: Some(Privacy::Unlisted),
        latency: Some(Latency::Low),
        content_encryption: Some(true),
        ..PlatformSettings::default()
    };
    let mut place = world.place(settings);
    let image = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 100]].concat();
    *place.memo.thumbnail.lock().unwrap() = Some(Thumbnail { content_type: "image/png".to_owned(), image });

    let ready = world.prepared(&place).await;
    assert_eq!(ready.rtmp_url, format!("{}/live2", world.sim.rtmp()));
    assert_eq!(ready.backup_urls, [format!("{}/live2?backup=1", world.sim.rtmp())]);
    assert!(ready.playback_url.starts_with("https://www.youtube.com/watch?v="), "{}", ready.playback_url);
    assert_eq!(ready.notes, [""; 0]);
    assert_eq!(world.look(&place).await.unwrap().state, State::Waiting);

    let live = Live::start(&ready.rtmp_url, &place.key(), GOP).await;
    place.publishing(&world);
    world.until_live(&place).await;
    let truth = world.until(&place, "viewers", |truth| truth.viewers > 0).await;
    assert_eq!((truth.repair, truth.fault), (None, None));
    world.until(&place, "health", |truth| truth.health == Judgement::Good).await;

    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), ["complete"]);
    let mut journal = world.sim.journal();
    journal.retain(|entry| entry.path.contains("/youtube/"));
    let mut lines: Vec<String> = Vec::new();
    for entry in &journal {
        let line = json!({"call": entry.line(), "body": entry.body}).to_string();
        if !lines.contains(&line) {
            lines.push(line); // looks repeat
        }
    }
    let mut life = lines.join("\n");
    for field in ["broadcast_id", "stream_id", "scheduled_start"] {
        life = life.replace(place.saved(field).as_str().unwrap(), &field.to_uppercase());
    }
    insta::assert_snapshot!("life", life);
}

#[tokio::test]
async fn without_auto_start_we_start_it() {
    let world = World::start().await;
    world.refuse("POST", super::world::INSERT, 400, "invalidAutoStart");
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    assert_eq!(ready.notes.len(), 1, "{:?}", ready.notes);
    let live = Live::start(&ready.rtmp_url, &place.key(), GOP).await;
    place.publishing(&world);
    world.until_live(&place).await;
    let transitions = world.sim.calls("POST", "/youtube/v3/liveBroadcasts/transition");
    assert_eq!(transitions.len(), 1);
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
}

#[tokio::test]
async fn what_never_was_live_is_deleted() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    world.prepared(&place).await;
    assert_eq!(world.broadcasts(), ["ready"]);
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!((world.broadcasts().len(), world.streams()), (0, 1));
    world.youtube.finish(&place.run).await.unwrap();
}

#[tokio::test]
async fn the_stream_is_used_again_and_an_earlier_broadcast_is_ended_first() {
    let mut world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    world.prepared(&place).await;
    let key = place.key();
    place.run.take = 1;
    world.restart();
    world.prepared(&place).await;
    assert_eq!((world.broadcasts(), world.streams()), (vec!["ready".to_owned()], 1));
    assert_eq!(place.key().expose(), key.expose());
    place.run.run_ms = 2;
    place.run.take = 0;
    world.prepared(&place).await;
    assert_eq!(world.broadcasts(), ["ready"]);
}

#[tokio::test]
async fn two_destinations_of_a_channel_never_take_each_others_broadcast() {
    let world = World::start().await;
    let places = [world.place(PlatformSettings::default()), world.place(PlatformSettings::default())];
    let (one, two) = tokio::join!(world.prepared(&places[0]), world.prepared(&places[1]));
    assert_ne!(one.playback_url, two.playback_url);
    assert_ne!(places[0].saved("scheduled_start"), places[1].saved("scheduled_start"));
    assert_ne!(places[0].key().expose(), places[1].key().expose());
    assert_eq!(world.broadcasts(), ["ready", "ready"]);
    let truths = world.youtube.look(&places.map(|place| place.run), world.clock.now_ms()).await;
    assert!(truths.iter().all(|truth| truth.as_ref().is_ok_and(|truth| truth.state == State::Waiting)), "{truths:?}");
    let lists = world.sim.calls("GET", "/youtube/v3/liveBroadcasts");
    assert_eq!(lists.len(), 1, "one call for both");
}

#[tokio::test]
async fn media_that_does_not_arrive_is_sent_anew() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    world.prepared(&place).await;
    place.publishing(&world);
    let truth = world.look(&place).await.unwrap();
    assert_eq!((truth.state, truth.repair), (State::Waiting, None));
    world.advance(std::time::Duration::from_secs(16));
    let truth = world.look(&place).await.unwrap();
    assert_eq!(truth.repair, Some(Repair::Reconnect));
    assert_eq!(truth.fault.unwrap().code, "platform_rejects_stream");
}

#[tokio::test]
async fn a_broadcast_that_is_over_or_stuck_is_made_anew() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    world.sim.set_flags("alice", |flags| flags.youtube_stuck_transitions = true);
    let live = Live::start(&ready.rtmp_url, &place.key(), GOP).await;
    place.publishing(&world);
    world.sim_until("starting", |youtube| youtube["broadcasts"][0]["status"] == "liveStarting").await;
    assert_eq!(world.look(&place).await.unwrap().repair, None);
    world.advance(std::time::Duration::from_secs(70));
    let truth = world.look(&place).await.unwrap();
    assert_eq!((truth.state, truth.repair), (State::Waiting, Some(Repair::Renew)));

    // Another take: the stuck one goes, the new one lives.
    world.sim.set_flags("alice", |flags| flags.youtube_stuck_transitions = false);
    place.run.take = 1;
    world.prepared(&place).await;
    world.until_live(&place).await;
    assert_eq!(world.broadcasts().iter().filter(|status| *status != "complete").count(), 1);
    let id = place.saved("broadcast_id").as_str().unwrap().to_owned();
    let channel = crate::platforms::youtube::Channel {
        api: &world.youtube.api,
        tokens: world.tokens.as_ref(),
        purpose: crate::platforms::Purpose::GoLive,
    };
    // Somebody ends it in YouTube Studio.
    channel.transition(&id, "complete").await.unwrap();
    world.advance(std::time::Duration::from_secs(600));
    let truth = world.look(&place).await.unwrap();
    assert_eq!((truth.state, truth.repair), (State::Ended, Some(Repair::Renew)));
    assert_eq!(truth.fault.unwrap().code, "broadcast_ended");
    live.finish().await;
}

#[tokio::test]
async fn a_deleted_stream_key_is_made_anew() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    world.prepared(&place).await;
    let key = place.key();
    world.youtube.finish(&place.run).await.unwrap();
    let url = format!("{}/youtube/v3/liveStreams", world.sim.http());
    let token = world.tokens.token().await.unwrap();
    let id = place.saved("stream_id").as_str().unwrap().to_owned();
    let request = reqwest::Client::new().delete(url).query(&[("id", id)]).bearer_auth(token.secret.expose_secret());
    assert!(request.send().await.unwrap().status().is_success());
    place.run.run_ms = 2;
    world.prepared(&place).await;
    assert_ne!(place.key().expose(), key.expose());
    assert_eq!((world.broadcasts(), world.streams()), (vec!["ready".to_owned()], 1));
}

#[tokio::test]
async fn a_live_broadcast_of_an_earlier_take_is_completed_first() {
    let mut world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    let live = Live::start(&ready.rtmp_url, &place.key(), GOP).await;
    place.publishing(&world);
    world.until_live(&place).await;
    world.restart();
    place.run.run_ms = 2;
    world.prepared(&place).await;
    world.until_live(&place).await;
    let mut all = world.broadcasts();
    all.sort();
    assert_eq!(all, ["complete", "live"]);
    world.youtube.finish(&place.run).await.unwrap();
    assert_eq!(world.broadcasts(), ["complete", "complete"]);
    live.finish().await;
}

#[tokio::test]
async fn bad_media_is_told_in_words() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    let live = Live::start(&ready.rtmp_url, &place.key(), 200).await;
    place.publishing(&world);
    let truth = world.until(&place, "complaints", |truth| truth.health == Judgement::Bad).await;
    assert_eq!((truth.state, truth.repair), (State::Live, None));
    assert!(truth.issues[0].contains("keyframe"), "{:?}", truth.issues);
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_has_not_looked_for_a_while_asks_everything() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let ready = world.prepared(&place).await;
    let live = Live::start(&ready.rtmp_url, &place.key(), GOP).await;
    place.publishing(&world);
    world.until_live(&place).await;
    for _ in 0..10 {
        let truth = world.look(&place).await.unwrap();
        world.advance(truth.again.unwrap());
    }
    // Somebody else ends it, and another replica is told so. This one is asked earlier than it has asked for.
    let token = world.tokens.token().await.unwrap();
    let id = place.saved("broadcast_id").as_str().unwrap().to_owned();
    let url = format!("{}/youtube/v3/liveBroadcasts/transition", world.sim.http());
    let query = [("id", id.as_str()), ("broadcastStatus", "complete"), ("part", "id,status")];
    let request = reqwest::Client::new().post(url).query(&query).bearer_auth(token.secret.expose_secret());
    assert!(request.send().await.unwrap().status().is_success());
    world.look(&place).await.unwrap();
    world.advance(std::time::Duration::from_secs(600));
    assert_eq!(world.look(&place).await.unwrap().state, State::Ended);
    live.finish().await;
}
