//! What the board needs of Postgres: the destinations that take part in a run.

use domain::{destination_state::Status, fault::Fault, health::Expected, output, source::SourceInfo};
use sqlx::{FromRow, PgConnection, types::Json};

use super::Context;
use crate::rows::DestinationRow;

/// A destination of a running stream.
#[derive(Clone, Debug, FromRow)]
pub struct BoardRow {
    /// The destination.
    #[sqlx(flatten)]
    pub destination: DestinationRow,
    /// When the run began; it names the run.
    pub run_ms: i64,
    /// The source, if one is connected.
    pub source: Option<Json<SourceInfo>>,
}

impl BoardRow {
    /// What judging needs to know.
    pub fn context(&self) -> Context {
        let status = self.destination.status.parse().unwrap_or(Status::Pending);
        Context {
            status,
            connected_since_ms: self.destination.connected_at_ms,
            gave_up: self.destination.gave_up.clone().map(|f| f.0),
            trouble: self.destination.fault.clone().map(|f: Json<Fault>| f.0.message),
            expected: self.expected(),
            platform_is_bad: self.destination.broadcast.is_bad(),
            complaints: self.destination.broadcast.complaints(),
        }
    }

    fn expected(&self) -> Expected {
        let Some(source) = &self.source else { return Expected::default() };
        let output = output::decide(source, &self.destination.settings(), self.destination.platform());
        Expected { fps: output.expected_fps(source), kbps: output.expected_kbps(source).map(f64::from) }
    }
}

/// All destinations that take part in a run now.
///
/// # Errors
/// Postgres is away.
pub async fn rows(conn: &mut PgConnection) -> Result<Vec<BoardRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT d.*, COALESCE(s.started_at_ms, 0) AS run_ms,
            CASE WHEN c.state = 'connected' THEN c.info END AS source
         FROM destinations d JOIN streams s ON s.id = d.stream_id LEFT JOIN sources c ON c.stream_id = s.id
         WHERE s.wish = 'running' AND s.deleted_at_ms IS NULL
           AND d.attached AND d.is_enabled AND d.deleted_at_ms IS NULL",
    )
    .fetch_all(conn)
    .await
}
