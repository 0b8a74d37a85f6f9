//! From preparation to end.

use uuid::Uuid;

use super::{
    script::lock,
    world::{RUN, World, ask, reference, tenant},
};
use crate::{
    broadcasts::{Ask, Error, Finished, Prepared, Reference},
    platforms::{Failure, State},
};
use domain::ids::TenantId;

#[tokio::test]
async fn later_takes_and_runs_replace_earlier_ones() {
    let world = World::start().await;
    let a = world.replica().await;
    let first = reference(Uuid::now_v7());
    let second = Reference { take: 1, ..first };
    let next_run = Reference { run_ms: RUN + 100, ..first };
    for (reference, made) in [(first, (1, 1)), (first, (1, 1)), (second, (2, 1)), (next_run, (3, 1))] {
        a.prepare_ready(reference).await;
        assert_eq!(world.script.made(), made, "{reference:?}");
    }
    for older in [first, second] {
        let Prepared::Failed(failure) = a.prepare(ask(older)).await else { panic!("an older one was made") };
        assert_eq!(failure.code(), "superseded");
        assert_eq!(a.finish(older).await, Finished::Done);
    }
    assert_eq!(world.script.made(), (3, 1));
    assert_eq!(a.rtmp_url(first.destination.0).await, Some(format!("rtmps://ingest.example/{}", RUN + 100)));
}

#[tokio::test]
async fn an_end_is_idempotent_and_may_be_followed_by_another_start() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    assert_eq!(a.finish(wanted).await, Finished::Done);
    a.prepare_ready(wanted).await;
    assert_eq!(a.observe(wanted, 0).await.map(|seen| seen.known.truth.state), Some(State::Waiting));
    for _ in 0..2 {
        assert_eq!(a.finish(wanted).await, Finished::Done);
        assert_eq!(a.rtmp_url(wanted.destination.0).await, None);
        assert_eq!(a.observe(wanted, 0).await.map(|seen| seen.known.truth.state), Some(State::Ended));
    }
    assert_eq!((world.script.count("finish"), world.script.made()), (1, (1, 0)));
    a.prepare_ready(wanted).await;
    assert_eq!(world.script.made(), (2, 1));
}

#[tokio::test]
async fn a_refused_end_is_tried_again_and_comes_before_the_next_start() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    *lock(&world.script.refusal) = Some(Failure::transient("platform_unavailable", "x"));
    let Finished::Failed(failure) = a.finish(wanted).await else { panic!("it can't be ended") };
    assert_eq!(failure.code(), "platform_unavailable");
    let next = Reference { run_ms: RUN + 5, ..wanted };
    assert!(matches!(a.prepare(ask(next)).await, Prepared::Failed(_)));
    assert_eq!(world.script.made(), (1, 1));
    *lock(&world.script.refusal) = None;
    a.prepare_ready(next).await;
    assert_eq!(world.script.made(), (2, 1));
    assert_eq!(a.finish(next).await, Finished::Done);
    assert_eq!(world.script.made(), (2, 0));
}

#[tokio::test]
async fn another_accounts_broadcast_is_ended_with_that_account() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    let other = Ask { account: Some(Uuid::from_u128(8)), ..ask(Reference { take: 1, ..wanted }) };
    let Prepared::Ready { account, .. } = a.prepare(other).await else { panic!("not ready") };
    assert_eq!(account, Some(Uuid::from_u128(8)));
    assert_eq!((world.script.count("finish"), world.script.made()), (1, (2, 1)));
}

#[tokio::test]
async fn another_tenants_destination_is_an_unknown_one() {
    let world = World::start().await;
    let a = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    a.prepare_ready(wanted).await;
    let stranger = TenantId("tenant-2".to_owned());
    let foreign = Ask { tenant: stranger.clone(), ..ask(Reference { take: 1, ..wanted }) };
    assert!(matches!(a.broadcasts.prepare(foreign).await, Err(Error::NotFound)));
    assert_eq!(a.broadcasts.finish(&stranger, wanted).await.expect("answers"), Finished::Done);
    assert_eq!(a.broadcasts.target(&stranger, wanted.destination).await.expect("answers"), None);
    let observed = crate::broadcasts::Observed { tenant: stranger, reference: wanted, publishing_ms: 1 };
    assert!(a.broadcasts.observe(&[observed]).await.expect("answers").is_empty());
    assert_eq!(world.script.made(), (1, 1));
    assert_eq!(a.broadcasts.finish(&tenant(), wanted).await.expect("answers"), Finished::Done);
}
