//! Ends what was prepared.

use std::sync::Arc;

use domain::{ids::TenantId, platform_settings::OnStop};
use tracing::Instrument;

use super::{
    Broadcasts, Core, Error, Finished, Known, Reference,
    book::{RowBook, is_superseded, ours, superseded},
    call::{self, bounded, count},
    decide::{ToFinish, to_finish},
    row::Row,
    rows,
};
use crate::platforms::Failure;

const CALL: &str = "finish";

impl Broadcasts {
    /// Idempotent. What is unknown, another tenant's or of a later run is done: there is nothing to end for this caller.
    ///
    /// # Errors
    /// The database.
    pub async fn finish(&self, tenant: &TenantId, reference: Reference) -> Result<Finished, Error> {
        let row = self.0.row(tenant, reference.destination).await?;
        if to_finish(row.as_ref(), reference) == ToFinish::Done {
            return Ok(Finished::Done);
        }
        let span = tracing::info_span!(
            "broadcasts.finish",
            destination = %reference.destination,
            run_ms = reference.run_ms,
            take = reference.take,
        );
        let (core, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { core.finish(&tenant, reference).await }.instrument(span);
        self.0.apart(&self.0.calls, work).await.unwrap_or(Ok(Finished::Busy))
    }
}

impl Core {
    pub(super) async fn finish(&self, tenant: &TenantId, reference: Reference) -> Result<Finished, Error> {
        let Some(held) = self.locks.one(reference.destination).await? else { return Ok(Finished::Busy) };
        let outcome = self.finish_locked(tenant, reference).await;
        held.release().await;
        match outcome {
            Ok(()) => {
                tracing::info!("broadcast finished");
                Ok(Finished::Done)
            }
            Err(failure) if is_superseded(&failure) => Ok(Finished::Busy),
            Err(failure) => {
                tracing::warn!(code = failure.code(), message = failure.fault.message, "not finished");
                Ok(Finished::Failed(failure))
            }
        }
    }

    async fn finish_locked(&self, tenant: &TenantId, reference: Reference) -> Result<(), Failure> {
        let row = self.row(tenant, reference.destination).await.map_err(|error| ours(&error))?;
        match row {
            Some(row) if to_finish(Some(&row), reference) == ToFinish::End => self.end_locked(row).await,
            _ => Ok(()),
        }
    }

    /// Alone on this destination: ends what the row stands for.
    pub(super) async fn end_locked(&self, row: Row) -> Result<(), Failure> {
        let platform = row.platform()?;
        let row = self.set_finishing(&row).await?;
        let ended = bounded(self.parts.options.call, platform, self.end_on_platform(&row)).await;
        count(platform, CALL, ended.as_ref().err());
        let version = match ended {
            Ok(version) => version,
            // The destination is deleted and nothing can be done any more: what is kept for it goes all the same.
            Err(failure) if row.forget && !failure.is_transient() => {
                tracing::warn!(code = failure.code(), "the broadcast of a deleted destination can't be ended");
                row.version
            }
            Err(failure) => return Err(failure),
        };
        if row.forget { self.erase(&row).await } else { self.set_finished(&row, version).await }
    }

    /// The version of the book afterwards.
    async fn end_on_platform(&self, row: &Row) -> Result<i64, Failure> {
        if row.progress.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(row.version);
        }
        let lifecycle = self.lifecycle(row.platform()?)?;
        // The same person may be linked again, under another id of ours.
        let tenant = TenantId(row.tenant_id.clone());
        let account = match self.account_for(&tenant, row.platform()?, None, row.account_id).await {
            Err(failure) if !failure.is_transient() && !lifecycle.leaves_something() => return Ok(row.version),
            account => account?,
        };
        let call::Prepared { mut run, book } = self.run_of(row, account)?;
        if row.forget {
            // Nobody will use it again.
            run.settings.on_stop = Some(OnStop::Delete);
        }
        lifecycle.finish(&run).await?;
        Ok(RowBook::version(&book))
    }

    async fn set_finishing(&self, row: &Row) -> Result<Row, Failure> {
        let (store, id) = (&self.parts.store, row.reference().destination);
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::set_finishing(&mut conn, id, row.version, self.now_ms()).await
        };
        store.bounded(work).await.map_err(|error| ours(&error))?.ok_or_else(superseded)
    }

    async fn set_finished(&self, row: &Row, version: i64) -> Result<(), Failure> {
        let (store, id, now_ms) = (&self.parts.store, row.reference().destination, self.now_ms());
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::set_finished(&mut conn, id, version, &Known::ended(now_ms), now_ms).await
        };
        let written = store.bounded(work).await.map_err(|error| ours(&error))?;
        if written { Ok(()) } else { Err(superseded()) }
    }
}
