//! A Postgres, a scripted platform, and replicas of the service's middle.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{ids::TenantId, platform::Platform, platform_settings::PlatformSettings};
use secret::SecretString;
use service_kit::{Shutdown, SystemClock, TaskTracker};
use testkit::{Postgres, wait};
use uuid::Uuid;

use super::script::{Script, Scripted};
use crate::{
    broadcasts::{Account, Ask, Broadcasts, Finished, Linked, Observed, Options, Parts, Prepared, Reference, Seen},
    crypto::Passphrase,
    platforms::{AccountInfo, Failure, Platforms, Token, Tokens},
    store::{self, Store},
    unlock::{Cost, Passphrases, unlock},
    vault::Vault,
};

pub(super) const SOON: Duration = Duration::from_secs(15);
pub(super) const RUN: i64 = 1_700_000_000_000;
const COST: Cost = Cost { log_n: 10, least_log_n: 10 };

pub(super) fn tenant() -> TenantId {
    TenantId("tenant-1".to_owned())
}

pub(super) struct World {
    pub(super) postgres: Postgres,
    pub(super) script: Arc<Script>,
}

/// One replica.
pub(super) struct Replica {
    pub(super) broadcasts: Broadcasts,
    pub(super) vault: Vault,
    pub(super) store: Store,
}

/// Everybody has one account on the platform, or the one that is asked for.
struct OneEach;

struct NoTokens;

#[tonic::async_trait]
impl Tokens for NoTokens {
    async fn token(&self) -> Result<Token, Failure> {
        Err(Failure::ours())
    }

    async fn renew(&self, _: &Token) -> Result<Token, Failure> {
        Err(Failure::ours())
    }
}

#[tonic::async_trait]
impl Linked for OneEach {
    async fn account(&self, _: &TenantId, _: Platform, id: Option<Uuid>) -> Result<Account, Failure> {
        let id = id.unwrap_or(Uuid::from_u128(7));
        let info = AccountInfo { id, external_id: "x".to_owned(), name: "X".to_owned() };
        Ok(Account { info: Some(info), tokens: Arc::new(NoTokens) })
    }
}

pub(super) fn options() -> Options {
    Options { every: Duration::from_millis(20), along: Duration::ZERO, ..Options::default() }
}

impl World {
    pub(super) async fn start() -> Self {
        Self { postgres: Postgres::start().await.expect("Postgres starts"), script: Arc::default() }
    }

    pub(super) async fn replica(&self) -> Replica {
        replica(self.postgres.url(), Arc::clone(&self.script), options()).await
    }
}

pub(super) async fn replica(url: String, script: Arc<Script>, options: Options) -> Replica {
    let few = store::Options { connections: 4, ..store::Options::default() };
    let store = Store::new(&SecretString::from(url), few).expect("a URL");
    store.migrate().await.expect("migrates");
    let current = Passphrase::new(SecretString::from("q8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa".to_owned())).expect("a key");
    let unlocked = unlock(&store, &Passphrases { current, previous: None }, COST).await.expect("unlocks");
    let vault = Vault::new(store.clone(), Arc::new(unlocked.keyring));
    let broadcasts = Broadcasts::new(Parts {
        store: store.clone(),
        vault: vault.clone(),
        platforms: Platforms::default().with(Scripted(script)),
        linked: Arc::new(OneEach),
        clock: Arc::new(SystemClock),
        tasks: TaskTracker::new(),
        options,
    });
    Replica { broadcasts, vault, store }
}

pub(super) fn reference(destination: Uuid) -> Reference {
    Reference { destination: destination.into(), run_ms: RUN, take: 0 }
}

pub(super) fn ask(reference: Reference) -> Ask {
    Ask {
        tenant: tenant(),
        reference,
        platform: Platform::Twitch,
        account: None,
        stream_title: "Title".to_owned(),
        settings: PlatformSettings::default(),
    }
}

impl Replica {
    /// Asks again while somebody else works on it.
    pub(super) async fn prepare(&self, ask: Ask) -> Prepared {
        let until = wait::until("prepared", SOON, async || {
            let prepared = self.broadcasts.prepare(ask.clone()).await.expect("answers");
            (prepared != Prepared::Busy).then_some(prepared)
        });
        until.await.expect("not busy for ever")
    }

    pub(super) async fn prepare_ready(&self, reference: Reference) {
        let prepared = self.prepare(ask(reference)).await;
        assert!(matches!(prepared, Prepared::Ready { .. }), "{prepared:?}");
    }

    pub(super) async fn finish(&self, reference: Reference) -> Finished {
        let until = wait::until("finished", SOON, async || {
            let finished = self.broadcasts.finish(&tenant(), reference).await.expect("answers");
            (finished != Finished::Busy).then_some(finished)
        });
        until.await.expect("not busy for ever")
    }

    pub(super) async fn observe(&self, reference: Reference, publishing_ms: i64) -> Option<Seen> {
        let observed = Observed { tenant: tenant(), reference, publishing_ms };
        self.broadcasts.observe(&[observed]).await.expect("answers").pop()
    }

    pub(super) async fn rtmp_url(&self, destination: Uuid) -> Option<String> {
        let place = self.broadcasts.target(&tenant(), destination.into()).await.expect("answers");
        place.map(|place| place.rtmp_url)
    }

    pub(super) async fn key(&self, destination: Uuid) -> Option<String> {
        let key = self.vault.stream_key(tenant(), destination.into()).await.expect("answers");
        key.map(|key| key.expose().to_owned())
    }

    /// Looks begin; they end with the guard.
    pub(super) fn polling(&self) -> Polling {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        shutdown.tasks.spawn(self.broadcasts.clone().run(shutdown.clone()));
        Polling(shutdown)
    }
}

pub(super) struct Polling(Shutdown);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

pub(super) async fn until(what: &str, look: impl AsyncFnMut() -> bool) {
    wait::until_true(what, SOON, look).await.expect("in time");
}

impl World {
    pub(super) async fn at_gate(&self, count: usize) {
        until("at the gate", async || self.script.at_gate.load(Ordering::Relaxed) >= count).await;
    }

    pub(super) fn close_gate(&self) {
        self.script.is_gated.store(true, Ordering::Relaxed);
    }

    pub(super) fn open_gate(&self) {
        self.script.is_gated.store(false, Ordering::Relaxed);
        self.script.gate.0.add_permits(100);
    }
}
