//! Makes a platform ready for a destination in a run, once.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;

use super::{
    Account, Ask, Broadcasts, Core, Error, Known, Prepared,
    book::{RowBook, is_superseded, ours, superseded},
    call::{self, bounded, count},
    decide::{ToPrepare, must_end_first, to_prepare},
    row::Row,
    rows,
};
use crate::{
    names,
    platforms::{Failure, Ready},
};

const CALL: &str = "prepare";

impl Broadcasts {
    /// Idempotent by reference: what is prepared is answered again from the row; what was cut short goes on.
    ///
    /// # Errors
    /// [`Error`]: another tenant's destination, or the database.
    pub async fn prepare(&self, ask: Ask) -> Result<Prepared, Error> {
        let row = self.0.any_row(ask.reference.destination).await?;
        if row.as_ref().is_some_and(|row| row.tenant_id != ask.tenant.as_str()) {
            return Err(Error::NotFound);
        }
        match to_prepare(row.as_ref(), &ask) {
            ToPrepare::Answer => return Ok(row.map_or(Prepared::Busy, |row| answer(&row))),
            ToPrepare::Superseded => return Ok(Prepared::Failed(superseded())),
            ToPrepare::Make => {}
        }
        let span = tracing::info_span!(
            "broadcasts.prepare",
            destination = %ask.reference.destination,
            platform = %ask.platform,
            run_ms = ask.reference.run_ms,
            take = ask.reference.take,
        );
        let core = Arc::clone(&self.0);
        let work = async move { core.prepare(ask).await }.instrument(span);
        self.0.apart(&self.0.calls, work).await.unwrap_or(Ok(Prepared::Busy))
    }
}

impl Core {
    async fn prepare(&self, ask: Ask) -> Result<Prepared, Error> {
        let Some(held) = self.locks.one(ask.reference.destination).await? else { return Ok(Prepared::Busy) };
        let begun = Instant::now();
        let work = Box::pin(self.prepare_locked(&ask));
        let outcome = bounded(self.parts.options.call, ask.platform, work).await;
        held.release().await;
        let seconds = begun.elapsed().as_secs_f64();
        metrics::histogram!(names::PREPARE_SECONDS, "platform" => ask.platform.as_str()).record(seconds);
        count(ask.platform, CALL, outcome.as_ref().err());
        match outcome {
            Ok(prepared) => {
                tracing::info!(seconds, "broadcast prepared");
                Ok(prepared)
            }
            // Whoever has overtaken us works on it now.
            Err(failure) if is_superseded(&failure) => Ok(Prepared::Busy),
            Err(failure) => {
                tracing::warn!(seconds, code = failure.code(), message = failure.fault.message, "not prepared");
                Ok(Prepared::Failed(failure))
            }
        }
    }

    /// Alone on this destination.
    async fn prepare_locked(&self, ask: &Ask) -> Result<Prepared, Failure> {
        let lifecycle = self.lifecycle(ask.platform)?;
        let row = self.row(&ask.tenant, ask.reference.destination).await.map_err(|error| ours(&error))?;
        match to_prepare(row.as_ref(), ask) {
            ToPrepare::Answer => return row.as_ref().map(answer).ok_or_else(superseded),
            ToPrepare::Superseded => return Err(superseded()),
            ToPrepare::Make => {}
        }
        let last = row.as_ref().filter(|row| row.platform == ask.platform.as_str()).and_then(|row| row.account_id);
        let account = self.account_for(&ask.tenant, ask.platform, ask.account, last).await?;
        if let Some(row) = row.filter(|row| must_end_first(Some(row), ask, account.id())) {
            self.end_first(row).await?;
        }
        let row = self.begin(ask, &account).await?;
        let call::Prepared { run, book } = self.run_of(&row, account)?;
        let ready = lifecycle.prepare(&run).await?;
        self.keep_ready(&row, &book, &ready).await?;
        self.wake.notify_one();
        Ok(Prepared::Ready { account: row.account_id, playback_url: ready.playback_url, notes: ready.notes })
    }

    /// What can't be ended for good must not keep the new one from beginning.
    async fn end_first(&self, row: Row) -> Result<(), Failure> {
        match self.end_locked(row).await {
            Err(failure) if !failure.is_transient() => {
                tracing::warn!(code = failure.code(), "an earlier broadcast of the destination could not be ended");
                Ok(())
            }
            ended => ended,
        }
    }

    async fn begin(&self, ask: &Ask, account: &Account) -> Result<Row, Failure> {
        let store = &self.parts.store;
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::begin(&mut conn, ask, account.id(), self.now_ms()).await
        };
        store.bounded(work).await.map_err(|error| ours(&error))?.ok_or_else(superseded)
    }

    async fn keep_ready(&self, row: &Row, book: &RowBook, ready: &Ready) -> Result<(), Failure> {
        let (store, now_ms) = (&self.parts.store, self.now_ms());
        let (id, known) = (row.reference().destination, Known::prepared(now_ms));
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::set_ready(&mut conn, id, book.version(), ready, &known, now_ms).await
        };
        let kept = store.bounded(work).await.map_err(|error| ours(&error))?;
        if kept { Ok(()) } else { Err(superseded()) }
    }
}

fn answer(row: &Row) -> Prepared {
    Prepared::Ready { account: row.account_id, playback_url: row.playback_url.clone(), notes: row.notes.0.clone() }
}
