//! One look at the due broadcasts of one account.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::platform::Platform;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    Core, Known,
    book::RowBook,
    call::{self, bounded},
    known::Folded,
    observe::is_publishing,
    row::Row,
    rows,
};
use crate::{
    http::Trouble,
    names,
    platforms::{Failure, Run, Truth},
    store,
};

/// When a broadcast that is in somebody else's hands is looked for again.
const IN_USE: Duration = Duration::from_millis(250);

/// A broadcast that is looked at.
struct Watched {
    row: Row,
    run: Run,
    book: Arc<RowBook>,
}

/// What is written back.
struct Written {
    id: Uuid,
    version: i64,
    was_publishing: bool,
    playback_url: String,
    folded: Folded,
}

impl Core {
    /// `claimed`: of one platform and account.
    pub(super) async fn look(&self, platform: Platform, claimed: Vec<Row>) -> Result<(), store::Error> {
        let ids: Vec<Uuid> = claimed.iter().map(|row| row.destination_id).collect();
        let (held, free) = self.locks.free_ones(&ids).await?;
        let looked = self.look_locked(platform, &free).await;
        held.release().await;
        let in_use: Vec<Uuid> = ids.into_iter().filter(|id| !free.contains(id)).collect();
        if !in_use.is_empty() {
            let (store, soon_ms) = (&self.parts.store, later(self.now_ms(), IN_USE));
            let work = async {
                let mut conn = store.pool().acquire().await?;
                look_again(&mut conn, &in_use, soon_ms).await
            };
            store.bounded(work).await?;
        }
        looked
    }

    /// Alone on these destinations.
    async fn look_locked(&self, platform: Platform, free: &HashSet<Uuid>) -> Result<(), store::Error> {
        let ids: Vec<Uuid> = free.iter().copied().collect();
        let store = &self.parts.store;
        let rows = store
            .bounded(async {
                let mut conn = store.pool().acquire().await?;
                rows::ready(&mut conn, &ids).await
            })
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let written = match self.watch(&rows).await {
            Ok(watched) => self.look_at(platform, watched).await,
            Err(failure) => rows.into_iter().map(|row| self.unseen(row, failure.clone())).collect(),
        };
        count(platform, &written);
        let now_ms = self.now_ms();
        store
            .bounded(async {
                let mut conn = store.pool().acquire().await?;
                write_back(&mut conn, &written, now_ms).await
            })
            .await
    }

    async fn watch(&self, rows: &[Row]) -> Result<Vec<Watched>, Failure> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let account = self.account_of(first).await?;
        let watch = |row: &Row| {
            let call::Prepared { run, book } = self.run_of(row, account.clone())?;
            Ok(Watched { row: row.clone(), run, book })
        };
        rows.iter().map(watch).collect()
    }

    async fn look_at(&self, platform: Platform, watched: Vec<Watched>) -> Vec<Written> {
        let runs: Vec<Run> = watched.iter().map(|one| one.run.clone()).collect();
        let now_ms = self.now_ms();
        let asked = async { Ok(self.lifecycle(platform)?.look(&runs, now_ms).await) };
        let answers = bounded(self.parts.options.look, platform, asked).await;
        let mut answers: Vec<Result<Truth, Failure>> = match answers {
            Ok(answers) => answers,
            Err(failure) => vec![Err(failure); watched.len()],
        };
        // An answer for each, whatever the platform's code has answered.
        answers.resize_with(watched.len(), || Err(Failure::trouble(platform, Trouble::Nonsense)));
        watched.into_iter().zip(answers).map(|(one, answer)| self.seen(one, answer)).collect()
    }

    fn seen(&self, one: Watched, answer: Result<Truth, Failure>) -> Written {
        if let Err(failure) = &answer {
            tracing::debug!(
                destination = %one.row.destination_id,
                code = failure.code(),
                message = failure.fault.message,
                "no truth"
            );
        }
        let version = one.book.version();
        self.fold(&one.row, version, answer)
    }

    fn unseen(&self, row: Row, failure: Failure) -> Written {
        self.fold(&row, row.version, Err(failure))
    }

    fn fold(&self, row: &Row, version: i64, answer: Result<Truth, Failure>) -> Written {
        let was_publishing = is_publishing(row);
        let known: Known = row.known();
        let before = known.truth.state;
        let folded = known.fold(row.failures, answer, was_publishing, self.now_ms());
        let truth = &folded.known.truth;
        if truth.state != before {
            let (from, to) = (before, truth.state);
            tracing::info!(destination = %row.destination_id, platform = row.platform, ?from, ?to, "platform truth");
        }
        let playback_url = truth.playback_url.clone().unwrap_or_default();
        Written { id: row.destination_id, version, was_publishing, playback_url, folded }
    }
}

fn count(platform: Platform, written: &[Written]) {
    let failed = written.iter().filter(|one| one.folded.failures > 0).count() as u64;
    for (outcome, count) in [("ok", written.len() as u64 - failed), ("failed", failed)] {
        metrics::counter!(names::PLATFORM_LOOKS, "platform" => platform.as_str(), "outcome" => outcome)
            .increment(count);
    }
}

/// Ms of the moment `pause` after `now_ms`.
pub(super) fn later(now_ms: i64, pause: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

/// Only where nobody else has written since. Where our media has begun or stopped meanwhile, the next look is due now.
async fn write_back(conn: &mut PgConnection, written: &[Written], now_ms: i64) -> Result<(), store::Error> {
    let sql = "UPDATE credentials.broadcasts b SET truth = o.truth, failures = o.failures, \
               playback_url = CASE WHEN o.playback_url = '' THEN b.playback_url ELSE o.playback_url END, \
               next_look_ms = CASE WHEN (b.publishing_ms <> 0) = o.was_publishing THEN o.next_ms ELSE $8 END, \
               looks = b.looks + 1, updated_ms = $8 \
               FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::int[], $5::text[], $6::boolean[], $7::bigint[]) \
                   AS o (destination_id, version, truth, failures, playback_url, was_publishing, next_ms) \
               WHERE b.destination_id = o.destination_id AND b.version = o.version AND b.phase = 'ready'";
    let column = |of: fn(&Written) -> i64| written.iter().map(of).collect::<Vec<i64>>();
    let next: Vec<i64> = written.iter().map(|one| later(now_ms, one.folded.pause)).collect();
    let query = sqlx::query(sql)
        .bind(written.iter().map(|one| one.id).collect::<Vec<_>>())
        .bind(column(|one| one.version))
        .bind(written.iter().map(|one| Json(one.folded.known.clone())).collect::<Vec<_>>())
        .bind(written.iter().map(|one| one.folded.failures).collect::<Vec<_>>())
        .bind(written.iter().map(|one| one.playback_url.clone()).collect::<Vec<_>>())
        .bind(written.iter().map(|one| one.was_publishing).collect::<Vec<_>>())
        .bind(next)
        .bind(now_ms);
    query.execute(conn).await?;
    Ok(())
}

async fn look_again(conn: &mut PgConnection, ids: &[Uuid], at_ms: i64) -> Result<(), store::Error> {
    let sql = "UPDATE credentials.broadcasts SET next_look_ms = least(next_look_ms, $2) \
               WHERE destination_id = ANY ($1) AND phase = 'ready'";
    sqlx::query(sql).bind(ids).bind(at_ms).execute(conn).await?;
    Ok(())
}
