//! Redis empty, gone, stopped or full.

use std::time::{Duration, Instant};

use domain::ids::Epoch;
use lease::{Acquire, Desired, Error, Leases, Options, Renewed};
use testkit::wait;

use crate::support::{LONG, SOON, session, start, take, worker};

const HELD: Renewed = Renewed::Held { desired: None };

#[tokio::test]
async fn after_flushall_the_holder_takes_its_lease_again() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    assert_eq!(redis.command("FLUSHALL").await.unwrap(), "+OK");
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
    assert_eq!(leases.owner(session(1)).await.unwrap(), Some((worker("a"), Epoch(5))));
    let refused = leases.acquire(session(1), Epoch(4), &worker("b")).await.unwrap();
    assert_eq!(refused, Acquire::Superseded { floor: Epoch(5) }, "the floor is back too");
}

#[tokio::test]
async fn after_flushall_the_higher_epoch_wins_whoever_comes_first() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 6, "b").await;
    redis.command("FLUSHALL").await.unwrap();
    // The older one shows up first, and is put out as soon as the newer one does.
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
    assert_eq!(leases.renew(&worker("b"), &[(session(1), Epoch(6))]).await.unwrap(), [HELD]);
    let lost = [Renewed::Lost { epoch: Epoch(6) }];
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), lost);
}

#[tokio::test]
async fn scripts_are_loaded_again_after_a_restart() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    redis.restart().await.unwrap();
    // The first call after it finds its connection closed and the script cache empty.
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
    redis.command("SCRIPT FLUSH").await.unwrap();
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
    leases.set_desired(session(1), Epoch(5), Desired::Stop).await.unwrap();
    assert!(leases.release(session(1), Epoch(5), &worker("a")).await.unwrap());
}

#[tokio::test]
async fn a_dead_server_is_an_error_at_once_and_no_error_when_it_is_back() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    redis.kill();
    let began = Instant::now();
    let error = leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    redis.restart().await.unwrap();
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
}

#[tokio::test]
async fn a_server_that_is_not_there_at_boot_is_no_error() {
    let (redis, _leases) = start(LONG).await;
    redis.kill();
    let leases = Leases::connect(&redis.url(), LONG).await.unwrap();
    leases.ping().await.unwrap_err();
    redis.restart().await.unwrap();
    leases.ping().await.unwrap();
    assert!(matches!(Leases::connect("http://x", LONG).await.err(), Some(Error::BadUrl)));
}

#[tokio::test]
async fn a_stopped_server_holds_no_caller_up_and_kills_no_session() {
    let (redis, _) = start(LONG).await;
    let ttl = Duration::from_secs(1);
    let options = Options { call_timeout: Duration::from_millis(300), ..Options::with_ttl(ttl) };
    let leases = Leases::connect_with(&redis.url(), options).await.unwrap();
    take(&leases, 1, 5, "alive").await;
    take(&leases, 2, 5, "dead").await;
    leases.expired(10).await.unwrap();

    redis.pause();
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_millis(2500) {
        let began = Instant::now();
        assert!(leases.renew(&worker("alive"), &[(session(1), Epoch(5))]).await.is_err());
        assert!(leases.expired(10).await.is_err());
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    }
    redis.resume();

    // By the server's clock both leases are over; the one that still renews must not be reported.
    let reported = wait::until("the dead one", SOON, async || {
        let found = leases.expired(10).await.unwrap_or_default().pop();
        let _ = leases.renew(&worker("alive"), &[(session(1), Epoch(5))]).await;
        found
    });
    assert_eq!(reported.await.unwrap(), (session(2), Epoch(5)));
    assert_eq!(leases.owner(session(1)).await.unwrap(), Some((worker("alive"), Epoch(5))));
}

#[tokio::test]
async fn leases_work_when_the_server_is_out_of_memory() {
    let (redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    assert_eq!(redis.command("CONFIG SET maxmemory-policy noeviction").await.unwrap(), "+OK");
    assert_eq!(redis.command("CONFIG SET maxmemory 1").await.unwrap(), "+OK");
    assert!(redis.command("SET a b").await.unwrap().starts_with("-OOM"));
    assert_eq!(leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap(), [HELD]);
    take(&leases, 2, 5, "a").await;
    leases.set_desired(session(2), Epoch(5), Desired::Stop).await.unwrap();
    assert!(leases.release(session(2), Epoch(5), &worker("a")).await.unwrap());
    leases.expired(10).await.unwrap();
}

#[tokio::test]
async fn every_key_ends_by_itself_except_the_bounded_sets() {
    let (redis, leases) = start(LONG).await;
    leases.expired(10).await.unwrap();
    take(&leases, 1, 5, "a").await;
    leases.set_desired(session(2), Epoch(5), Desired::Run).await.unwrap();
    for key in ["{live}:scan", &format!("{{live}}:lease:{}", session(1)), &format!("{{live}}:want:{}", session(1))] {
        let ttl = redis.command(&format!("PTTL {key}")).await.unwrap();
        assert!(ttl.trim_start_matches(':').parse::<i64>().unwrap() > 0, "{key} {ttl}");
    }
    let ttl = redis.command(&format!("PTTL {{live}}:want:{}", session(2))).await.unwrap();
    assert!(ttl.trim_start_matches(':').parse::<i64>().unwrap() > 0, "{ttl}");
}
