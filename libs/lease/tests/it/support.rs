//! What the tests share.

use std::time::Duration;

use domain::ids::{Epoch, SessionId, WorkerId};
use lease::{Acquire, Leases, Options};
use testkit::Redis;
use uuid::Uuid;

/// Long enough that nothing expires by itself while a test runs.
pub const LONG: Duration = Duration::from_secs(60);
/// Short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(400);
/// For anything that should happen.
pub const SOON: Duration = Duration::from_secs(10);

pub async fn start(ttl: Duration) -> (Redis, Leases) {
    let redis = Redis::start().await.unwrap();
    let leases = Leases::connect(&redis.url(), ttl).await.unwrap();
    (redis, leases)
}

/// A short TTL and a scan gap that fits it.
pub fn quick() -> Options {
    Options { scan_gap: Duration::from_millis(1500), ..Options::with_ttl(SHORT) }
}

pub fn session(n: u128) -> SessionId {
    SessionId(Uuid::from_u128(n))
}

pub fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

pub async fn take(leases: &Leases, n: u128, epoch: u64, name: &str) {
    assert_eq!(leases.acquire(session(n), Epoch(epoch), &worker(name)).await.unwrap(), Acquire::Acquired);
}

/// Scans until something has expired.
pub async fn next_expired(leases: &Leases) -> Vec<(SessionId, Epoch)> {
    testkit::wait::until("an expired lease", SOON, async || {
        let found = leases.expired(100).await.unwrap();
        (!found.is_empty()).then_some(found)
    })
    .await
    .unwrap()
}
