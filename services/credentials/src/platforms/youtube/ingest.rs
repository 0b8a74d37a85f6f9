//! The reusable stream: one per destination, found again by the destination's id in its description.

use secret::StreamKey;

use super::{
    fault::Problem,
    model::{Cdn, Ingestion, Stream, StreamDetails, StreamSnippet},
    progress::{Ingest, SETTLE_MS, Work},
};
use crate::platforms::Failure;

/// Finds or makes the stream, keeps its key and its addresses. Returns its id.
pub(super) async fn ensure(work: &mut Work<'_>) -> Result<String, Problem> {
    if let (Some(id), Some(_)) = (&work.progress.stream_id, &work.progress.ingest) {
        let id = id.clone();
        if work.run.book.key().await?.is_some() {
            return Ok(id);
        }
    }
    let stream = match read(work).await? {
        Some(stream) => stream,
        None => make(work).await?,
    };
    keep(work, stream).await
}

/// The stream is not at YouTube any more: the next [`ensure`] makes another one.
pub(super) fn forget(work: &mut Work<'_>) {
    (work.progress.stream_id, work.progress.ingest, work.progress.stream_sent_ms) = (None, None, 0);
}

/// A known id whose key or address is not known.
async fn read(work: &mut Work<'_>) -> Result<Option<Stream>, Problem> {
    let Some(id) = work.progress.stream_id.clone() else { return Ok(None) };
    let found = work.channel.streams("id,snippet,cdn,contentDetails,status", &[&id]).await?.pop();
    if found.is_none() {
        forget(work);
    }
    Ok(found)
}

async fn make(work: &mut Work<'_>) -> Result<Stream, Problem> {
    if work.progress.stream_sent_ms > 0 {
        if let Some(found) = find(work).await? {
            return Ok(found);
        }
        wait(work.progress.stream_sent_ms, work.now_ms())?;
    }
    work.progress.stream_sent_ms = work.now_ms();
    work.save().await?;
    match work.channel.insert_stream(&resource(work)).await {
        Err(problem) if problem.failure.ambiguous => {
            work.progress.stream_sent_ms = work.now_ms();
            work.save().await?;
            find(work).await?.ok_or(problem)
        }
        answer => answer,
    }
}

/// The stream that an insert without an answer has made.
async fn find(work: &Work<'_>) -> Result<Option<Stream>, Problem> {
    let tag = tag(work);
    let mine = work.channel.my_streams().await?;
    Ok(mine.into_iter().find(|stream| stream.snippet.as_ref().is_some_and(|snippet| snippet.description == tag)))
}

async fn keep(work: &mut Work<'_>, stream: Stream) -> Result<String, Problem> {
    let info = stream.cdn.and_then(|cdn| cdn.ingestion_info).unwrap_or_default();
    let (ingest, key) = addresses(info).ok_or_else(|| {
        Failure::permanent("platform_refused", "YouTube gave no address and stream key to publish to.")
    })?;
    work.run.book.keep_key(&key).await?;
    let id = stream.id;
    work.progress.stream_id = Some(id.clone());
    work.progress.ingest = Some(ingest);
    work.progress.stream_sent_ms = 0;
    work.save().await?;
    Ok(id)
}

/// RTMPS where it is offered. A backup has the same protocol.
fn addresses(info: Ingestion) -> Option<(Ingest, StreamKey)> {
    let key = info.stream_name?;
    let (address, backup) = match info.rtmps_ingestion_address.is_empty() {
        false => (info.rtmps_ingestion_address, info.rtmps_backup_ingestion_address),
        true => (info.ingestion_address, info.backup_ingestion_address),
    };
    if address.is_empty() {
        return None;
    }
    let backups = if backup.is_empty() || backup == address { Vec::new() } else { vec![backup] };
    Some((Ingest { address, backups }, key))
}

fn resource(work: &Work<'_>) -> Stream {
    let short: String = work.run.destination.to_string().chars().take(8).collect();
    Stream {
        snippet: Some(StreamSnippet { title: format!("Exprsn Live {short}"), description: tag(work) }),
        cdn: Some(Cdn {
            ingestion_type: "rtmp".to_owned(),
            resolution: "variable".to_owned(),
            frame_rate: "variable".to_owned(),
            ingestion_info: None,
        }),
        content_details: Some(StreamDetails { is_reusable: true }),
        ..Stream::default()
    }
}

fn tag(work: &Work<'_>) -> String {
    format!("Exprsn Live, destination {}", work.run.destination)
}

/// Nothing is sent again while the last sending may still be under way.
pub(super) fn wait(sent_ms: i64, now_ms: i64) -> Result<(), Problem> {
    let left = sent_ms + SETTLE_MS - now_ms;
    match u64::try_from(left) {
        Ok(left) if left > 0 => {
            let pause = std::time::Duration::from_millis(left.min(1_000));
            let message = "YouTube has not said whether it did what was asked. It is looked for again.";
            Err(Failure::transient("platform_unavailable", message).after(Some(pause)).into())
        }
        _ => Ok(()),
    }
}
