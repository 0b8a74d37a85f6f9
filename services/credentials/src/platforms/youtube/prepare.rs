//! From nothing to a bound broadcast, whatever of it exists already.

use super::{WATCH, broadcast, end, fault::Problem, ingest, model::Broadcast, progress::Work};
use crate::platforms::{Failure, Ready};

/// Looks at an earlier broadcast that is on its way to live, before it is deleted.
const PATIENCE: u32 = 2;

/// See [`crate::platforms::Lifecycle::prepare`].
pub(super) async fn prepare(mut work: Work<'_>) -> Result<Ready, Failure> {
    let Some(account) = work.run.account.as_ref().map(|account| account.external_id.clone()) else {
        let message = "No YouTube account is linked. Sign in to YouTube, then start the destination again.";
        return Err(Failure::permanent("account_not_linked", message));
    };
    work.progress.turn_to(work.run, &account);
    match steps(&mut work).await {
        Ok(()) => Ok(ready(&work)),
        Err(problem) if problem.is_quota() => by_stored_key(work, problem.failure).await,
        Err(problem) => Err(problem.failure),
    }
}

async fn steps(work: &mut Work<'_>) -> Result<(), Problem> {
    if !work.progress.stale.is_empty() {
        end::stale(work, PATIENCE).await?;
    }
    let stream = ingest::ensure(work).await?;
    let id = broadcast::ensure(work).await?;
    if !work.progress.bound {
        bind(work, &id, stream).await?;
        work.progress.bound = true;
        work.save().await?;
    }
    picture(work, &id).await
}

async fn bind(work: &mut Work<'_>, id: &str, stream: String) -> Result<(), Problem> {
    let problem = match work.channel.bind(id, &stream).await {
        Ok(_) => return Ok(()),
        Err(problem) => problem,
    };
    if problem.is(&["liveStreamNotFound"]) {
        ingest::forget(work);
        let stream = ingest::ensure(work).await?;
        return work.channel.bind(id, &stream).await.map(|_| ());
    }
    if problem.is(&["liveBroadcastNotFound"]) {
        return Err(gone(work).await?);
    }
    if problem.is(&["liveBroadcastBindingNotAllowed"]) || problem.failure.ambiguous {
        let Some(found) = work.channel.broadcasts("id,contentDetails,status", &[id]).await?.pop() else {
            return Err(gone(work).await?);
        };
        if is_bound(&found, &stream) {
            return Ok(());
        }
    }
    Err(problem)
}

pub(super) fn is_bound(broadcast: &Broadcast, stream: &str) -> bool {
    let bound = broadcast.content_details.as_ref().and_then(|details| details.bound_stream_id.as_deref());
    bound == Some(stream)
}

/// Somebody deleted the broadcast before it was bound: the next attempt makes another one.
async fn gone(work: &mut Work<'_>) -> Result<Problem, Problem> {
    (work.progress.broadcast_id, work.progress.pictured) = (None, false);
    work.progress.intents.clear();
    work.save().await?;
    let message = "The broadcast was deleted at YouTube while it was being prepared. Another one is made.";
    Ok(Failure::transient("platform_unavailable", message).into())
}

/// A picture that YouTube does not take keeps nobody from going live.
async fn picture(work: &mut Work<'_>, id: &str) -> Result<(), Problem> {
    if work.progress.pictured {
        return Ok(());
    }
    let Some(thumbnail) = work.run.book.thumbnail().await? else { return Ok(()) };
    if let Err(problem) = work.channel.set_thumbnail(id, &thumbnail).await {
        let why = &problem.failure.fault.message;
        work.progress.note(&format!("The thumbnail could not be set. {why}"));
    }
    work.progress.pictured = true;
    work.save().await
}

/// Nothing can be made today. A key from earlier still takes media.
async fn by_stored_key(mut work: Work<'_>, quota: Failure) -> Result<Ready, Failure> {
    let known = work.progress.ingest.is_some() && work.run.book.key().await?.is_some();
    if !known {
        return Err(quota);
    }
    work.progress.note(&format!(
        "{} The stream goes to the stream key that is stored; what viewers see can't be told until then.",
        quota.fault.message
    ));
    work.save().await?;
    Ok(ready(&work))
}

fn ready(work: &Work<'_>) -> Ready {
    let ingest = work.progress.ingest.clone().unwrap_or_default();
    let id = work.progress.broadcast_id.as_deref();
    Ready {
        rtmp_url: ingest.address,
        backup_urls: ingest.backups,
        playback_url: id.map(|id| format!("{WATCH}{id}")).unwrap_or_default(),
        notes: work.progress.notes.clone(),
    }
}
