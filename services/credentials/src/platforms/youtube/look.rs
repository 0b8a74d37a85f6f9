//! One look at the broadcasts of an account: what is due is asked in batches, then the steps that going live needs are
//! taken.

use std::collections::HashMap;

use futures::future::join_all;

use super::{
    Youtube,
    api::{Channel, MOST},
    fault::Problem,
    model::{Broadcast, Stream, Video},
    progress::Progress,
    watch::{Step, Watch},
};
use crate::platforms::{Failure, Purpose, Repair, Run, State, Truth};

/// One run of this look.
struct Seen<'a> {
    run: &'a Run,
    progress: Progress,
    watch: Watch,
    failure: Option<Failure>,
    /// The failure needs a person.
    asks: bool,
}

/// See [`crate::platforms::Lifecycle::look`].
pub(super) async fn look(youtube: &Youtube, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
    let Some(first) = runs.first() else { return Vec::new() };
    let channel = Channel { api: &youtube.api, tokens: first.tokens.as_ref(), purpose: Purpose::Look };
    let mut seen: Vec<Seen<'_>> = runs.iter().map(|run| remember(youtube, run, now_ms)).collect();
    if let Err(problem) = ask(&channel, &mut seen, now_ms).await {
        // What was not asked is not known; what is not due is as it was.
        let asked = |one: &&mut Seen<'_>| !one.watch.id.is_empty() && one.watch.due().first() <= now_ms;
        for one in seen.iter_mut().filter(asked) {
            one.failure = Some(problem.failure.clone());
        }
    }
    let well = seen.iter_mut().filter(|one| one.failure.is_none() && !one.watch.id.is_empty());
    join_all(well.map(|one| step(&channel, one, now_ms))).await;
    let mut truths = Vec::with_capacity(seen.len());
    for mut one in seen {
        let truth = conclude(&channel, &one, now_ms).await;
        let again = truth.as_ref().ok().and_then(|truth| truth.again).map_or(0, |again| again.as_millis());
        one.watch.expect(now_ms.saturating_add(i64::try_from(again).unwrap_or(0)));
        truths.push(truth);
        if !one.watch.id.is_empty() {
            youtube.memory.keep(one.run.destination, one.watch, now_ms);
        }
    }
    truths
}

fn remember<'a>(youtube: &Youtube, run: &'a Run, now_ms: i64) -> Seen<'a> {
    let progress = Progress::of(run);
    let id = progress.broadcast_of(run).unwrap_or_default();
    let known = youtube.memory.get(run.destination).filter(|watch| watch.id == id);
    let mut watch = known.unwrap_or_else(|| Watch::new(id, now_ms));
    watch.publishing(run.publishing_ms);
    watch.begin(now_ms);
    Seen { run, progress, watch, failure: None, asks: false }
}

/// Asks what is due. Viewers first: their answer tells an end, which the broadcast's own resource then explains.
async fn ask(channel: &Channel<'_>, seen: &mut [Seen<'_>], now_ms: i64) -> Result<(), Problem> {
    let known = |one: &&Seen<'_>| !one.watch.id.is_empty();
    let due = seen.iter().filter(known).filter(|one| one.watch.due().video <= now_ms);
    let videos = videos(channel, &due.map(|one| one.watch.id.clone()).collect::<Vec<_>>()).await?;
    for one in seen.iter_mut().filter(|one| !one.watch.id.is_empty() && one.watch.due().video <= now_ms) {
        one.watch.saw_video(videos.get(&one.watch.id), now_ms);
    }
    // Both are decided before either answer changes what is due.
    let streams_due: Vec<bool> = seen.iter().map(|one| known(&one) && one.watch.due().stream <= now_ms).collect();
    let due = seen.iter().filter(known).filter(|one| one.watch.unclear() || one.watch.due().broadcast <= now_ms);
    let ids: Vec<String> = due.map(|one| one.watch.id.clone()).collect();
    let broadcasts = broadcasts(channel, &ids).await?;
    for one in seen.iter_mut().filter(|one| ids.contains(&one.watch.id)) {
        one.watch.saw_broadcast(broadcasts.get(&one.watch.id), now_ms);
    }
    let also = |one: &Seen<'_>| known(&one) && one.watch.due().stream <= now_ms;
    let wanted: Vec<bool> = seen.iter().zip(&streams_due).map(|(one, due)| *due || also(one)).collect();
    let of = |one: &Seen<'_>| one.progress.stream_id.clone().unwrap_or_default();
    let ids: Vec<String> = seen.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(one, _)| of(one)).collect();
    let streams = streams(channel, &ids).await?;
    for (one, _) in seen.iter_mut().zip(wanted).filter(|(_, wanted)| *wanted) {
        let stream = one.progress.stream_id.as_ref().and_then(|id| streams.get(id));
        one.watch.saw_stream(stream, now_ms);
    }
    Ok(())
}

async fn videos(channel: &Channel<'_>, ids: &[String]) -> Result<HashMap<String, Video>, Problem> {
    let mut found = HashMap::new();
    for ids in ids.chunks(MOST) {
        let items = channel.videos(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        found.extend(items.into_iter().map(|video| (video.id.clone(), video)));
    }
    Ok(found)
}

async fn broadcasts(channel: &Channel<'_>, ids: &[String]) -> Result<HashMap<String, Broadcast>, Problem> {
    let mut found = HashMap::new();
    for ids in ids.chunks(MOST) {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let items = channel.broadcasts("id,contentDetails,status", &ids).await?;
        found.extend(items.into_iter().map(|broadcast| (broadcast.id.clone(), broadcast)));
    }
    Ok(found)
}

async fn streams(channel: &Channel<'_>, ids: &[String]) -> Result<HashMap<String, Stream>, Problem> {
    let mut found = HashMap::new();
    for ids in ids.chunks(MOST) {
        let ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !id.is_empty()).collect();
        if ids.is_empty() {
            continue;
        }
        let items = channel.streams("id,status", &ids).await?;
        found.extend(items.into_iter().map(|stream| (stream.id.clone(), stream)));
    }
    Ok(found)
}

/// Goes live or binds, when it is time to. These calls may use the reserve.
async fn step(looking: &Channel<'_>, one: &mut Seen<'_>, now_ms: i64) {
    let stream = one.progress.stream_id.clone();
    let Some(step) = one.watch.step(stream.as_deref(), now_ms) else { return };
    let channel = Channel { api: looking.api, tokens: looking.tokens, purpose: Purpose::GoLive };
    one.watch.attempted(now_ms);
    let answer = match (step, stream) {
        (Step::Bind, Some(stream)) => channel.bind(&one.watch.id, &stream).await,
        _ => channel.transition(&one.watch.id, "live").await,
    };
    match answer {
        Ok(broadcast) => one.watch.saw_broadcast(Some(&broadcast), now_ms),
        Err(problem) if problem.is(&["errorStreamInactive"]) => one.watch.not_active(),
        Err(problem)
            if problem.is_missing()
                || problem.is(&["redundantTransition", "invalidTransition", "liveBroadcastBindingNotAllowed"]) =>
        {
            one.watch.reread();
        }
        Err(problem) if problem.failure.is_transient() && !problem.is_quota() => {}
        Err(problem) => {
            one.asks = !problem.failure.is_transient();
            one.failure = Some(problem.failure);
        }
    }
}

async fn conclude(channel: &Channel<'_>, one: &Seen<'_>, now_ms: i64) -> Result<Truth, Failure> {
    match &one.failure {
        Some(failure) if failure.code() == "platform_quota_exceeded" => Ok(silent(one, failure, now_ms)),
        Some(failure) if one.asks => {
            let truth = one.watch.truth(now_ms);
            Ok(Truth { repair: Some(Repair::Ask), fault: Some(failure.fault.clone()), ..truth })
        }
        Some(failure) => Err(failure.clone()),
        None if one.watch.id.is_empty() => by_stored_key(channel, one, now_ms).await,
        None => Ok(one.watch.truth(now_ms)),
    }
}

/// The day's units are gone.
fn silent(one: &Seen<'_>, failure: &Failure, now_ms: i64) -> Truth {
    let known = one.watch.truth(now_ms);
    let (fault, again) = (Some(failure.fault.clone()), failure.after);
    Truth { state: State::Unknown, repair: None, fault, again, ..known }
}

/// There is no broadcast: it went live by a stored key on a day without units, or it has ended.
async fn by_stored_key(channel: &Channel<'_>, one: &Seen<'_>, now_ms: i64) -> Result<Truth, Failure> {
    if one.progress.is_of(one.run) && one.progress.ended {
        return Ok(Truth { state: State::Ended, again: Some(std::time::Duration::from_secs(60)), ..Truth::default() });
    }
    let mut truth = Truth { again: Some(std::time::Duration::from_secs(1)), ..Truth::default() };
    let Some(stream) = one.progress.stream_id.as_deref().filter(|_| one.run.publishing_ms > 0) else {
        return Ok(truth);
    };
    match channel.streams("id,status", &[stream]).await {
        Err(problem) if problem.is_quota() => Ok(silent(one, &problem.failure, now_ms)),
        Err(problem) => Err(problem.failure),
        Ok(_) => {
            let message = "YouTube can be asked again: a broadcast is made now.";
            truth.fault = Some(Failure::transient("platform_quota_exceeded", message).fault);
            truth.repair = Some(Repair::Renew);
            Ok(truth)
        }
    }
}
