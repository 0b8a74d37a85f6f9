//! `credentials rotate`: seals everything anew with the current key.
//!
//! 1. Wait until every running instance holds the new key; refuse otherwise, they couldn't read it.
//! 2. Make it the key that seals. Writers under way hold the row, so the switch waits for them; after it nothing is
//!    sealed with the old key.
//! 3. Re-seal what is left, in batches, each in its own transaction. Readers see the old or the new value, both open.
//! 4. Retire the keys that nothing needs any more.
//!
//! Interrupted anywhere, running it again goes on.

use std::{collections::HashSet, time::Duration};

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    crypto::{KeyId, Keyring, Place},
    store::{self, Store, keys, replicas, secrets, secrets::Sealed},
    unlock::Unlocked,
};

/// The bounds of a rotation.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Values per transaction.
    pub batch: i64,
    /// An instance not seen for so long is gone.
    pub replica_ttl: Duration,
    /// How long to wait for instances without the new key to go.
    pub wait_for_replicas: Duration,
    /// Pause between passes, while somebody holds a value.
    pub pause: Duration,
    /// Passes before giving up on a value that stays locked.
    pub max_passes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: 100,
            replica_ttl: Duration::from_secs(10),
            wait_for_replicas: Duration::from_secs(15),
            pause: Duration::from_millis(200),
            max_passes: 100,
        }
    }
}

/// Why a rotation is not complete.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the vault's database failed")]
    Store(#[from] store::Error),
    /// Instances run that couldn't read the new key.
    #[error(
        "{0} running instances of credentials don't hold the new key: restart them with the new ENCRYPTION_KEY and the \
         old one as ENCRYPTION_KEY_PREVIOUS, then rotate"
    )]
    Replicas(i64),
    /// Values that don't open with any key given.
    #[error("{0} secrets do not open and were left as they are; see the log")]
    Damaged(usize),
    /// Values stayed locked.
    #[error("{0} secrets were in use all the time: run it again")]
    Busy(i64),
    /// No randomness.
    #[error("cannot seal")]
    Seal(#[from] crate::crypto::Broken),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Values sealed anew.
    pub resealed: u64,
    /// Keys retired.
    pub retired: u64,
}

/// Runs a rotation to its end.
///
/// # Errors
/// [`Error`]; what was done stays done.
pub async fn rotate(store: &Store, unlocked: &Unlocked, options: Options) -> Result<Report, Error> {
    let to = unlocked.current;
    if unlocked.active != to {
        wait_for_replicas(store, to, options).await?;
        let mut tx = store.begin().await?;
        keys::lock(&mut tx).await?;
        keys::activate(&mut tx, to).await?;
        tx.commit().await.map_err(store::Error::from)?;
        tracing::info!(key = %to, "the vault seals with the new key");
    }
    let resealed = Resealing { store, keyring: &unlocked.keyring, to, options, damaged: HashSet::new() }.run().await?;
    let mut conn = store.pool().acquire().await.map_err(store::Error::from)?;
    let retired = keys::retire_unused(&mut conn).await?;
    Ok(Report { resealed, retired })
}

async fn wait_for_replicas(store: &Store, to: KeyId, options: Options) -> Result<(), Error> {
    let deadline = Instant::now() + options.wait_for_replicas;
    loop {
        let mut conn = store.pool().acquire().await.map_err(store::Error::from)?;
        match replicas::without(&mut conn, to, options.replica_ttl).await? {
            0 => return Ok(()),
            left if Instant::now() >= deadline => return Err(Error::Replicas(left)),
            left => tracing::info!(left, "waiting for instances that don't hold the new key"),
        }
        drop(conn);
        sleep(options.pause).await;
    }
}

struct Resealing<'a> {
    store: &'a Store,
    keyring: &'a Keyring,
    to: KeyId,
    options: Options,
    damaged: HashSet<(String, Uuid, String)>,
}

impl Resealing<'_> {
    async fn run(mut self) -> Result<u64, Error> {
        let mut resealed = 0;
        for _ in 0..self.options.max_passes {
            resealed += self.pass().await?;
            let left = self.left().await?;
            if left <= self.damaged.len() as i64 {
                return if left == 0 { Ok(resealed) } else { Err(Error::Damaged(self.damaged.len())) };
            }
            sleep(self.options.pause).await;
        }
        Err(Error::Busy(self.left().await?))
    }

    /// Once through everything that isn't locked.
    async fn pass(&mut self) -> Result<u64, Error> {
        let (mut resealed, mut after) = (0, None);
        loop {
            let mut tx = self.store.begin().await?;
            let batch = secrets::outdated(&mut tx, self.to, after.as_ref(), self.options.batch).await?;
            let Some(last) = batch.last() else { return Ok(resealed) };
            after = Some(last.place.clone());
            for sealed in batch {
                resealed += u64::from(self.reseal(&mut tx, sealed).await?);
            }
            tx.commit().await.map_err(store::Error::from)?;
            tracing::info!(resealed, "rotating");
        }
    }

    async fn reseal(&mut self, tx: &mut store::Tx, sealed: Sealed) -> Result<bool, Error> {
        let place = sealed.place;
        let value = match self.keyring.open(&place, &sealed.bytes) {
            Ok(value) => value,
            Err(error) => {
                self.note_damaged(&place, error);
                return Ok(false);
            }
        };
        // The new key was recognised at start: it is held.
        let Some(bytes) = self.keyring.seal(self.to, &place, &value)? else { return Ok(false) };
        Ok(secrets::put(tx, &Sealed { place, bytes }, self.to).await?)
    }

    fn note_damaged(&mut self, place: &Place, error: crate::crypto::OpenError) {
        if self.damaged.insert((place.table.clone(), place.record, place.field.clone())) {
            tracing::error!(kind = place.table, record = %place.record, %error, "a stored secret does not open");
        }
    }

    async fn left(&self) -> Result<i64, Error> {
        let mut conn = self.store.pool().acquire().await.map_err(store::Error::from)?;
        let counts = secrets::count_by_key(&mut conn).await?;
        Ok(counts.into_iter().filter(|(key, _)| *key != self.to).map(|(_, count)| count).sum())
    }
}
