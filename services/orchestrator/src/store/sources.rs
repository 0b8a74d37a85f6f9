//! The latest publish of each stream.

use domain::{
    ids::{Epoch, PublishId, StreamId},
    source::SourceInfo,
};
use sqlx::{PgConnection, types::Json};

use crate::rows::{SourceRow, signed};

/// The latest publish, if there ever was one.
///
/// # Errors
/// Postgres is away.
pub async fn get(conn: &mut PgConnection, stream: StreamId) -> Result<Option<SourceRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM sources WHERE stream_id = $1").bind(stream.0).fetch_optional(conn).await
}

/// A publish that replaces the latest one.
#[derive(Debug)]
pub struct Publish<'a> {
    /// Of which stream.
    pub stream: StreamId,
    /// Which publish.
    pub id: PublishId,
    /// At which relay.
    pub relay_id: &'a str,
    /// Where that relay serves it.
    pub relay_http: &'a str,
    /// Its epoch.
    pub epoch: Epoch,
}

/// Lets a publish in. It becomes the latest one.
///
/// # Errors
/// Postgres is away.
pub async fn admit(conn: &mut PgConnection, new: Publish<'_>, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sources (stream_id, publish_id, relay_id, relay_http, epoch, state, last_seen_ms)
         VALUES ($1, $2, $3, $4, $5, 'authorized', $6)
         ON CONFLICT (stream_id) DO UPDATE SET publish_id = $2, relay_id = $3, relay_http = $4, epoch = $5, sequence = 0,
            state = CASE WHEN sources.state = 'connected' THEN 'connected' ELSE 'authorized' END, last_seen_ms = $6",
    )
    .bind(new.stream.0)
    .bind(new.id.0)
    .bind(new.relay_id)
    .bind(new.relay_http)
    .bind(signed(new.epoch.0))
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// What a relay measured.
#[derive(Debug)]
pub struct Beat<'a> {
    /// Of which stream.
    pub stream: StreamId,
    /// Which publish.
    pub publish: PublishId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Grows within the publish.
    pub sequence: i64,
    /// Where the relay serves it; empty when it didn't say.
    pub relay_http: &'a str,
    /// What is known of the media.
    pub info: &'a SourceInfo,
}

/// A sign of life that changes nothing people see. Returns whether it was the present publish, connected, and new.
/// It is not flushed to disk at once: losing one costs nothing.
///
/// # Errors
/// Postgres is away.
pub async fn beat(conn: &mut PgConnection, beat: &Beat<'_>, now_ms: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *conn).await?;
    let done = sqlx::query(
        "UPDATE sources SET sequence = $4, last_seen_ms = $5, info = $6,
            relay_http = CASE WHEN $7 = '' THEN relay_http ELSE $7 END
         WHERE stream_id = $1 AND publish_id = $2 AND epoch = $3 AND sequence < $4
           AND state = 'connected' AND announced",
    )
    .bind(beat.stream.0)
    .bind(beat.publish.0)
    .bind(signed(beat.epoch.0))
    .bind(beat.sequence)
    .bind(now_ms)
    .bind(Json(beat.info))
    .bind(beat.relay_http)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A report that connects (again), or that may announce.
///
/// # Errors
/// Postgres is away.
pub async fn connect(
    conn: &mut PgConnection,
    beat: &Beat<'_>,
    relay_id: &str,
    announced: bool,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sources SET publish_id = $2, epoch = $3, sequence = $4, last_seen_ms = $5, info = $6, relay_id = $7,
            relay_http = CASE WHEN $8 = '' THEN relay_http ELSE $8 END, announced = $9, state = 'connected',
            gone_at_ms = NULL, connected_at_ms = CASE WHEN state = 'connected' THEN connected_at_ms ELSE $5 END
         WHERE stream_id = $1",
    )
    .bind(beat.stream.0)
    .bind(beat.publish.0)
    .bind(signed(beat.epoch.0))
    .bind(beat.sequence)
    .bind(now_ms)
    .bind(Json(beat.info))
    .bind(relay_id)
    .bind(beat.relay_http)
    .bind(announced)
    .execute(conn)
    .await?;
    Ok(())
}

/// The publish is over.
///
/// # Errors
/// Postgres is away.
pub async fn leave(conn: &mut PgConnection, stream: StreamId, sequence: i64, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sources SET state = 'gone', announced = false, gone_at_ms = $3, sequence = GREATEST(sequence, $2)
         WHERE stream_id = $1",
    )
    .bind(stream.0)
    .bind(sequence)
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Streams whose relay has not been heard since the given time.
///
/// # Errors
/// Postgres is away.
pub async fn silent(conn: &mut PgConnection, seen_before_ms: i64) -> Result<Vec<StreamId>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT stream_id FROM sources WHERE state <> 'gone' AND last_seen_ms < $1")
            .bind(seen_before_ms)
            .fetch_all(conn)
            .await?;
    Ok(ids.into_iter().map(StreamId).collect())
}

/// A quick return of a stopped stream's encoder is the same visit: it does not begin the stream again.
///
/// # Errors
/// Postgres is away.
pub async fn same_visit(conn: &mut PgConnection, stream: StreamId, old: Epoch, new: Epoch) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE streams SET auto_handled = $3 WHERE id = $1 AND wish = 'stopped' AND auto_handled = $2")
        .bind(stream.0)
        .bind(signed(old.0))
        .bind(signed(new.0))
        .execute(conn)
        .await?;
    Ok(())
}
