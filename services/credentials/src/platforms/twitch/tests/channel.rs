//! The channel's information, before the start and at any other time.

use super::*;

#[tokio::test]
async fn what_twitch_does_not_take_keeps_nobody_from_going_live() {
    let mut world = World::start().await;
    world.settings(json!({"title": "Mine", "category_id": "1", "tags": ["no blanks"], "language": "fr"}));
    let ready = world.prepared().await;
    let expected = [
        "Twitch does not take the category: Invalid game_id.",
        "Twitch does not take the tags: A tag must have 1 to 25 letters and digits.",
    ];
    assert_eq!(ready.notes, expected);
    let shown = world.shown().await;
    assert_eq!((shown.title.as_str(), shown.language.as_str()), ("Mine", "fr"));
}

#[tokio::test]
async fn a_title_that_can_not_be_set_now_is_set_while_live() {
    let world = World::start().await;
    let patch = Fault::on("PATCH", "/helix/channels").answer(500, errors::twitch(500, "")).times(3);
    world.sim.fault(patch);
    for _ in 0..2 {
        assert!(world.twitch.prepare(&world.run).await.unwrap_err().is_transient());
    }
    let ready = world.prepared().await;
    assert_eq!(ready.notes.len(), 1);
    let live = world.publish(&ready).await;
    until("live", async || world.look().await, |truth| truth.state == State::Live).await;
    assert_eq!(world.shown().await.title, "Evening show");
    let patches = world.sim.calls("PATCH", "/helix/channels").len();
    world.look().await;
    assert_eq!(world.sim.calls("PATCH", "/helix/channels").len(), patches, "once");
    live.finish().await;
}

#[tokio::test]
async fn a_second_take_keeps_what_people_have_changed() {
    let mut world = World::start().await;
    world.prepared().await;
    let changes = serde_json::from_value(json!({"title": "Changed"})).unwrap();
    world.twitch.apply(&world.run, &changes).await.unwrap();
    world.run.take = 1;
    world.prepared().await;
    assert_eq!(world.shown().await.title, "Changed");
    (world.run.run_ms, world.run.take) = (2_000, 0);
    world.prepared().await;
    assert_eq!(world.shown().await.title, "Evening show");
}

#[tokio::test]
async fn features() {
    let world = World::start().await;
    let found = world.twitch.categories(&world.run, "mus", 5).await.unwrap();
    assert_eq!((found.len(), found[0].id.as_str(), found[0].name.as_str()), (1, "26936", "Music"));
    let changes = serde_json::from_value(json!({"title": "New", "category_id": "26936", "tags": ["One"]})).unwrap();
    let applied = world.twitch.apply(&world.run, &changes).await.unwrap();
    assert_eq!((applied.applied.join(","), applied.later.len()), ("title,category_id,tags".to_owned(), 0));
    let shown = world.shown().await;
    assert_eq!((shown.title.as_str(), shown.category_id.as_str(), shown.login.as_str()), ("New", "26936", "alice"));
    let changes = serde_json::from_value(json!({"category_id": ""})).unwrap();
    world.twitch.apply(&world.run, &changes).await.unwrap();
    assert_eq!(world.shown().await.category_name, "");
    let changes = serde_json::from_value(json!({"category_id": "1"})).unwrap();
    let refused = world.twitch.apply(&world.run, &changes).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.fault.message.as_str()),
        ("platform_refused", "Twitch refuses it: Invalid game_id.")
    );
    let changes = serde_json::from_value(json!({"low_latency": true})).unwrap();
    let not_there = world.twitch.apply(&world.run, &changes).await.unwrap_err();
    assert_eq!(not_there.code(), "not_offered_by_platform");
    assert!(not_there.fault.message.contains("dashboard"), "{not_there:?}");
    assert_contract(&world.sim);
}
