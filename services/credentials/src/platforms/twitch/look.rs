//! Whether Twitch shows the channel live: one call for up to a hundred channels.

use std::{collections::HashMap, time::Duration};

use domain::fault::{Blame, Fault, Retry};
use tokio::time::timeout;

use super::{Memory, Twitch, account, api::Stream, channel};
use crate::platforms::{Failure, Judgement, Repair, Run, State, Truth};

/// Channels of one call.
const BATCH: usize = 100;
/// Between looks at what is live; its viewer count is a minute old anyway.
const LIVE: Duration = Duration::from_secs(30);
/// Until it is live; then with less hope.
const SOON: [(i64, Duration); 3] =
    [(20_000, Duration::from_millis(500)), (60_000, Duration::from_secs(2)), (i64::MAX, Duration::from_secs(5))];
/// Before our stream comes; the first acknowledged media ends the wait.
const IDLE: Duration = Duration::from_secs(30);
/// While our stream is gone.
const SILENT: Duration = Duration::from_secs(10);
/// For what is done beside a look.
const CATCH_UP: Duration = Duration::from_secs(3);
/// When the channel's allowance is nearly used up.
const SCARCE: Duration = Duration::from_secs(60);
/// Twitch takes some seconds to show a stream, and its answers lag; after this it is worth a sentence.
const PATIENCE_MS: i64 = 90_000;
/// A new connection may help.
const RECONNECT_MS: i64 = 120_000;

pub(super) async fn look(twitch: &Twitch, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
    let publishing: Vec<&Run> = runs.iter().filter(|run| run.publishing_ms > 0).collect();
    let shown = streams(twitch, &publishing).await;
    let mut truths = Vec::with_capacity(runs.len());
    for run in runs {
        truths.push(see(twitch, run, &shown, now_ms).await);
    }
    truths
}

/// The streams that are shown, by channel.
async fn streams(twitch: &Twitch, runs: &[&Run]) -> Result<HashMap<String, Stream>, Failure> {
    let mut users: Vec<(&Run, &str)> = Vec::new();
    for run in runs {
        let id = account(run)?.external_id.as_str();
        if !users.iter().any(|(_, known)| *known == id) {
            users.push((run, id));
        }
    }
    let mut shown = HashMap::new();
    for batch in users.chunks(BATCH) {
        let ids: Vec<&str> = batch.iter().map(|(_, id)| *id).collect();
        let Some((run, id)) = batch.first() else { continue };
        let found = twitch.api.streams(run, id, &ids).await?;
        shown.extend(found.into_iter().map(|stream| (stream.user_id.clone(), stream)));
    }
    Ok(shown)
}

async fn see(
    twitch: &Twitch,
    run: &Run,
    shown: &Result<HashMap<String, Stream>, Failure>,
    now_ms: i64,
) -> Result<Truth, Failure> {
    let user = account(run)?.external_id.as_str();
    let mut memory = Memory::of(run);
    let has_published = memory.published == (run.run_ms, run.take);
    if run.publishing_ms == 0 {
        return if has_published { silent(twitch, run, user).await } else { Ok(waiting(IDLE)) };
    }
    let shown = shown.as_ref().map_err(Failure::clone)?;
    let (stream, before) = (shown.get(user), memory.presence);
    let absent_ms = memory.presence.seen(stream.is_some(), run.publishing_ms, now_ms);
    let mut truth = judge(stream, absent_ms);
    if !has_published || memory.presence != before {
        memory.published = (run.run_ms, run.take);
        memory.save(run).await?;
    }
    if truth.state == State::Live && memory.channel_open {
        catch_up(twitch, run, user, memory).await;
    }
    if !twitch.api.has_spare(user) {
        truth.again = truth.again.max(Some(SCARCE));
    }
    Ok(truth)
}

/// Our stream is gone for now. One reason is a key that was reset, with which it will never come back.
async fn silent(twitch: &Twitch, run: &Run, user: &str) -> Result<Truth, Failure> {
    let mut truth = waiting(SILENT);
    let (key, kept) = (twitch.api.key(run, user).await?, run.book.key().await?);
    if kept.is_none_or(|kept| kept.expose() != key.expose()) {
        let message = "The stream key was reset at Twitch. The new one is taken by itself.";
        truth.repair = Some(Repair::Renew);
        truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
    }
    Ok(truth)
}

fn waiting(again: Duration) -> Truth {
    Truth { state: State::Waiting, again: Some(again), ..Truth::default() }
}

fn judge(stream: Option<&Stream>, absent_ms: i64) -> Truth {
    if let Some(stream) = stream {
        let (state, health) = (State::Live, Judgement::Good);
        let playback_url = Some(&stream.user_login).filter(|login| !login.is_empty()).map(|login| channel_url(login));
        let viewers = stream.viewer_count;
        return Truth { state, health, viewers, playback_url, again: Some(LIVE), ..Truth::default() };
    }
    let again = SOON.iter().find(|(until_ms, _)| absent_ms < *until_ms).map_or(LIVE, |(_, again)| *again);
    let mut truth = waiting(again);
    if absent_ms > PATIENCE_MS {
        let issue = "Twitch takes our stream and does not show the channel as live.";
        truth.health = Judgement::Bad;
        truth.issues.push(issue.to_owned());
        if absent_ms > RECONNECT_MS {
            let message = format!("{issue} The connection is made anew.");
            truth.repair = Some(Repair::Reconnect);
            truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
        }
    }
    truth
}

/// What could not be set before the start is set now. Failing again does no harm: the next look tries it.
async fn catch_up(twitch: &Twitch, run: &Run, user: &str, mut memory: Memory) {
    let set = timeout(CATCH_UP, channel::set(twitch, run, user, channel::wish(run))).await;
    if set.is_ok_and(|set| set.is_ok()) {
        memory.channel_open = false;
        let _ = memory.save(run).await;
    }
}

/// Where people watch.
pub(super) fn channel_url(login: &str) -> String {
    format!("https://www.twitch.tv/{login}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_decides() {
        let check = |shown: bool, absent_ms: i64, expected: &str| {
            let stream = Stream { user_id: "1".to_owned(), user_login: "a".to_owned(), viewer_count: 7 };
            let truth = judge(Some(&stream).filter(|_| shown), absent_ms);
            let again = truth.again.unwrap();
            let got = format!("{:?} {} {:?} {:?} {again:?}", truth.state, truth.viewers, truth.health, truth.repair);
            assert_eq!(got, expected);
        };
        check(true, 0, "Live 7 Good None 30s");
        check(false, 5_000, "Waiting 0 Unknown None 500ms");
        check(false, 70_000, "Waiting 0 Unknown None 5s");
        check(false, 91_000, "Waiting 0 Bad None 5s");
        check(false, 121_000, "Waiting 0 Bad Some(Reconnect) 5s");
    }
}
