//! The vault: seals what it is given and opens what it holds.

use std::sync::Arc;

use domain::ids::{DestinationId, StreamId, TenantId};
use ring::rand::SystemRandom;
use secret::{ExposeSecret, SecretString, StreamKey};
use sqlx::PgConnection;

use crate::{
    crypto::{Broken, Field, KeyId, Keyring, OpenError, Place, Table},
    ingest_key, names,
    store::{self, Store, keys, secrets, secrets::Sealed},
};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault {
    store: Store,
    keyring: Arc<Keyring>,
}

/// Why the vault didn't do it. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the vault's database failed")]
    Store(#[from] store::Error),
    /// A stored value doesn't open.
    #[error("a stored secret does not open")]
    Open(#[from] OpenError),
    /// What opened is no key.
    #[error("a stored secret has an impossible content")]
    Content,
    /// A rotation has moved on to a key that this process doesn't hold.
    #[error("the vault seals with key {0} now, which this process does not hold")]
    KeyNotHeld(KeyId),
    /// There is no vault yet.
    #[error("the vault has no key")]
    NoKey,
    /// No randomness.
    #[error("cannot seal")]
    Seal(#[from] Broken),
    /// The record is another tenant's.
    #[error("no such record")]
    NotFound,
}

impl Vault {
    /// A vault over its database and keys.
    pub fn new(store: Store, keyring: Arc<Keyring>) -> Self {
        Self { store, keyring }
    }

    /// Stores or replaces a destination's stream key.
    ///
    /// # Errors
    /// [`Error`]; `NotFound` when the destination's secrets are another tenant's.
    pub async fn put_stream_key(&self, tenant: TenantId, id: DestinationId, key: &StreamKey) -> Result<(), Error> {
        self.put(Place::new(tenant, Table::Destination, id.0, Field::StreamKey), key).await
    }

    /// A destination's stream key, if it has one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn stream_key(&self, tenant: TenantId, id: DestinationId) -> Result<Option<StreamKey>, Error> {
        self.get(&Place::new(tenant, Table::Destination, id.0, Field::StreamKey)).await
    }

    /// Makes a new ingest key for a stream; the old one is gone.
    ///
    /// # Errors
    /// [`Error`]; `NotFound` when the stream's secrets are another tenant's.
    pub async fn create_ingest_key(&self, tenant: TenantId, id: StreamId) -> Result<StreamKey, Error> {
        let key = ingest_key::generate(&SystemRandom::new())?;
        self.put(Place::new(tenant, Table::Stream, id.0, Field::IngestKey), &key).await?;
        Ok(key)
    }

    /// A stream's ingest key, if it has one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ingest_key(&self, tenant: TenantId, id: StreamId) -> Result<Option<StreamKey>, Error> {
        self.get(&Place::new(tenant, Table::Stream, id.0, Field::IngestKey)).await
    }

    /// Removes every secret of a destination, a stream or both, in one step. Idempotent.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn delete(
        &self,
        tenant: &TenantId,
        destination: Option<DestinationId>,
        stream: Option<StreamId>,
    ) -> Result<u64, Error> {
        let work = async {
            let mut tx = self.store.begin().await?;
            let mut removed = 0;
            if let Some(id) = destination {
                removed += secrets::delete(&mut tx, tenant, Table::Destination, id.0).await?;
            }
            if let Some(id) = stream {
                removed += secrets::delete(&mut tx, tenant, Table::Stream, id.0).await?;
            }
            tx.commit().await.map_err(store::Error::from)?;
            Ok(removed)
        };
        self.store.bounded(work).await
    }

    /// Seals a value in the caller's transaction: it becomes durable together with the caller's own rows. Nothing else
    /// may wait in that transaction: a rotation waits for it.
    ///
    /// # Errors
    /// [`Error`]; `NotFound` when the record is another tenant's.
    pub async fn seal_in(&self, conn: &mut PgConnection, place: Place, value: &SecretString) -> Result<(), Error> {
        self.write(conn, place, value.expose_secret().as_bytes()).await
    }

    /// Opens a value on the caller's connection, if there is one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open_in(&self, conn: &mut PgConnection, place: &Place) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = secrets::get(conn, place).await? else { return Ok(None) };
        self.open(place, &sealed).map(|text| Some(SecretString::from(text)))
    }

    async fn put(&self, place: Place, key: &StreamKey) -> Result<(), Error> {
        let work = async {
            let mut tx = self.store.begin().await?;
            self.write(&mut tx, place, key.expose().as_bytes()).await?;
            tx.commit().await.map_err(store::Error::from)?;
            Ok(())
        };
        self.store.bounded(work).await
    }

    async fn get(&self, place: &Place) -> Result<Option<StreamKey>, Error> {
        let work = async {
            let mut conn = self.store.pool().acquire().await.map_err(store::Error::from)?;
            Ok::<_, Error>(secrets::get(&mut conn, place).await?)
        };
        let Some(sealed) = self.store.bounded(work).await? else { return Ok(None) };
        StreamKey::new(self.open(place, &sealed)?).map(Some).map_err(|_| Error::Content)
    }

    async fn write(&self, conn: &mut PgConnection, place: Place, value: &[u8]) -> Result<(), Error> {
        let active = keys::active_for_share(conn).await?.ok_or(Error::NoKey)?;
        let bytes = self.keyring.seal(active, &place, value)?.ok_or(Error::KeyNotHeld(active))?;
        let ours = secrets::put(conn, &Sealed { place, bytes }, active).await?;
        if ours { Ok(()) } else { Err(Error::NotFound) }
    }

    /// The caller boxes the text at once.
    fn open(&self, place: &Place, sealed: &[u8]) -> Result<String, Error> {
        let opened = self.keyring.open(place, sealed).inspect_err(|error| {
            metrics::counter!(names::OPEN_FAILURES).increment(1);
            tracing::error!(kind = place.table, record = %place.record, %error, "a stored secret does not open");
        })?;
        std::str::from_utf8(&opened).map(str::to_owned).map_err(|_| Error::Content)
    }
}
