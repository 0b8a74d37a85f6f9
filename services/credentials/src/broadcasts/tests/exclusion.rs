//! One call at a time for one destination, whatever happens to who makes it.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use uuid::Uuid;

use super::world::{RUN, World, ask, options, reference, replica, until};
use crate::broadcasts::{Finished, Prepared, Reference};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_on_two_replicas_make_one_broadcast() {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let wanted = reference(Uuid::now_v7());
    let calls = (0..10).map(|n| if n % 2 == 0 { &a } else { &b }).map(|replica| replica.prepare(ask(wanted)));
    for prepared in join_all(calls).await {
        let Prepared::Ready { account, playback_url, notes } = prepared else { panic!("{prepared:?}") };
        assert_eq!(account, Some(Uuid::from_u128(7)));
        assert_eq!((playback_url.as_str(), notes.len()), ("https://watch.example", 1));
    }
    assert_eq!((world.script.count("prepare"), world.script.made()), (1, (1, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_works_the_others_are_busy() {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let wanted = reference(Uuid::now_v7());
    world.close_gate();
    let first = tokio::spawn({
        let broadcasts = a.broadcasts.clone();
        async move { broadcasts.prepare(ask(wanted)).await }
    });
    world.at_gate(1).await;
    for replica in [&a, &b] {
        assert_eq!(replica.broadcasts.prepare(ask(wanted)).await.expect("answers"), Prepared::Busy);
        let finished = replica.broadcasts.finish(&super::world::tenant(), wanted).await.expect("answers");
        assert_eq!(finished, Finished::Busy);
        assert_eq!(replica.rtmp_url(wanted.destination.0).await, None);
        assert_eq!(replica.observe(wanted, 0).await, None);
    }
    // The caller goes away; the work does not.
    first.abort();
    world.open_gate();
    until("prepared behind the caller's back", async || b.rtmp_url(wanted.destination.0).await.is_some()).await;
    assert_eq!(world.script.count("prepare"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_leaves_no_second_broadcast() {
    let world = World::start().await;
    let b = world.replica().await;
    let wanted = reference(Uuid::now_v7());
    world.close_gate();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("builds");
    let (url, script) = (world.postgres.url(), world.script.clone());
    runtime.spawn(async move {
        let a = replica(url, script, options()).await;
        a.broadcasts.prepare(ask(wanted)).await
    });
    world.at_gate(1).await;
    // Everything of it ends where it is, connections included.
    runtime.shutdown_background();
    world.open_gate();
    b.prepare_ready(wanted).await;
    assert_eq!((world.script.count("prepare"), world.script.made()), (2, (1, 1)));
    assert_eq!(b.key(wanted.destination.0).await, Some(format!("live_{RUN}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_its_lock_writes_nothing_any_more() {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let wanted = reference(Uuid::now_v7());
    world.close_gate();
    let stale = tokio::spawn({
        let broadcasts = a.broadcasts.clone();
        async move { broadcasts.prepare(ask(wanted)).await }
    });
    world.at_gate(1).await;
    let locks = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'credentials-locks'";
    let ended = sqlx::query(locks).execute(b.store.pool()).await.expect("ends").rows_affected();
    assert!(ended > 0, "the fault must happen");
    world.script.is_gated.store(false, Ordering::Relaxed);
    let later = Reference { take: 1, ..wanted };
    b.prepare_ready(later).await;
    world.open_gate();
    assert_eq!(stale.await.expect("ends").expect("answers"), Prepared::Busy);
    assert_eq!(b.rtmp_url(wanted.destination.0).await, Some(format!("rtmps://ingest.example/{}", RUN + 1)));
    assert_eq!(b.key(wanted.destination.0).await, Some(format!("live_{}", RUN + 1)));
}
