//! What a platform's code remembers of one destination: in the row, the key in the vault.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use domain::{
    fault::{Blame, Fault, Retry},
    ids::{DestinationId, TenantId},
    platform::Platform,
};
use secret::StreamKey;
use serde_json::{Value, json};

use super::{Parts, row::Row, rows, thumbnails};
use crate::{
    platforms::{Book, Failure, Thumbnail},
    store::{self, Store},
    vault::Vault,
};

/// The code of a call that somebody else has overtaken.
const SUPERSEDED: &str = "superseded";

/// The version of a book without a row.
const NO_ROW: i64 = 0;

/// Writes name the version they build on; it grows with each.
pub(super) struct RowBook {
    store: Store,
    vault: Vault,
    clock: std::sync::Arc<dyn service_kit::Clock>,
    tenant: TenantId,
    destination: DestinationId,
    platform: Platform,
    version: AtomicI64,
    progress: Mutex<Value>,
}

impl RowBook {
    /// The book of a row.
    pub(super) fn of(parts: &Parts, row: &Row, platform: Platform) -> Self {
        let book = Self::empty(parts, TenantId(row.tenant_id.clone()), row.destination_id.into(), platform);
        book.version.store(row.version, Ordering::Relaxed);
        book.remember(row.progress.clone());
        book
    }

    /// The book of a destination that has none yet; nothing can be saved in it.
    pub(super) fn empty(parts: &Parts, tenant: TenantId, destination: DestinationId, platform: Platform) -> Self {
        let (store, vault, clock) = (parts.store.clone(), parts.vault.clone(), parts.clock.clone());
        let (version, progress) = (AtomicI64::new(NO_ROW), Mutex::new(json!({})));
        Self { store, vault, clock, tenant, destination, platform, version, progress }
    }

    /// The version of the last write.
    pub(super) fn version(&self) -> i64 {
        self.version.load(Ordering::Acquire)
    }

    fn remember(&self, progress: Value) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> Result<T, store::Error>,
    ) -> Result<T, Failure> {
        let all = async {
            let mut conn = self.store.pool().acquire().await?;
            work(&mut conn).await
        };
        self.store.bounded(all).await.map_err(|error| ours(&error))
    }
}

#[tonic::async_trait]
impl Book for RowBook {
    fn progress(&self) -> Value {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn save(&self, progress: &Value) -> Result<(), Failure> {
        let (id, version, now_ms) = (self.destination, self.version(), self.clock.now_ms());
        let saved = self.with(async |conn| rows::save(conn, id, version, progress, now_ms).await).await?;
        self.version.store(saved.ok_or_else(superseded)?, Ordering::Release);
        self.remember(progress.clone());
        Ok(())
    }

    async fn key(&self) -> Result<Option<StreamKey>, Failure> {
        let key = self.vault.stream_key(self.tenant.clone(), self.destination).await;
        key.map_err(|error| ours(&error))
    }

    async fn keep_key(&self, key: &StreamKey) -> Result<(), Failure> {
        let (id, version) = (self.destination, self.version());
        if !self.with(async |conn| rows::is_current(conn, id, version).await).await? {
            return Err(superseded());
        }
        let kept = self.vault.put_stream_key(self.tenant.clone(), id, key).await;
        kept.map_err(|error| ours(&error))
    }

    async fn thumbnail(&self) -> Result<Option<Thumbnail>, Failure> {
        self.with(async |conn| thumbnails::find(conn, &self.tenant, self.destination).await).await
    }

    async fn taken(&self, field: &'static str) -> Result<HashSet<String>, Failure> {
        let taken = self.with(async |conn| rows::taken(conn, self.destination, self.platform, field).await).await?;
        Ok(taken.into_iter().collect())
    }
}

/// Somebody else works on this destination now.
pub(super) fn superseded() -> Failure {
    let message = "A newer start or stop has replaced this one.";
    Failure::of(Fault::new(Blame::Us, Retry::Transient, "superseded", message))
}

pub(super) fn is_superseded(failure: &Failure) -> bool {
    failure.code() == SUPERSEDED
}

pub(super) fn ours(error: &dyn std::error::Error) -> Failure {
    tracing::warn!(error = crate::api::chain(error), "our own side failed a broadcast");
    Failure::ours()
}
