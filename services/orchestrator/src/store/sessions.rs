//! Sessions: one row per session id, in its present epoch.

use domain::{
    fault::Fault,
    ids::{DestinationId, Epoch, Generation, SessionId, StreamId, WorkerId},
    lifecycle::Phase,
    plan::{Aim, Run},
};
use sqlx::{PgConnection, types::Json};

use crate::rows::{SessionRow, signed};

/// One session.
///
/// # Errors
/// Postgres is away.
pub async fn get(conn: &mut PgConnection, id: SessionId) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM sessions WHERE id = $1").bind(id.0).fetch_optional(conn).await
}

/// The stream of a session.
///
/// # Errors
/// Postgres is away.
pub async fn stream_of(conn: &mut PgConnection, id: SessionId) -> Result<Option<StreamId>, sqlx::Error> {
    let id: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT stream_id FROM sessions WHERE id = $1").bind(id.0).fetch_optional(conn).await?;
    Ok(id.map(StreamId))
}

/// The planned sessions of a stream (no tests).
///
/// # Errors
/// Postgres is away.
pub async fn of_stream(conn: &mut PgConnection, stream: StreamId) -> Result<Vec<SessionRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM sessions WHERE stream_id = $1 AND kind <> 'test'")
        .bind(stream.0)
        .fetch_all(conn)
        .await
}

/// Where a placement belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its stream.
    pub stream: StreamId,
    /// Its destination, unless it is a pull.
    pub destination: Option<DestinationId>,
    /// The wish it serves, which names the run: counters and "was connected" count within it.
    pub generation: Generation,
    /// The trace that asked for it.
    pub traceparent: Option<&'a str>,
}

/// Places a session under its new epoch. Counters of the same run are carried over; `unclaimed_since` stays while
/// placements follow each other unclaimed. Returns whether the epoch it replaces was still the present one.
///
/// # Errors
/// Postgres is away.
pub async fn place(conn: &mut PgConnection, run: &Run, place: Place<'_>, now_ms: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO sessions AS s (id, stream_id, destination_id, kind, epoch, generation, phase, placed_at_ms,
            unclaimed_since_ms, traceparent, updated_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, 'placed', $7, $7, $8, $7)
         ON CONFLICT (id) DO UPDATE SET epoch = $5, generation = $6, phase = 'placed', worker_id = NULL,
            placed_at_ms = $7, claimed_at_ms = NULL, lease_expired = false, sequence = 0, fault = NULL,
            retry_at_ms = NULL, flowing = false, reconnects = 0, traceparent = $8, updated_at_ms = $7,
            stop_first_ms = NULL, stop_last_ms = NULL, refresh_first_ms = NULL, refresh_last_ms = NULL,
            placements = CASE WHEN s.generation <> $6 THEN 1 ELSE s.placements + 1 END,
            unclaimed_since_ms = CASE WHEN s.phase = 'placed' AND s.generation = $6 THEN s.unclaimed_since_ms ELSE $7 END,
            ever_connected = s.ever_connected AND s.generation = $6,
            prior_reconnects = CASE WHEN s.generation <> $6 THEN 0 ELSE GREATEST(s.prior_reconnects, s.reconnects) END
         WHERE s.epoch = $9",
    )
    .bind(run.session.0)
    .bind(place.stream.0)
    .bind(place.destination.map(|id| id.0))
    .bind(run.job.kind().as_str())
    .bind(signed(run.epoch.0))
    .bind(signed(place.generation.0))
    .bind(now_ms)
    .bind(place.traceparent)
    .bind(run.replaces.map_or(-1, |e| signed(e.0)))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that nobody runs it and nobody shall.
///
/// # Errors
/// Postgres is away.
pub async fn forget(conn: &mut PgConnection, aim: &Aim, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sessions SET phase = 'ended', flowing = false, fault = NULL, retry_at_ms = NULL, updated_at_ms = $3
         WHERE id = $1 AND epoch = $2",
    )
    .bind(aim.session.0)
    .bind(signed(aim.epoch.0))
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that its owner is being told to stop.
///
/// # Errors
/// Postgres is away.
pub async fn stop_asked(conn: &mut PgConnection, aim: &Aim, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sessions SET stop_first_ms = COALESCE(stop_first_ms, $3), stop_last_ms = $3
         WHERE id = $1 AND epoch = $2",
    )
    .bind(aim.session.0)
    .bind(signed(aim.epoch.0))
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that its owner is being told to take the new specification.
///
/// # Errors
/// Postgres is away.
pub async fn refresh_asked(conn: &mut PgConnection, aim: &Aim, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sessions SET refresh_first_ms = COALESCE(refresh_first_ms, $3), refresh_last_ms = $3
         WHERE id = $1 AND epoch = $2",
    )
    .bind(aim.session.0)
    .bind(signed(aim.epoch.0))
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes the worker the owner: a compare-and-set on (session, epoch). The owner itself may do it again, to take a new
/// specification.
///
/// # Errors
/// Postgres is away.
pub async fn claim(
    conn: &mut PgConnection,
    id: SessionId,
    epoch: Epoch,
    worker: &WorkerId,
    spec_version: i64,
    now_ms: i64,
) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE sessions SET worker_id = $3, spec_version = $4, claimed_at_ms = COALESCE(claimed_at_ms, $5),
            phase = CASE WHEN phase = 'placed' THEN 'claimed' ELSE phase END, updated_at_ms = $5,
            refresh_first_ms = NULL, refresh_last_ms = NULL
         WHERE id = $1 AND epoch = $2 AND NOT lease_expired
           AND (phase = 'placed' OR (worker_id = $3 AND phase NOT IN ('failed', 'ended', 'released')))
         RETURNING *",
    )
    .bind(id.0)
    .bind(signed(epoch.0))
    .bind(worker.as_str())
    .bind(spec_version)
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

/// What a worker said.
#[derive(Debug)]
pub struct Told<'a> {
    /// Of which session.
    pub id: SessionId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Grows within the epoch.
    pub sequence: i64,
    /// How far it has come.
    pub phase: Phase,
    /// What is wrong.
    pub fault: Option<&'a Fault>,
    /// When it tries next.
    pub retry_at_ms: Option<i64>,
    /// `copy`, `encode`, or empty.
    pub mode: &'a str,
    /// In this run: a worker counts on from what earlier epochs had.
    pub reconnects: i32,
}

/// Takes a report in, if it is newer than what is known. A connection that flowed flows on while it stays connected.
///
/// # Errors
/// Postgres is away.
pub async fn report(conn: &mut PgConnection, told: Told<'_>, now_ms: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE sessions SET sequence = $3, flowing = flowing AND phase = 'connected' AND $4 = 'connected', phase = $4,
            fault = $5, retry_at_ms = $6, mode = CASE WHEN $7 = '' THEN mode ELSE $7 END,
            reconnects = GREATEST(reconnects, $8), updated_at_ms = $9,
            ever_connected = ever_connected OR $4 = 'connected',
            placements = CASE WHEN $4 = 'connected' THEN 1 ELSE placements END
         WHERE id = $1 AND epoch = $2 AND sequence < $3",
    )
    .bind(told.id.0)
    .bind(signed(told.epoch.0))
    .bind(told.sequence)
    .bind(told.phase.as_str())
    .bind(told.fault.map(Json))
    .bind(told.retry_at_ms)
    .bind(told.mode)
    .bind(told.reconnects)
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether media of this epoch is known to flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Newly noted: the destination's state may change.
    Noted,
    /// Known before.
    Known,
    /// The session is not (yet) connected in this epoch.
    NotConnected,
}

/// Notes that acknowledged bytes keep growing. `sure` also heals a lost report: bytes were acknowledged, so it is connected,
/// whatever the last report said.
///
/// # Errors
/// Postgres is away.
pub async fn flows(
    conn: &mut PgConnection,
    id: SessionId,
    epoch: Epoch,
    sure: bool,
    now_ms: i64,
) -> Result<Flow, sqlx::Error> {
    let noted = sqlx::query(
        "UPDATE sessions SET flowing = true, phase = 'connected', ever_connected = true, fault = NULL,
            retry_at_ms = NULL, updated_at_ms = $4
         WHERE id = $1 AND epoch = $2 AND NOT flowing
           AND (phase = 'connected'
                OR ($3 AND phase IN ('claimed', 'waiting_source', 'connecting', 'reconnecting') AND updated_at_ms < $4 - 5000))",
    )
    .bind(id.0)
    .bind(signed(epoch.0))
    .bind(sure)
    .bind(now_ms)
    .execute(&mut *conn)
    .await?;
    if noted.rows_affected() == 1 {
        return Ok(Flow::Noted);
    }
    let known: Option<bool> = sqlx::query_scalar("SELECT flowing FROM sessions WHERE id = $1 AND epoch = $2")
        .bind(id.0)
        .bind(signed(epoch.0))
        .fetch_optional(conn)
        .await?;
    Ok(if known == Some(true) { Flow::Known } else { Flow::NotConnected })
}

/// Notes that leases ran out; an epoch that is not the present one is left alone. Returns the streams concerned.
///
/// # Errors
/// Postgres is away.
pub async fn lease_expired(
    conn: &mut PgConnection,
    expired: &[(SessionId, Epoch)],
) -> Result<Vec<StreamId>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> = expired.iter().map(|(id, _)| id.0).collect();
    let epochs: Vec<i64> = expired.iter().map(|(_, epoch)| signed(epoch.0)).collect();
    let streams: Vec<uuid::Uuid> = sqlx::query_scalar(
        "UPDATE sessions s SET lease_expired = true, flowing = false
         FROM unnest($1::uuid[], $2::bigint[]) AS x (id, epoch)
         WHERE s.id = x.id AND s.epoch = x.epoch AND NOT s.lease_expired AND s.kind <> 'test'
           AND s.phase NOT IN ('placed', 'failed', 'ended', 'released')
         RETURNING s.stream_id",
    )
    .bind(ids)
    .bind(epochs)
    .fetch_all(conn)
    .await?;
    Ok(streams.into_iter().map(StreamId).collect())
}

/// Sessions that an owner should hold a lease for: claimed before the given time.
///
/// # Errors
/// Postgres is away.
pub async fn owned(conn: &mut PgConnection, claimed_before_ms: i64) -> Result<Vec<(SessionId, Epoch)>, sqlx::Error> {
    let rows: Vec<(uuid::Uuid, i64)> = sqlx::query_as(
        "SELECT id, epoch FROM sessions WHERE phase NOT IN ('placed', 'failed', 'ended', 'released')
           AND kind <> 'test' AND NOT lease_expired AND claimed_at_ms < $1 ORDER BY id LIMIT 10000",
    )
    .bind(claimed_before_ms)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(id, epoch)| (SessionId(id), Epoch(crate::rows::unsigned(epoch)))).collect())
}

/// Whether a worker owns the session now.
///
/// # Errors
/// Postgres is away.
pub async fn owner(
    conn: &mut PgConnection,
    id: SessionId,
    epoch: Epoch,
    worker: &WorkerId,
) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM sessions WHERE id = $1 AND epoch = $2 AND worker_id = $3 AND NOT lease_expired
           AND phase NOT IN ('placed', 'failed', 'ended', 'released')",
    )
    .bind(id.0)
    .bind(signed(epoch.0))
    .bind(worker.as_str())
    .fetch_optional(conn)
    .await
}

/// A new address or key: that an earlier one connected proves nothing any more.
///
/// # Errors
/// Postgres is away.
pub async fn unprove(conn: &mut PgConnection, destination: DestinationId) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE sessions SET ever_connected = false WHERE id = $1").bind(destination.0).execute(conn).await?;
    Ok(())
}

/// Removes one session's row.
///
/// # Errors
/// Postgres is away.
pub async fn remove(conn: &mut PgConnection, id: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id.0).execute(conn).await?;
    Ok(())
}

/// How many sessions are in each phase.
///
/// # Errors
/// Postgres is away.
pub async fn by_phase(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT phase, count(*) FROM sessions WHERE kind <> 'test' GROUP BY phase").fetch_all(conn).await
}
