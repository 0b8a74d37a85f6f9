//! Against a Postgres of its own.

use std::time::Duration;

use secret::SecretString;
use service_kit::ManualClock;
use testkit::Postgres;
use time::macros::datetime;

use super::*;

struct World {
    quota: Quota,
    clock: ManualClock,
    _postgres: Postgres,
}

async fn world(daily: i64) -> World {
    let postgres = Postgres::start().await.expect("Postgres starts");
    let url = postgres.create_database("quota").unwrap();
    let store = Store::new(&SecretString::from(url), store::Options { connections: 2, ..Default::default() }).unwrap();
    store.migrate().await.unwrap();
    let clock = ManualClock::new(datetime!(2026-11-23 12:00 UTC));
    let quota = Quota::new(store, "project".to_owned(), daily, Arc::new(clock.clone()));
    World { quota, clock, _postgres: postgres }
}

#[tokio::test]
async fn looking_leaves_a_reserve_and_midnight_gives_everything_back() {
    let World { quota, clock, _postgres } = world(100).await;
    quota.spend(80, Purpose::Look).await.unwrap();
    let refused = quota.spend(1, Purpose::Look).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_transient()), ("platform_quota_exceeded", true));
    assert_eq!(refused.after, Some(Duration::from_secs(20 * 3_600)));
    assert!(refused.fault.message.contains("2026-11-24 08:00 UTC"), "{}", refused.fault.message);
    quota.spend(20, Purpose::GoLive).await.unwrap();
    assert!(quota.spend(1, Purpose::GoLive).await.is_err());
    clock.advance(Duration::from_secs(20 * 3_600));
    quota.spend(1, Purpose::Look).await.unwrap();
}

#[tokio::test]
async fn the_platforms_word_counts_more_than_our_counter() {
    let World { quota, clock, _postgres } = world(10_000).await;
    quota.exhausted().await;
    assert!(quota.spend(1, Purpose::GoLive).await.is_err());
    clock.advance(Duration::from_secs(20 * 3_600));
    quota.spend(50, Purpose::GoLive).await.unwrap();
    quota.exhausted().await;
    assert!(quota.spend(1, Purpose::GoLive).await.is_err());
}

#[tokio::test]
async fn many_at_once_never_take_more_than_there_is() {
    let World { quota, _postgres, .. } = world(100).await;
    let spends = (0..30).map(|_| quota.spend(7, Purpose::GoLive));
    let granted = futures::future::join_all(spends).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(granted, 14);
}
