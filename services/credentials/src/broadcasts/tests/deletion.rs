//! Destinations that are deleted while they are live.

use domain::platform::Platform;
use uuid::Uuid;

use super::{
    script::lock,
    world::{World, ask, options, reference, replica, tenant},
};
use crate::{
    broadcasts::{Finished, On, Options, Prepared},
    platforms::{Failure, Thumbnail},
};

async fn rows(replica: &super::world::Replica) -> (i64, i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM credentials.broadcasts), (SELECT count(*) FROM credentials.thumbnails), \
               (SELECT count(*) FROM credentials.secrets)";
    sqlx::query_as(sql).fetch_one(replica.store.pool()).await.expect("reads")
}

async fn give_picture(replica: &super::world::Replica, destination: Uuid) {
    let sql = "INSERT INTO credentials.thumbnails VALUES ($1, $2, 'image/png', 'x')";
    let put = sqlx::query(sql).bind(destination).bind(tenant().as_str());
    put.execute(replica.store.pool()).await.expect("stores");
}

#[tokio::test]
async fn the_key_goes_with_the_end_of_the_broadcast() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    give_picture(&a, wanted.destination.0).await;
    for _ in 0..2 {
        a.broadcasts.forget(&tenant(), wanted.destination).await.expect("deletes");
        assert!(a.key(wanted.destination.0).await.is_some() && a.rtmp_url(wanted.destination.0).await.is_some());
    }
    let Prepared::Failed(failure) = a.prepare(ask(wanted)).await else { panic!("it is deleted") };
    assert_eq!(failure.code(), "superseded");
    assert_eq!(a.finish(wanted).await, Finished::Done);
    assert_eq!((rows(&a).await, world.script.made()), ((0, 0, 0), (1, 0)));
    assert_eq!(world.script.count("finish Some(Delete)"), 1);
    assert_eq!(a.finish(wanted).await, Finished::Done);
}

#[tokio::test]
async fn what_nobody_ends_is_ended_by_us() {
    let world = World::start().await;
    let options = Options { forgotten: std::time::Duration::ZERO, ..options() };
    let a = replica(world.postgres.url(), world.script.clone(), options).await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    a.broadcasts.forget(&tenant(), wanted.destination).await.expect("deletes");
    *lock(&world.script.refusal) = Some(Failure::transient("platform_unavailable", "x"));
    super::world::until("tried", async || {
        a.broadcasts.0.end_forgotten().await.expect("runs");
        world.script.count("finish") == 2
    })
    .await;
    assert_eq!(rows(&a).await, (1, 0, 1));
    // Nothing helps any more: it is not tried for ever.
    *lock(&world.script.refusal) = Some(Failure::permanent("platform_refused", "x"));
    super::world::until("gone", async || {
        a.broadcasts.0.end_forgotten().await.expect("runs");
        rows(&a).await == (0, 0, 0)
    })
    .await;
}

#[tokio::test]
async fn without_a_broadcast_everything_goes_at_once() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    a.finish(wanted).await;
    a.broadcasts.forget(&tenant(), wanted.destination).await.expect("deletes");
    assert_eq!(rows(&a).await, (0, 0, 0));
    a.broadcasts.forget(&tenant(), wanted.destination).await.expect("idempotent");
}

#[tokio::test]
async fn a_picture_that_the_platform_has_no_use_for_is_not_kept() {
    let world = World::start().await;
    let a = world.replica().await;
    let destination = Uuid::now_v7().into();
    let on =
        On { tenant: tenant(), destination, platform: Platform::Twitch, account: None, settings: Default::default() };
    let thumbnail = Thumbnail { content_type: "image/png".to_owned(), image: b"\x89PNG\r\n\x1a\n".to_vec() };
    let refused = a.broadcasts.set_thumbnail(on, thumbnail).await.expect_err("Twitch has none");
    assert!(refused.to_string().contains("not_offered_by_platform"), "{refused}");
    assert_eq!(rows(&a).await, (0, 0, 0));
}
