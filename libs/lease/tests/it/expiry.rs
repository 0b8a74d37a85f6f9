//! Finding the leases of the dead, and only those.

use std::time::{Duration, Instant};

use domain::ids::Epoch;
use lease::{Desired, Leases, Renewed};
use testkit::{Redis, wait};

use crate::support::{LONG, SHORT, SOON, next_expired, quick, session, start, take, worker};

async fn start_quick() -> (Redis, Leases) {
    let redis = Redis::start().await.unwrap();
    let leases = Leases::connect_with(&redis.url(), quick()).await.unwrap();
    // The first scan only says that somebody looks from now on.
    assert_eq!(leases.expired(10).await.unwrap(), []);
    (redis, leases)
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_is_reported_once_in_time() {
    let (_redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    let began = Instant::now();
    let other = leases.clone();
    let (one, two) =
        tokio::join!(wait::until("the report", SOON, async || leases.expired(10).await.unwrap().pop()), async {
            let until = Instant::now() + SHORT + SHORT / 2;
            let mut seen = 0;
            while Instant::now() < until {
                seen += other.expired(10).await.unwrap().len();
                tokio::task::yield_now().await;
            }
            seen
        });
    // One of the two scanners has it; the other sees nothing until the report is repeated.
    assert_eq!(one.unwrap(), (session(1), Epoch(5)));
    assert!(two <= 1, "{two}");
    assert!(began.elapsed() >= SHORT);
    assert_eq!(leases.owner(session(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_renewed_lease_is_not_reported() {
    let (_redis, leases) = start_quick().await;
    take(&leases, 1, 5, "dead").await;
    take(&leases, 2, 5, "alive").await;
    let reported = wait::until("the dead one", SOON, async || {
        leases.renew(&worker("alive"), &[(session(2), Epoch(5))]).await.unwrap();
        leases.expired(10).await.unwrap().pop()
    });
    assert_eq!(reported.await.unwrap(), (session(1), Epoch(5)));
}

#[tokio::test]
async fn a_report_is_repeated_until_somebody_acts_and_then_no_more() {
    let (redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    assert_eq!(next_expired(&leases).await, [(session(1), Epoch(5))]);
    assert_eq!(next_expired(&leases).await, [(session(1), Epoch(5))], "the first report may have been lost");
    leases.set_desired(session(1), Epoch(6), Desired::Run).await.unwrap();
    wait::until_true("the deadline is dropped", SOON, async || {
        assert_eq!(leases.expired(10).await.unwrap(), []);
        redis.command("ZCARD {live}:deadlines").await.unwrap() == ":0"
    })
    .await
    .unwrap();
    assert_eq!(redis.command("EXISTS {live}:overdue").await.unwrap(), ":0");
}

#[tokio::test]
async fn a_report_nobody_cares_about_ends_by_itself() {
    let (redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    let mut reports = 0;
    wait::until_true("the last report", SOON, async || {
        reports += leases.expired(10).await.unwrap().len();
        redis.command("ZCARD {live}:deadlines").await.unwrap() == ":0"
    })
    .await
    .unwrap();
    assert_eq!(reports, 5);
    assert_eq!(redis.command("EXISTS {live}:overdue").await.unwrap(), ":0");
}

#[tokio::test]
async fn a_holder_that_comes_back_in_the_gap_keeps_its_epoch_until_the_floor_rises() {
    let (_redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    assert_eq!(next_expired(&leases).await, [(session(1), Epoch(5))]);
    // Reported, but epoch 6 is not given out yet.
    let mine = [(session(1), Epoch(5))];
    assert_eq!(leases.renew(&worker("a"), &mine).await.unwrap(), [Renewed::Held { desired: None }]);
    assert_eq!(leases.expired(10).await.unwrap(), []);
    // Now it is.
    leases.set_desired(session(1), Epoch(6), Desired::Run).await.unwrap();
    assert_eq!(leases.renew(&worker("a"), &mine).await.unwrap(), [Renewed::Lost { epoch: Epoch(6) }]);
    take(&leases, 1, 6, "b").await;
}

#[tokio::test]
async fn a_takeover_leaves_no_deadline_of_the_older_epoch() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    take(&leases, 1, 6, "b").await;
    assert_eq!(redis.command("ZCARD {live}:deadlines").await.unwrap(), ":1");
}

#[tokio::test]
async fn after_a_gap_without_scans_holders_get_another_ttl() {
    let (redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    wait::until_true("the lease is over", SOON, async || leases.owner(session(1)).await.unwrap().is_none())
        .await
        .unwrap();
    // As if the server had been stopped, or its clock set forward: the last look is long ago.
    assert_eq!(redis.command("SET {live}:scan 1000").await.unwrap(), "+OK");
    assert_eq!(leases.expired(10).await.unwrap(), []);
    let began = Instant::now();
    assert_eq!(next_expired(&leases).await, [(session(1), Epoch(5))]);
    assert!(began.elapsed() > SHORT - Duration::from_millis(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn after_the_clock_went_back_the_dead_are_found_within_a_ttl() {
    let (redis, leases) = start_quick().await;
    take(&leases, 1, 5, "a").await;
    // As if the lease had been taken, and the last look been, one hour ahead.
    let member = format!("{}/5", session(1));
    redis.command(&format!("ZINCRBY {{live}}:deadlines 3600000 {member}")).await.unwrap();
    redis.command("PEXPIRE {live}:lease:00000000-0000-0000-0000-000000000001 3600000").await.unwrap();
    redis.command("INCRBY {live}:scan 3600000").await.unwrap();
    let began = Instant::now();
    assert_eq!(next_expired(&leases).await, [(session(1), Epoch(5))]);
    assert!(began.elapsed() < SHORT * 4, "{:?}", began.elapsed());
    assert_eq!(leases.owner(session(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_scan_takes_no_more_than_asked() {
    let (_redis, leases) = start_quick().await;
    for n in 1..=5 {
        take(&leases, n, 5, "a").await;
    }
    wait::until_true("all are over", SOON, async || leases.owner(session(5)).await.unwrap().is_none()).await.unwrap();
    assert_eq!(leases.expired(3).await.unwrap().len(), 3);
    assert_eq!(leases.expired(3).await.unwrap().len(), 2);
}

#[tokio::test]
async fn three_hundred_leases_are_reported_within_a_tenth_of_a_second_of_their_end() {
    let (_redis, leases) = start(Duration::from_millis(800)).await;
    leases.expired(1).await.unwrap();
    let mut taken = Vec::new();
    for n in 1..=300 {
        take(&leases, n, 5, "a").await;
        taken.push(Instant::now());
    }
    let mut late = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while late.len() < 300 {
        tick.tick().await;
        for (found, _) in leases.expired(1000).await.unwrap() {
            let n = usize::try_from(found.0.as_u128()).unwrap();
            late.push(taken[n - 1].elapsed().saturating_sub(Duration::from_millis(800)));
        }
        assert!(taken[0].elapsed() < SOON, "{} of 300", late.len());
    }
    late.sort();
    println!("reported late by: median {:?}, most {:?}", late[150], late[299]);
    assert!(late[150] < Duration::from_millis(300), "{:?}", late[150]);
}
