//! Where sources, relays and workers are.

use domain::ids::{RelayId, StreamId, WorkerId};
use lease::{Directory, Location, RelayInfo, WorkerInfo};
use testkit::{Redis, wait};
use uuid::Uuid;

use crate::support::{LONG, SOON, start};

fn stream() -> StreamId {
    StreamId(Uuid::from_u128(9))
}

fn location(relay: &str, source_epoch: u64) -> Location {
    Location { stream: stream(), relay: RelayId(relay.into()), http: format!("http://{relay}:8080"), source_epoch }
}

#[tokio::test]
async fn the_later_publish_wins_and_only_its_own_advert_is_taken_back() {
    let (_redis, leases) = start(LONG).await;
    let directory = leases.directory();
    assert_eq!(directory.find(stream()).await.unwrap(), None);
    assert!(directory.announce(&location("one", 1)).await.unwrap());
    assert!(directory.announce(&location("two", 2)).await.unwrap());
    assert!(!directory.announce(&location("one", 1)).await.unwrap());
    assert_eq!(directory.find(stream()).await.unwrap(), Some(location("two", 2)));
    directory.forget(stream(), 1).await.unwrap();
    assert_eq!(directory.find(stream()).await.unwrap(), Some(location("two", 2)));
    directory.forget(stream(), 2).await.unwrap();
    assert_eq!(directory.find(stream()).await.unwrap(), None);
}

#[tokio::test]
async fn an_advert_that_is_not_repeated_goes_away() {
    let redis = Redis::start().await.unwrap();
    let directory = Directory::connect(&redis.url()).await.unwrap();
    directory.announce(&location("one", 1)).await.unwrap();
    let worker =
        WorkerInfo { worker: WorkerId("w-1".into()), capacity: 4, running: 1, cpu: 0.5, ffmpeg_version: "5.1".into() };
    directory.announce_worker(&worker).await.unwrap();
    assert_eq!(directory.workers().await.unwrap(), [worker]);
    let began = std::time::Instant::now();
    wait::until_true("nothing is left", SOON, async || {
        let gone = directory.find(stream()).await.unwrap().is_none() && directory.workers().await.unwrap().is_empty();
        gone && redis.command("DBSIZE").await.unwrap() == ":0"
    })
    .await
    .unwrap();
    assert!(began.elapsed() > std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn relays_and_workers_are_listed_apart_and_taken_back() {
    let (_redis, leases) = start(LONG).await;
    let directory = leases.directory();
    let relay = |n: u32| RelayInfo {
        relay: RelayId(format!("r-{n}")),
        rtmp: "rtmp://r/live".into(),
        http: "http://r".into(),
        sources: n,
        readers: 0,
    };
    directory.announce_relay(&relay(1)).await.unwrap();
    directory.announce_relay(&relay(2)).await.unwrap();
    directory.announce_relay(&relay(2)).await.unwrap();
    assert_eq!(directory.relays().await.unwrap(), [relay(1), relay(2)]);
    assert_eq!(directory.workers().await.unwrap(), []);
    directory.forget_relay(&RelayId("r-1".into())).await.unwrap();
    assert_eq!(directory.relays().await.unwrap(), [relay(2)]);
}
