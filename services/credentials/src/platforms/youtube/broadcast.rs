//! Making the broadcast of a take exactly once: the intent is saved, then sent; whenever an answer is lost, the broadcast
//! is looked for by title and time before anything is sent again.

use std::collections::HashSet;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    fault::Problem,
    ingest,
    model::{Broadcast, BroadcastDetails, BroadcastSnippet},
    progress::{Intent, Work},
    wishes,
};
use crate::platforms::Failure;

/// An intent lies so far ahead at least, so that it does not lie in the past when it arrives.
const AHEAD_S: i64 = 30;
/// Times are spread over so many seconds, so that two destinations seldom choose the same.
const SPREAD_S: u128 = 50;
/// An intent that is nearer than this is replaced before it is sent again.
const TOO_NEAR_S: i64 = 5;
/// Refused settings that are left out, one after the other.
const RELAXATIONS: usize = 5;
/// YouTube's clock may be behind ours by so much.
const SKEW_MS: i64 = 60_000;
/// Times that are tried when another destination has chosen the same.
const CHOICES: usize = 5;

/// Finds or makes the broadcast. Returns its id.
pub(super) async fn ensure(work: &mut Work<'_>) -> Result<String, Problem> {
    if let Some(id) = &work.progress.broadcast_id {
        return Ok(id.clone());
    }
    let mut repeated = false;
    if let Some(last) = work.progress.intents.last() {
        let sent_ms = last.sent_ms;
        if let Some(id) = adopt(work).await? {
            return Ok(id);
        }
        ingest::wait(sent_ms, work.now_ms())?;
        work.progress.intents.iter_mut().for_each(|intent| intent.doubtful = true);
        repeated = true;
    }
    intend(work).await?;
    let id = insert(work).await?;
    if repeated {
        remove_twins(work, &id).await?;
    }
    Ok(id)
}

/// Saves what is about to be sent.
async fn intend(work: &mut Work<'_>) -> Result<(), Problem> {
    let now_ms = work.now_ms();
    let near = |intent: &Intent| seconds(&intent.scheduled_start).is_none_or(|at| at < now_ms / 1_000 + TOO_NEAR_S);
    match work.progress.intents.last_mut() {
        Some(intent) if !near(intent) => intent.sent_ms = now_ms,
        _ => {
            let (title, mut start) = (wishes::title(work.run), first_choice(work, now_ms / 1_000));
            for choice in 0..CHOICES {
                let scheduled_start = free(start, &work.run.book.taken("scheduled_start").await?);
                start = seconds(&scheduled_start).unwrap_or(start) + 1;
                if choice > 0 {
                    work.progress.intents.pop();
                }
                let intent =
                    Intent { title: title.clone(), scheduled_start, made_ms: now_ms, sent_ms: now_ms, doubtful: false };
                let scheduled_start = intent.scheduled_start.clone();
                work.progress.intend(intent);
                work.save().await?;
                // Somebody else may have chosen the same between our look and our save.
                if !work.run.book.taken("scheduled_start").await?.contains(&scheduled_start) {
                    break;
                }
            }
            return Ok(());
        }
    }
    work.save().await
}

fn first_choice(work: &Work<'_>, now_s: i64) -> i64 {
    match work.run.settings.scheduled_start_s {
        Some(at) if at > now_s + TOO_NEAR_S => at,
        _ => now_s + AHEAD_S + i64::try_from(work.run.destination.0.as_u128() % SPREAD_S).unwrap_or(0),
    }
}

/// The first second from `start` on that is not taken.
fn free(start: i64, taken: &HashSet<String>) -> String {
    let choices = (start..).map(rfc3339).take(taken.len() + 1);
    choices.into_iter().find(|choice| !taken.contains(choice)).unwrap_or_else(|| rfc3339(start))
}

/// Sends the last intent.
async fn insert(work: &mut Work<'_>) -> Result<String, Problem> {
    let mut details = wishes::details(&work.run.settings);
    for _ in 0..RELAXATIONS {
        let Some(resource) = resource(work, &details) else { break };
        match work.channel.insert_broadcast(&resource).await {
            Ok(made) => {
                if details.enable_content_encryption == Some(true) && !is_encrypted(&made) {
                    work.progress.note("YouTube did not take content encryption for this broadcast.");
                }
                return keep(work, made.id).await;
            }
            Err(problem) if problem.failure.ambiguous => {
                let now_ms = work.now_ms();
                if let Some(intent) = work.progress.intents.last_mut() {
                    (intent.sent_ms, intent.doubtful) = (now_ms, true);
                }
                work.save().await?;
                return adopt(work).await?.ok_or(problem);
            }
            Err(problem) => match wishes::relax(&mut details, &problem.reason) {
                Some(note) => work.progress.note(note),
                None => return Err(given_up(work, problem).await),
            },
        }
    }
    Err(Failure::permanent("platform_refused", "YouTube does not take the broadcast's settings.").into())
}

/// Nothing was made: the next attempt need not look for it, and may choose another time.
async fn given_up(work: &mut Work<'_>, problem: Problem) -> Problem {
    if work.progress.intents.last().is_some_and(|intent| !intent.doubtful) {
        work.progress.intents.pop();
    }
    match work.save().await {
        Ok(()) => problem,
        Err(away) => away,
    }
}

fn resource(work: &Work<'_>, details: &BroadcastDetails) -> Option<Broadcast> {
    let intent = work.progress.intents.last()?;
    Some(Broadcast {
        snippet: Some(BroadcastSnippet {
            title: intent.title.clone(),
            description: wishes::description(&work.run.settings),
            scheduled_start_time: Some(intent.scheduled_start.clone()),
            ..BroadcastSnippet::default()
        }),
        status: Some(wishes::status(&work.run.settings)),
        content_details: Some(details.clone()),
        ..Broadcast::default()
    })
}

fn is_encrypted(made: &Broadcast) -> bool {
    made.content_details.as_ref().is_some_and(|details| details.enable_content_encryption == Some(true))
}

async fn keep(work: &mut Work<'_>, id: String) -> Result<String, Problem> {
    work.progress.broadcast_id = Some(id.clone());
    work.save().await?;
    Ok(id)
}

/// The broadcast that a sending without an answer has made.
async fn adopt(work: &mut Work<'_>) -> Result<Option<String>, Problem> {
    let mut found = ours(work, &work.progress.intents).await?.into_iter();
    let Some(id) = found.next() else { return Ok(None) };
    keep(work, id.clone()).await?;
    for twin in found {
        delete(work, &twin).await?;
    }
    Ok(Some(id))
}

/// After a second sending: whatever the first one has made all the same goes.
async fn remove_twins(work: &Work<'_>, id: &str) -> Result<(), Problem> {
    for twin in ours(work, &work.progress.intents).await?.into_iter().filter(|twin| twin != id) {
        delete(work, &twin).await?;
    }
    Ok(())
}

/// Broadcasts that are still to come and must have come from one of `intents`; the oldest last. What a person has made in
/// YouTube Studio is not among them, even with the same title and time: it is older, or bound to another stream.
pub(super) async fn ours(work: &Work<'_>, intents: &[Intent]) -> Result<Vec<String>, Problem> {
    let upcoming = work.channel.upcoming().await?;
    let taken = work.run.book.taken("broadcast_id").await?;
    let stream = work.progress.stream_id.as_deref();
    let fits = |broadcast: &Broadcast| {
        let bound = broadcast.content_details.as_ref().and_then(|details| details.bound_stream_id.as_deref());
        !taken.contains(&broadcast.id)
            && bound.is_none_or(|bound| Some(bound) == stream)
            && broadcast.snippet.as_ref().is_some_and(|snippet| intents.iter().any(|intent| came_from(snippet, intent)))
    };
    Ok(upcoming.into_iter().filter(fits).map(|broadcast| broadcast.id).collect())
}

fn came_from(snippet: &BroadcastSnippet, intent: &Intent) -> bool {
    let second = |text: &Option<String>| text.as_deref().and_then(seconds);
    let at = second(&snippet.scheduled_start_time);
    let old = second(&snippet.published_at).is_some_and(|made| made * 1_000 < intent.made_ms - SKEW_MS);
    is_same(&intent.title, &snippet.title) && at.is_some() && at == seconds(&intent.scheduled_start) && !old
}

/// YouTube may tidy up the spaces of a title.
fn is_same(ours: &str, theirs: &str) -> bool {
    ours.split_whitespace().eq(theirs.split_whitespace())
}

/// One that was never live; it may be gone already.
pub(super) async fn delete(work: &Work<'_>, id: &str) -> Result<(), Problem> {
    match work.channel.delete_broadcast(id).await {
        Err(problem) if !problem.is_missing() => Err(problem),
        _ => Ok(()),
    }
}

pub(super) fn rfc3339(at_s: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_s).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

fn seconds(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_destinations_announce_the_same_second() {
        let taken: HashSet<String> = ["2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z"].map(str::to_owned).into();
        let start = seconds("2026-11-23T12:00:00Z").unwrap();
        assert_eq!(free(start, &taken), "2026-11-23T12:00:02Z");
        assert_eq!(free(start + 5, &taken), "2026-11-23T12:00:05Z");
        assert_eq!(seconds("2026-11-23T13:00:00.000+01:00"), Some(start));
    }
}
