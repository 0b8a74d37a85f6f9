//! A destination is deleted. Its key is needed until its broadcast has ended; then row, picture and key go together.

use std::sync::Arc;

use domain::ids::{DestinationId, TenantId};
use tracing::Instrument;

use super::{Broadcasts, Core, Error, Phase, book::ours, row::Row, rows};
use crate::platforms::Failure;

/// Deleted destinations' broadcasts ended per round.
const BATCH: i64 = 8;

impl Broadcasts {
    /// Removes everything that is kept for a destination; with the end of its broadcast, if it has one. The orchestrator
    /// may end it, otherwise we do. Idempotent.
    ///
    /// # Errors
    /// The database.
    pub async fn forget(&self, tenant: &TenantId, destination: DestinationId) -> Result<(), Error> {
        let (store, now_ms) = (&self.0.parts.store, self.0.now_ms());
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::mark_forgotten(&mut conn, tenant, destination, now_ms).await
        };
        match store.bounded(work).await? {
            None => self.0.erase_all(tenant, destination).await,
            Some(Phase::Preparing | Phase::Ready) => Ok(()),
            // Nobody publishes with it any more.
            Some(Phase::Finishing | Phase::Finished) => {
                self.0.parts.vault.delete(tenant, Some(destination), None).await?;
                Ok(())
            }
        }
    }
}

impl Core {
    /// Ends broadcasts of deleted destinations that nobody else ends.
    pub(super) async fn end_forgotten(self: &Arc<Self>) -> Result<(), Error> {
        let (store, now_ms) = (&self.parts.store, self.now_ms());
        let before_ms = now_ms - i64::try_from(self.parts.options.forgotten.as_millis()).unwrap_or(i64::MAX);
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::claim_forgotten(&mut conn, before_ms, now_ms, BATCH).await
        };
        for row in store.bounded(work).await? {
            let span = tracing::info_span!("broadcasts.forget", destination = %row.destination_id);
            let (core, tenant) = (Arc::clone(self), TenantId(row.tenant_id.clone()));
            let work = async move { core.finish(&tenant, row.reference()).await }.instrument(span);
            // Busy or failed: its turn comes again.
            let _ = self.apart(&self.calls, work).await;
        }
        Ok(())
    }

    pub(super) async fn erase(&self, row: &Row) -> Result<(), Failure> {
        let tenant = TenantId(row.tenant_id.clone());
        self.erase_all(&tenant, row.reference().destination).await.map_err(|error| ours(&error))
    }

    /// The key first: as long as the row is there, it is tried again.
    async fn erase_all(&self, tenant: &TenantId, destination: DestinationId) -> Result<(), Error> {
        self.parts.vault.delete(tenant, Some(destination), None).await?;
        let store = &self.parts.store;
        let work = async {
            let mut tx = store.begin().await?;
            rows::remove(&mut tx, tenant, destination).await?;
            tx.commit().await.map_err(Into::into)
        };
        Ok(store.bounded::<_, crate::store::Error>(work).await?)
    }
}
