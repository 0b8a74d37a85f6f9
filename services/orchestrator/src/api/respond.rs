//! Answers that several calls share.

use domain::ids::{StreamId, TenantId};
use sqlx::PgConnection;
use wire::v1;

use crate::{
    error::Error,
    rows::{DestinationRow, SourceRow, StreamRow},
    store::{destinations, sources, streams},
};

/// A stream with its source and its destinations that are not deleted, read without locks.
pub(super) struct View {
    pub stream: StreamRow,
    pub source: Option<SourceRow>,
    pub destinations: Vec<DestinationRow>,
}

impl View {
    /// Reads it.
    pub async fn load(conn: &mut PgConnection, tenant: &TenantId, id: StreamId) -> Result<Self, Error> {
        let stream = streams::get(conn, tenant, id).await?.ok_or(Error::NotFound)?;
        let mut destinations = destinations::of_stream(conn, id).await?;
        destinations.retain(|d| d.deleted_at_ms.is_none());
        Ok(Self { source: sources::get(conn, id).await?, destinations, stream })
    }

    /// The stream as the gateway gets it.
    pub fn stream(&self) -> v1::Stream {
        let viewers = self.destinations.iter().map(|d| u64::try_from(d.viewer_count).unwrap_or(0)).sum();
        self.stream.to_wire(self.source.as_ref(), viewers)
    }

    /// Its destinations as the gateway gets them.
    pub fn destinations(&self) -> Vec<v1::Destination> {
        self.destinations.iter().map(DestinationRow::to_wire).collect()
    }
}

/// A page size as asked for, within the bound.
pub(super) fn page(asked: u32, most: i64) -> i64 {
    if asked == 0 { most } else { i64::from(asked).min(most) }
}

/// A name or title that can be shown: 1 to `most` characters, no control characters.
pub(super) fn check_name(text: &str, field: &'static str, most: usize) -> Result<(), Error> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > most || text.chars().any(char::is_control) {
        let message = format!("{field} must have 1 to {most} characters, without control characters");
        return Err(Error::field("invalid_name", field, message));
    }
    Ok(())
}

/// A digest has 32 bytes.
pub(super) fn check_digest(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() == 32 {
        return Ok(());
    }
    Err(Error::field("invalid_request", "ingest_key_sha256", "The digest must have 32 bytes."))
}
