//! Changes while it runs.

use domain::platform_settings::{PlatformSettings, Privacy};
use serde_json::Value;

use super::{
    publisher::Live,
    world::{Place, World},
};
use crate::platforms::{Features, Lifecycle, Thumbnail};

fn last_update(world: &World) -> Value {
    world.sim.calls("PUT", "/youtube/v3/liveBroadcasts").last().unwrap().response_body.clone()
}

async fn apply(world: &World, place: &mut Place, changes: PlatformSettings) -> (Vec<String>, Vec<String>) {
    place.run.settings = changes.clone();
    let applied = world.youtube.apply(&place.run, &changes).await.unwrap();
    (applied.applied, applied.later)
}

#[tokio::test]
async fn settings_take_effect_when_youtube_takes_them() {
    let world = World::start().await;
    let mut place = world.place(PlatformSettings::default());
    let change = || PlatformSettings {
        title: Some("A <new> title".to_owned()),
        privacy: Some(Privacy::Private),
        dvr: Some(false),
        ..PlatformSettings::default()
    };
    let nothing: Vec<String> = Vec::new();
    let all = ["title", "privacy", "dvr"].map(str::to_owned).to_vec();
    assert_eq!(apply(&world, &mut place, change()).await, (nothing.clone(), all.clone()));

    place.run.settings = PlatformSettings { description: Some("kept".to_owned()), ..PlatformSettings::default() };
    let ready = world.prepared(&place).await;
    assert_eq!(apply(&world, &mut place, change()).await, (all, nothing.clone()));
    assert_eq!(last_update(&world)["contentDetails"]["enableDvr"], false);
    assert_eq!(last_update(&world)["contentDetails"]["enableAutoStart"], true, "what is not changed stays");
    let first = world.sim.calls("PUT", "/youtube/v3/liveBroadcasts")[0].response_body.clone();
    assert_eq!(
        (&first["snippet"]["title"], &first["snippet"]["description"], &first["status"]["privacyStatus"]),
        (&"A new title".into(), &"kept".into(), &"private".into())
    );

    let live = Live::start(&ready.rtmp_url, &place.key(), 60).await;
    place.publishing(&world);
    world.until_live(&place).await;
    let change = PlatformSettings { title: Some("Again".to_owned()), dvr: Some(true), ..PlatformSettings::default() };
    let (applied, later) = apply(&world, &mut place, change).await;
    assert_eq!((applied, later), (vec!["title".to_owned()], vec!["dvr".to_owned()]));
    live.finish().await;
    world.youtube.finish(&place.run).await.unwrap();
}

#[tokio::test]
async fn pictures_and_players() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    assert_eq!(world.youtube.embed(&place.run).await.unwrap_err().code(), "broadcast_ended");
    world.prepared(&place).await;
    let embed = world.youtube.embed(&place.run).await.unwrap();
    let id = place.saved("broadcast_id").as_str().unwrap().to_owned();
    assert!(embed.html.contains(&format!("embed/{id}\"")), "{}", embed.html);
    assert_eq!(embed.permalink_url, format!("https://www.youtube.com/watch?v={id}"));

    let picture = |content_type: &str, image: Vec<u8>| Thumbnail { content_type: content_type.to_owned(), image };
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 64]].concat();
    world.youtube.thumbnail(&place.run, &picture("image/png", png.clone())).await.unwrap();
    let state = world.sim.state();
    assert_eq!(state["youtube"]["broadcasts"][0]["thumbnails"], 1);
    for bad in [picture("image/jpeg", png.clone()), picture("image/gif", png.clone()), picture("image/png", vec![])] {
        let failure = world.youtube.thumbnail(&place.run, &bad).await.unwrap_err();
        assert_eq!(failure.code(), "thumbnail_invalid");
    }
    let large = [png, vec![0; 2 * 1024 * 1024]].concat();
    assert!(world.youtube.thumbnail(&place.run, &picture("image/png", large)).await.is_err());
}

#[tokio::test]
async fn a_thumbnail_that_youtube_refuses_keeps_nobody_from_going_live() {
    let world = World::start().await;
    let place = world.place(PlatformSettings::default());
    let (content_type, image) = ("image/png".to_owned(), b"no picture".to_vec());
    *place.memo.thumbnail.lock().unwrap() = Some(Thumbnail { content_type, image });
    let ready = world.prepared(&place).await;
    assert!(ready.notes[0].contains("thumbnail"), "{:?}", ready.notes);
    world.prepared(&place).await;
    assert_eq!(world.sim.calls("POST", "/upload").len(), 1, "asked once");
}
