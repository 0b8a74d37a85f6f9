//! Opens the vault at start: finds out which stored keys the given passphrases make, refuses to run with a wrong one,
//! and registers a new one.

mod decide;

use domain::ids::TenantId;
use ring::rand::SystemRandom;
use uuid::Uuid;

use crate::{
    crypto::{self, Broken, Derivation, Field, Kek, KeyId, Keyring, Passphrase, Place, Table},
    store::{self, Store, Tx, keys, keys::StoredKey, secrets},
};
pub use decide::Refused;
use decide::{Found, Step, decide};

/// What a key check says inside.
const CHECK: &[u8] = b"exprsn-live vault key check";

/// The configured keys.
#[derive(Clone, Debug)]
pub struct Passphrases {
    /// `ENCRYPTION_KEY`.
    pub current: Passphrase,
    /// `ENCRYPTION_KEY_PREVIOUS`.
    pub previous: Option<Passphrase>,
}

/// What the environment asks of a key's derivation.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// For a new key.
    pub log_n: u8,
    /// The least of the current key.
    pub least_log_n: u8,
}

/// An open vault.
#[derive(Debug)]
pub struct Unlocked {
    /// The keys held.
    pub keyring: Keyring,
    /// The one of `ENCRYPTION_KEY`.
    pub current: KeyId,
    /// The one that seals now; another than `current` while a rotation is due.
    pub active: KeyId,
}

/// Why the vault stays closed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The keys don't fit the vault.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database.
    #[error("cannot read the vault")]
    Store(#[from] store::Error),
    /// Derivation or randomness failed.
    #[error("cannot derive the vault key")]
    Crypto(#[from] Broken),
}

/// Opens the vault, one process at a time. Derives at most one key per passphrase and stored key.
///
/// # Errors
/// [`Error`]; nothing is changed then.
pub async fn unlock(store: &Store, passphrases: &Passphrases, cost: Cost) -> Result<Unlocked, Error> {
    store.bounded_start(work(store, passphrases, cost)).await
}

async fn work(store: &Store, passphrases: &Passphrases, cost: Cost) -> Result<Unlocked, Error> {
    let mut tx = store.begin().await?;
    keys::lock(&mut tx).await?;
    let stored = keys::in_use(&mut tx).await?;
    let active = keys::active_for_share(&mut tx).await?;
    let mut keyring = Keyring::default();
    let current = recognise(&passphrases.current, &stored, &mut keyring).await?;
    let previous = match &passphrases.previous {
        Some(passphrase) => recognise(passphrase, &stored, &mut keyring).await?,
        None => None,
    };
    if passphrases.previous.is_some() && previous.is_none() && current.is_some() {
        tracing::warn!("ENCRYPTION_KEY_PREVIOUS opens nothing in this vault and is ignored");
    }
    let sealed = secrets::count_by_key(&mut tx).await.map_err(Error::Store)?;
    let log_n = current.and_then(|id| stored.iter().find(|key| key.id == id)).map(|key| key.derivation.log_n);
    let found = Found { active, current, previous, sealed, log_n, least_log_n: cost.least_log_n };
    let unlocked = match decide(&found)? {
        Step::Open { current, active } => Unlocked { keyring, current, active },
        Step::SetUp => register(&mut tx, keyring, passphrases, cost, None).await?,
        Step::Register { active } => register(&mut tx, keyring, passphrases, cost, Some(active)).await?,
    };
    tx.commit().await.map_err(store::Error::from)?;
    Ok(unlocked)
}

/// The stored key this passphrase makes, which then joins the keyring.
async fn recognise(
    passphrase: &Passphrase,
    stored: &[StoredKey],
    keyring: &mut Keyring,
) -> Result<Option<KeyId>, Broken> {
    for key in stored {
        let kek = derive(passphrase, key.derivation).await?;
        let opened = crypto::open(&kek, &check_place(), &key.check);
        if opened.is_ok_and(|text| text.as_slice() == CHECK) {
            keyring.insert(key.id, kek);
            return Ok(Some(key.id));
        }
    }
    Ok(None)
}

/// Stores the current passphrase's key; it seals from now on if no other does.
async fn register(
    tx: &mut Tx,
    mut keyring: Keyring,
    passphrases: &Passphrases,
    cost: Cost,
    active: Option<KeyId>,
) -> Result<Unlocked, Error> {
    let random = SystemRandom::new();
    let derivation = Derivation::fresh(cost.log_n, &random)?;
    let kek = derive(&passphrases.current, derivation).await?;
    let id = keys::next_id(tx).await?;
    let check = crypto::seal(&kek, id, &check_place(), CHECK, &random)?;
    keys::insert(tx, &StoredKey { id, derivation, check }).await?;
    if active.is_none() {
        keys::activate(tx, id).await?;
    }
    keyring.insert(id, kek);
    tracing::info!(key = %id, "registered a new vault key");
    Ok(Unlocked { keyring, current: id, active: active.unwrap_or(id) })
}

async fn derive(passphrase: &Passphrase, derivation: Derivation) -> Result<Kek, Broken> {
    let passphrase = passphrase.expose().clone();
    tokio::task::spawn_blocking(move || derivation.derive(&passphrase)).await.map_err(|_| Broken)?
}

fn check_place() -> Place {
    Place::new(TenantId(String::new()), Table::Vault, Uuid::nil(), Field::Check)
}
