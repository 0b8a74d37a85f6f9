//! Tells what is known of broadcasts, at once and from the rows alone; the looks go on behind it.

use domain::ids::{DestinationId, TenantId};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Broadcasts, Error, Known, Phase, Reference, row::Row};
use crate::store;

/// How old the note that somebody asks may get before it is written anew: each write costs, and it need not be exact.
const NOTE_EVERY_MS: i64 = 30_000;

/// Somebody asks how a broadcast is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub reference: Reference,
    /// Our media is acknowledged since then, ms since 1970; 0 while it is not.
    pub publishing_ms: i64,
}

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of which.
    pub reference: Reference,
    /// What.
    pub known: Known,
    /// Where people watch; empty while unknown.
    pub playback_url: String,
}

#[derive(sqlx::FromRow)]
struct Glance {
    destination_id: Uuid,
    run_ms: i64,
    take: i32,
    #[sqlx(try_from = "String")]
    phase: Phase,
    playback_url: String,
    truth: Value,
    publishing_ms: i64,
    observed_ms: i64,
    /// As the caller says now.
    now_publishing_ms: i64,
}

/// Rows that need a note.
#[derive(Default)]
struct Notes {
    ids: Vec<Uuid>,
    publishing: Vec<i64>,
    is_edge: Vec<bool>,
}

impl Broadcasts {
    /// Of those that have been prepared; the others, and other tenants', are left out.
    ///
    /// # Errors
    /// The database.
    pub async fn observe(&self, asked: &[Observed]) -> Result<Vec<Seen>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let (store, now_ms) = (&self.0.parts.store, self.0.now_ms());
        let work = async {
            let mut conn = store.pool().acquire().await?;
            let glances = glance(&mut conn, asked).await?;
            let notes = notes(&glances, now_ms);
            if !notes.ids.is_empty() {
                note(&mut conn, &notes, now_ms).await?;
            }
            Ok::<_, store::Error>((glances, notes.is_edge.contains(&true)))
        };
        let (glances, any_edge) = store.bounded(work).await?;
        if any_edge {
            self.0.wake.notify_one();
        }
        Ok(glances.into_iter().filter_map(seen).collect())
    }
}

async fn glance(conn: &mut PgConnection, asked: &[Observed]) -> Result<Vec<Glance>, store::Error> {
    let sql = "SELECT b.destination_id, b.run_ms, b.take, b.phase, b.playback_url, b.truth, b.publishing_ms, \
               b.observed_ms, o.publishing_ms AS now_publishing_ms \
               FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::int[], $5::bigint[]) \
                   AS o (destination_id, tenant_id, run_ms, take, publishing_ms) \
               JOIN credentials.broadcasts b ON b.destination_id = o.destination_id AND b.tenant_id = o.tenant_id \
                   AND b.run_ms = o.run_ms AND b.take = o.take";
    let ids: Vec<Uuid> = asked.iter().map(|one| one.reference.destination.0).collect();
    let tenants: Vec<&str> = asked.iter().map(|one| one.tenant.as_str()).collect();
    let runs: Vec<i64> = asked.iter().map(|one| one.reference.run_ms).collect();
    let takes: Vec<i32> = asked.iter().map(|one| one.reference.stored_take()).collect();
    let publishing: Vec<i64> = asked.iter().map(|one| one.publishing_ms.max(0)).collect();
    let query = sqlx::query_as(sql).bind(ids).bind(tenants).bind(runs).bind(takes).bind(publishing);
    Ok(query.fetch_all(conn).await?)
}

/// What has to be written down: our media has begun, stopped or begun anew, or nobody has asked for a while.
fn notes(glances: &[Glance], now_ms: i64) -> Notes {
    let mut notes = Notes::default();
    for one in glances.iter().filter(|one| one.phase == Phase::Ready) {
        let is_edge = (one.publishing_ms == 0) != (one.now_publishing_ms == 0);
        let is_old = now_ms - one.observed_ms > NOTE_EVERY_MS;
        if is_old || one.publishing_ms != one.now_publishing_ms {
            notes.ids.push(one.destination_id);
            notes.publishing.push(one.now_publishing_ms);
            notes.is_edge.push(is_edge);
        }
    }
    notes
}

/// A row in somebody's hands is skipped: its note comes with the next question.
async fn note(conn: &mut PgConnection, notes: &Notes, now_ms: i64) -> Result<(), store::Error> {
    let sql = "WITH free AS (SELECT b.destination_id, o.publishing_ms, o.is_edge \
                   FROM unnest($1::uuid[], $2::bigint[], $3::boolean[]) AS o (destination_id, publishing_ms, is_edge) \
                   JOIN credentials.broadcasts b USING (destination_id) WHERE b.phase = 'ready' \
                   FOR UPDATE OF b SKIP LOCKED) \
               UPDATE credentials.broadcasts b SET publishing_ms = free.publishing_ms, observed_ms = $4, \
               next_look_ms = CASE WHEN free.is_edge THEN $4 ELSE b.next_look_ms END \
               FROM free WHERE b.destination_id = free.destination_id";
    let query = sqlx::query(sql).bind(&notes.ids).bind(&notes.publishing).bind(&notes.is_edge).bind(now_ms);
    query.execute(conn).await?;
    Ok(())
}

fn seen(glance: Glance) -> Option<Seen> {
    let known: Known = serde_json::from_value(glance.truth).unwrap_or_default();
    let known = match glance.phase {
        Phase::Preparing => return None,
        Phase::Ready => known,
        Phase::Finishing | Phase::Finished => Known::ended(known.seen_ms),
    };
    let take = u32::try_from(glance.take).unwrap_or_default();
    let reference = Reference { destination: DestinationId(glance.destination_id), run_ms: glance.run_ms, take };
    Some(Seen { reference, known, playback_url: glance.playback_url })
}

/// What the row of a look says about it, for callers that have the row.
pub(super) fn is_publishing(row: &Row) -> bool {
    row.publishing_ms != 0
}
