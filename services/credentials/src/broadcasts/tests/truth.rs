//! Looks, and what is told of them.

use std::{sync::atomic::Ordering, time::Duration};

use uuid::Uuid;

use super::{
    script::live,
    world::{RUN, World, reference, until},
};
use crate::platforms::{Failure, State};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_media_makes_a_look_due_at_once() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    let _polling = a.polling();
    let looks = || world.script.looks.load(Ordering::Relaxed);
    until("the first look", async || looks() == 1).await;
    // The next would be due in a minute.
    world.script.says(Ok(live(Duration::from_mins(1))));
    until("live after our media", async || {
        let seen = a.observe(wanted, RUN + 1).await.expect("known");
        seen.known.truth.state == State::Live && seen.known.truth.viewers == 3 && seen.known.seen_ms > RUN
    })
    .await;
    assert_eq!(looks(), 2);
    until("a look after our media stopped", async || {
        a.observe(wanted, 0).await.expect("known");
        looks() == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_the_looks() {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    world.script.says(Ok(live(Duration::from_millis(200))));
    let wanted: Vec<_> = (0..10).map(|_| reference(Uuid::now_v7())).collect();
    for one in &wanted {
        a.prepare_ready(*one).await;
    }
    let (polling, _other) = (a.polling(), b.polling());
    let looks = || world.script.looks.load(Ordering::Relaxed);
    until("the first looks", async || looks() >= 10).await;
    let lookers = async || {
        let sql = "SELECT looked_by FROM credentials.broadcasts ORDER BY destination_id";
        sqlx::query_scalar::<_, Uuid>(sql).fetch_all(a.store.pool()).await.expect("reads")
    };
    let first = lookers().await;
    until("many looks", async || looks() >= 60).await;
    assert_eq!(lookers().await, first, "each stays with the replica that knows it");
    for one in &wanted {
        assert_eq!(a.observe(*one, 0).await.map(|seen| seen.known.truth.state), Some(State::Live));
    }
    assert_eq!(world.script.overlaps.load(Ordering::Relaxed), 0);
    let calls = world.script.count("look");
    assert!(calls < 60, "one call looks at all that are due: {calls}");
    drop(polling);
    until("the other one takes over", async || lookers().await.iter().all(|one| *one == b.broadcasts.0.replica)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_or_unobserved_is_not_looked_at() {
    let world = World::start().await;
    let a = world.replica().await;
    world.script.says(Ok(live(Duration::from_millis(200))));
    let (over, unobserved, watched) = (reference(Uuid::now_v7()), reference(Uuid::now_v7()), reference(Uuid::now_v7()));
    for one in [over, unobserved, watched] {
        a.prepare_ready(one).await;
    }
    a.finish(over).await;
    let long_ago = "UPDATE credentials.broadcasts SET observed_ms = observed_ms - 660000 WHERE destination_id = $1";
    sqlx::query(long_ago).bind(unobserved.destination.0).execute(a.store.pool()).await.expect("updates");
    let _polling = a.polling();
    until("looks", async || world.script.looks.load(Ordering::Relaxed) >= 3).await;
    let sql = "SELECT destination_id FROM credentials.broadcasts WHERE looks > 0";
    let looked: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(a.store.pool()).await.expect("reads");
    assert_eq!(looked, [watched.destination.0]);
    until("observed again, looked at again", async || {
        a.observe(unobserved, 0).await.is_some_and(|seen| seen.known.truth.state == State::Live)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_grant_is_told_at_once() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    world.script.says(Err(Failure::reauth(domain::platform::Platform::Twitch, "Gone.")));
    let _polling = a.polling();
    until("a person is asked", async || {
        let truth = a.observe(wanted, 0).await.expect("known").known.truth;
        truth.repair.is_some() && truth.fault.is_some_and(|fault| fault.code == "reauth_required")
    })
    .await;
}
