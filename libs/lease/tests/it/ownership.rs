//! Who may take, keep and give back a lease.

use domain::ids::{Epoch, Generation};
use lease::{Acquire, Desired, Renewed};

use crate::support::{LONG, session, start, take, worker};

const HELD: Renewed = Renewed::Held { desired: None };

#[tokio::test]
async fn one_holder_per_epoch_and_the_higher_epoch_takes_over() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    take(&leases, 1, 5, "a").await;

    let refused = Acquire::HeldBy { epoch: Epoch(5), worker: worker("a") };
    assert_eq!(leases.acquire(session(1), Epoch(5), &worker("b")).await.unwrap(), refused);

    take(&leases, 1, 6, "b").await;
    assert_eq!(leases.owner(session(1)).await.unwrap(), Some((worker("b"), Epoch(6))));
    let renewed = leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap();
    assert_eq!(renewed, [Renewed::Lost { epoch: Epoch(6) }]);
    let refused = leases.acquire(session(1), Epoch(5), &worker("a")).await.unwrap();
    assert_eq!(refused, Acquire::Superseded { floor: Epoch(6) });
    assert_eq!(leases.renew(&worker("b"), &[(session(1), Epoch(6))]).await.unwrap(), [HELD]);
}

#[tokio::test]
async fn a_release_by_anyone_but_the_holder_does_nothing() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    assert!(!leases.release(session(1), Epoch(5), &worker("b")).await.unwrap());
    assert!(!leases.release(session(1), Epoch(4), &worker("a")).await.unwrap());
    assert!(leases.owner(session(1)).await.unwrap().is_some());
    assert!(leases.release(session(1), Epoch(5), &worker("a")).await.unwrap());
    assert!(!leases.release(session(1), Epoch(5), &worker("a")).await.unwrap());
    assert_eq!(leases.owner(session(1)).await.unwrap(), None);
    assert_eq!(leases.expired(10).await.unwrap(), []);
}

#[tokio::test]
async fn after_a_release_an_older_epoch_stays_out() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 1, 6, "b").await;
    leases.release(session(1), Epoch(6), &worker("b")).await.unwrap();
    let refused = leases.acquire(session(1), Epoch(5), &worker("a")).await.unwrap();
    assert_eq!(refused, Acquire::Superseded { floor: Epoch(6) });
    let renewed = leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap();
    assert_eq!(renewed, [Renewed::Lost { epoch: Epoch(6) }]);
}

#[tokio::test]
async fn raising_the_floor_ends_the_older_epoch_before_anyone_takes_the_new_one() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    leases.set_desired(session(1), Epoch(6), Desired::Run).await.unwrap();
    let renewed = leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap();
    assert_eq!(renewed, [Renewed::Lost { epoch: Epoch(6) }]);
    assert_eq!(leases.owner(session(1)).await.unwrap(), None, "a lost lease is given back at once");
    take(&leases, 1, 6, "b").await;
}

#[tokio::test]
async fn a_wish_reaches_the_holder_of_its_epoch_only() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 1, 5, "a").await;
    let wish = async |desired: Desired| {
        leases.set_desired(session(1), Epoch(5), desired).await.unwrap();
        leases.renew(&worker("a"), &[(session(1), Epoch(5))]).await.unwrap()[0]
    };
    let held = |desired| Renewed::Held { desired: Some(desired) };
    assert_eq!(wish(Desired::Run).await, held(Desired::Run));
    assert_eq!(wish(Desired::Refresh(Generation(3))).await, held(Desired::Refresh(Generation(3))));
    // What comes late does not turn the wish back.
    assert_eq!(wish(Desired::Refresh(Generation(2))).await, held(Desired::Refresh(Generation(3))));
    assert_eq!(wish(Desired::Run).await, held(Desired::Refresh(Generation(3))));
    assert_eq!(wish(Desired::Stop).await, held(Desired::Stop));
    assert_eq!(wish(Desired::Run).await, held(Desired::Stop));

    take(&leases, 1, 6, "b").await;
    let renewed = leases.renew(&worker("b"), &[(session(1), Epoch(6))]).await.unwrap();
    assert_eq!(renewed, [HELD], "the stop was meant for the epoch before");
    leases.set_desired(session(1), Epoch(5), Desired::Stop).await.unwrap();
    assert_eq!(leases.renew(&worker("b"), &[(session(1), Epoch(6))]).await.unwrap(), [HELD]);
}

#[tokio::test]
async fn five_hundred_leases_are_renewed_in_one_call() {
    let (redis, leases) = start(LONG).await;
    let held: Vec<_> = (1..=500).map(|n| (session(n), Epoch(7))).collect();
    assert_eq!(leases.renew(&worker("a"), &held).await.unwrap(), vec![HELD; 500]);
    // Not in order, so that an answer in the wrong place shows.
    take(&leases, 250, 8, "b").await;
    leases.set_desired(session(251), Epoch(7), Desired::Stop).await.unwrap();
    let calls = async || {
        let info = redis_info(&redis).await;
        let line = info.lines().find(|l| l.starts_with("cmdstat_evalsha:")).unwrap_or("calls=0,").to_owned();
        line.split(&['=', ','][..]).nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = calls().await;
    let began = std::time::Instant::now();
    let answers = leases.renew(&worker("a"), &held).await.unwrap();
    println!("500 leases renewed in {:?}", began.elapsed());
    assert_eq!(calls().await - before, 1);
    for (n, answer) in answers.iter().enumerate() {
        let expected = match n + 1 {
            250 => Renewed::Lost { epoch: Epoch(8) },
            251 => Renewed::Held { desired: Some(Desired::Stop) },
            _ => HELD,
        };
        assert_eq!(*answer, expected, "session {}", n + 1);
    }
    assert_eq!(leases.renew(&worker("a"), &[]).await.unwrap(), []);
}

#[tokio::test]
async fn owners_are_answered_in_order() {
    let (_redis, leases) = start(LONG).await;
    take(&leases, 2, 5, "a").await;
    let owners = leases.owners(&[session(1), session(2), session(3)]).await.unwrap();
    assert_eq!(owners, [None, Some((worker("a"), Epoch(5))), None]);
    assert_eq!(leases.owners(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn twenty_workers_racing_for_one_epoch_give_one_holder() {
    let (_redis, leases) = start(LONG).await;
    let mut race = tokio::task::JoinSet::new();
    for n in 0..20 {
        let leases = leases.clone();
        race.spawn(async move { leases.acquire(session(1), Epoch(5), &worker(&format!("w{n}"))).await.unwrap() });
    }
    let answers = race.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Acquire::Acquired).count(), 1, "{answers:?}");
}

async fn redis_info(redis: &testkit::Redis) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(redis.addr()).await.unwrap();
    socket.write_all(b"INFO commandstats\r\nQUIT\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}
