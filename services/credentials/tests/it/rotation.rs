//! The vault's key is changed under load, in the middle of a crash, and with a damaged value.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use credentials::{
    crypto::Passphrase,
    rotate::{self, rotate},
    store::{self, Store},
    unlock::{Cost, Passphrases, Unlocked, unlock},
};
use secret::SecretString;
use uuid::Uuid;

use crate::world::{KEY_A, KEY_B, Service, World, stream};

const BOTH: [(&str, &str); 2] = [("ENCRYPTION_KEY", KEY_B), ("ENCRYPTION_KEY_PREVIOUS", KEY_A)];
const SEEDED: u128 = 300;

async fn seed(service: &Service, count: u128) -> Vec<(Uuid, String)> {
    let mut vault = service.client();
    let mut keys = Vec::new();
    for n in 0..count {
        let id = Uuid::from_u128(n + 1);
        keys.push((id, vault.create_ingest_key(stream(id)).await.expect("made").into_inner().key));
    }
    keys
}

async fn check(service: &Service, keys: &[(Uuid, String)]) {
    let mut vault = service.client();
    for (id, key) in keys {
        assert_eq!(&vault.reveal_ingest_key(stream(*id)).await.expect("shown").into_inner().key, key);
    }
}

async fn sealed_with(world: &World, key: i32) -> i64 {
    let mut sql = world.sql().await;
    let count = sqlx::query_scalar("SELECT count(*) FROM credentials.secrets WHERE key_id = $1");
    count.bind(key).fetch_one(&mut sql).await.expect("counts")
}

/// Reads and writes until told to stop; returns how many calls it made. None may fail.
async fn load(service: &Service, keys: Vec<(Uuid, String)>, stop: Arc<AtomicBool>, calls: Arc<AtomicU64>) {
    let mut vault = service.client();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let (id, key) = &keys[n % keys.len()];
        assert_eq!(&vault.reveal_ingest_key(stream(*id)).await.expect("readable all the time").into_inner().key, key);
        let fresh = Uuid::from_u128(1_000_000 + n as u128 % 50);
        vault.create_ingest_key(stream(fresh)).await.expect("writable all the time");
        calls.fetch_add(2, Ordering::Relaxed);
        n += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_loses_nothing() {
    let world = World::start().await;
    let old = world.service(KEY_A).await;
    let keys = seed(&old, SEEDED).await;
    drop(old);
    let service = Arc::new(world.service_with(&BOTH).await);
    // The log is written on a thread of its own.
    let said = async || service.log().contains("a rotation is due");
    testkit::wait::until_true("the warning", Duration::from_secs(10), said).await.expect("a rotation is due");

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let running = {
        let (service, keys, stop, calls) = (service.clone(), keys.clone(), stop.clone(), calls.clone());
        tokio::spawn(async move { load(&service, keys, stop, calls).await })
    };
    let some = async |more: u64| {
        let from = calls.load(Ordering::Relaxed);
        let moved = async || calls.load(Ordering::Relaxed) >= from + more;
        testkit::wait::until_true("load", Duration::from_secs(20), moved).await.expect("runs");
    };
    some(20).await;
    let (ok, log) = world.run(&["rotate"], &BOTH).await;
    assert!(ok && log.contains("rotation complete"), "{log}");
    some(20).await;
    stop.store(true, Ordering::Relaxed);
    running.await.expect("no call failed");

    check(&service, &keys).await;
    assert_eq!(sealed_with(&world, 1).await, 0);
    assert!(sealed_with(&world, 2).await >= SEEDED as i64);
    drop(service);
    // The old key is not needed any more, and no longer enough.
    check(&world.service(KEY_B).await, &keys).await;
    let (ok, log) = world.run(&[], &[("ENCRYPTION_KEY", KEY_A)]).await;
    assert!(!ok && log.contains("does not open this vault"), "{log}");
    // Running it again does nothing.
    let (ok, log) = world.run(&["rotate"], &BOTH).await;
    assert!(ok && log.contains("resealed=0"), "{log}");
}

/// The vault opened with the new and the old key, in this process.
async fn open_with_both(world: &World) -> (Store, Unlocked) {
    let store = Store::new(&SecretString::from(world.postgres.url()), store::Options::default()).expect("a URL");
    let passphrase = |text: &str| Passphrase::new(SecretString::from(text.to_owned())).expect("not empty");
    let passphrases = Passphrases { current: passphrase(KEY_B), previous: Some(passphrase(KEY_A)) };
    let unlocked = unlock(&store, &passphrases, Cost { log_n: 10, least_log_n: 10 }).await.expect("opens");
    (store, unlocked)
}

fn quick() -> rotate::Options {
    rotate::Options {
        batch: 10,
        wait_for_replicas: Duration::from_millis(300),
        pause: Duration::from_millis(10),
        max_passes: 20,
        ..rotate::Options::default()
    }
}

#[tokio::test]
async fn it_is_refused_while_an_instance_could_not_read_the_new_key() {
    let world = World::start().await;
    let old = world.service(KEY_A).await;
    let keys = seed(&old, 3).await;
    let registered = async || {
        let mut sql = world.sql().await;
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM credentials.replicas");
        count.fetch_one(&mut sql).await.is_ok_and(|count| count == 1)
    };
    testkit::wait::until_true("a heartbeat", Duration::from_secs(10), registered).await.expect("beats");

    let (store, unlocked) = open_with_both(&world).await;
    let refused = rotate(&store, &unlocked, quick()).await.expect_err("an instance holds the old key only");
    assert!(matches!(refused, rotate::Error::Replicas(1)), "{refused}");
    check(&old, &keys).await;
    assert_eq!(sealed_with(&world, 1).await, 3);
    // It leaves when it is told to end, and then nothing is in the way.
    drop(old);
    let report = rotate(&store, &unlocked, quick()).await.expect("rotates");
    assert_eq!(report, rotate::Report { resealed: 3, retired: 1 });
}

#[tokio::test]
async fn a_damaged_value_is_left_alone_and_the_rest_is_done_once() {
    let world = World::start().await;
    let old = world.service(KEY_A).await;
    let keys = seed(&old, 25).await;
    drop(old);
    let mut sql = world.sql().await;
    let damage = "UPDATE credentials.secrets SET sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) \
                  WHERE record_id = $1";
    sqlx::query(damage).bind(keys[7].0).execute(&mut sql).await.expect("damaged");

    let (store, unlocked) = open_with_both(&world).await;
    let incomplete = rotate(&store, &unlocked, quick()).await.expect_err("one is damaged");
    assert!(matches!(incomplete, rotate::Error::Damaged(1)), "{incomplete}");
    assert_eq!((sealed_with(&world, 1).await, sealed_with(&world, 2).await), (1, 24));
    // Without the old key the vault stays closed, because something still needs it.
    let (ok, log) = world.run(&[], &[("ENCRYPTION_KEY", KEY_B)]).await;
    assert!(!ok && log.contains("1 secrets are still sealed with vault key 1"), "{log}");

    sqlx::query("DELETE FROM credentials.secrets WHERE record_id = $1")
        .bind(keys[7].0)
        .execute(&mut sql)
        .await
        .unwrap();
    let report = rotate(&store, &unlocked, quick()).await.expect("goes on");
    assert_eq!(report, rotate::Report { resealed: 0, retired: 1 });
}

#[tokio::test]
async fn a_rotation_killed_in_the_middle_goes_on() {
    let world = World::start().await;
    let old = world.service(KEY_A).await;
    let keys = seed(&old, 45).await;
    drop(old);
    // Holding a row makes the rotation wait in its last passes: then it is cut off.
    let mut sql = world.sql().await;
    sqlx::query("BEGIN").execute(&mut sql).await.unwrap();
    let held = sqlx::query("SELECT 1 FROM credentials.secrets WHERE record_id = $1 FOR UPDATE").bind(keys[30].0);
    held.execute(&mut sql).await.expect("held");
    let (store, unlocked) = open_with_both(&world).await;
    let busy = rotate(&store, &unlocked, quick()).await.expect_err("a value is in use");
    assert!(matches!(busy, rotate::Error::Busy(1)), "{busy}");
    assert_eq!((sealed_with(&world, 1).await, sealed_with(&world, 2).await), (1, 44));
    // In between everything is readable with both keys.
    let service = world.service_with(&BOTH).await;
    check(&service, &keys).await;
    sqlx::query("COMMIT").execute(&mut sql).await.unwrap();
    let report = rotate(&store, &unlocked, quick()).await.expect("goes on");
    assert_eq!(report, rotate::Report { resealed: 1, retired: 1 });
    check(&service, &keys).await;
}
