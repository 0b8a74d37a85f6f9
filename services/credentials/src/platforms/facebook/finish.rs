//! Ends a live video: what was live becomes a recording, what never was disappears.

use std::time::Duration;

use super::{
    Facebook,
    graph::Call,
    object::{Object, Status},
    prepare::read,
    progress::{Intent, Progress},
    refusal::Refusal,
    search,
    session::Session,
};
use crate::platforms::{Failure, Run};

const FIELDS: &str = "id,status";
/// When it is worth asking whether it has ended.
const AGAIN: Duration = Duration::from_secs(1);

/// See [`crate::platforms::Lifecycle::finish`].
pub(super) async fn finish(facebook: &Facebook, run: &Run) -> Result<(), Failure> {
    let mut progress = Progress::of(run);
    if (progress.run_ms, progress.take) > (run.run_ms, run.take) {
        return Ok(()); // it was ended before the newer one was made
    }
    end_all(facebook, run, &progress, true).await?;
    if progress.open().is_some() || progress.intent.is_some() || progress.doubt.is_some() {
        (progress.ended, progress.intent, progress.doubt) = (true, None, None);
        progress.save(run).await?;
    }
    Ok(())
}

/// Ends what an earlier run or take left open. What Facebook refuses to end does not keep a new one from being made:
/// people are told.
pub(super) async fn leave(facebook: &Facebook, run: &Run, progress: &Progress) -> Result<Option<String>, Failure> {
    match end_all(facebook, run, progress, false).await {
        Ok(()) => Ok(None),
        Err(failure) if failure.is_transient() || failure.code() == "reauth_required" => Err(failure),
        Err(failure) => {
            tracing::warn!(destination = %run.destination, code = failure.code(), "an earlier live video was not ended");
            let note = "An earlier live video could not be ended: end it on facebook.com, if it is still there.";
            Ok(Some(note.to_owned()))
        }
    }
}

async fn end_all(facebook: &Facebook, run: &Run, progress: &Progress, surely: bool) -> Result<(), Failure> {
    let Some(target) = &progress.target else { return Ok(()) };
    let session = Session { facebook, run, target };
    if let Some(id) = progress.open() {
        end(session, id, surely).await?;
    }
    for intent in progress.intent.iter().chain(&progress.doubt) {
        end_hidden(session, intent, progress.live_video_id.as_deref()).await?;
    }
    Ok(())
}

/// Ends what a create with a lost answer made, once it must have shown itself.
async fn end_hidden(session: Session<'_>, intent: &Intent, not: Option<&str>) -> Result<(), Failure> {
    match search::find(session, intent, not).await? {
        Some(object) => end(session, &object.id, true).await,
        None => search::settled(intent, session.facebook.clock.now_ms()),
    }
}

async fn end(session: Session<'_>, id: &str, surely: bool) -> Result<(), Failure> {
    let Some(object) = still_open(session, id).await? else { return Ok(()) };
    let call = match object.status {
        Status::Live | Status::Other => Call::post(id).with("end_live_video", "true"),
        _ => Call::delete(id),
    };
    match session.call(&call).await {
        Ok(_) if !surely => return Ok(()),
        Ok(_) | Err(Refusal::Gone) => {}
        // Perhaps it was done all the same.
        Err(refusal) => {
            let failure = Failure::from(refusal);
            if !failure.ambiguous || still_open(session, id).await?.is_some() {
                return Err(failure);
            }
        }
    }
    match still_open(session, id).await? {
        None => Ok(()),
        Some(_) => {
            let message = "Facebook has not ended the broadcast yet. It is asked again by itself.";
            Err(Failure::transient("platform_unavailable", message).after(Some(AGAIN)))
        }
    }
}

async fn still_open(session: Session<'_>, id: &str) -> Result<Option<Object>, Failure> {
    Ok(read(session, id, FIELDS).await?.filter(|object| !object.status.is_over()))
}
