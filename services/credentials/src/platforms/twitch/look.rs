//! Whether Twitch shows the channel live: one call for up to a hundred channels.

use std::{collections::HashMap, time::Duration};

use domain::fault::{Blame, Fault, Retry};

use super::{Memory, Twitch, account, api::Stream, channel};
use crate::platforms::{Failure, Judgement, Repair, Run, State, Truth};

/// Channels of one call.
const BATCH: usize = 100;
/// Between looks at what is live; its viewer count is a minute old anyway.
const LIVE: Duration = Duration::from_secs(30);
/// Until it is live; then with less hope.
const SOON: [(i64, Duration); 2] = [(60_000, Duration::from_secs(1)), (i64::MAX, Duration::from_secs(5))];
/// When the channel's allowance is nearly used up.
const SCARCE: Duration = Duration::from_secs(60);
/// Twitch takes some seconds to show a stream; after this it is worth a sentence.
const PATIENCE_MS: i64 = 90_000;
/// A new connection may help.
const RECONNECT_MS: i64 = 120_000;

pub(super) async fn look(twitch: &Twitch, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
    let memories: Vec<Memory> = runs.iter().map(Memory::of).collect();
    let asked: Vec<&Run> = runs
        .iter()
        .zip(&memories)
        .filter(|(run, memory)| run.publishing_ms > 0 || memory.finished_run == run.run_ms)
        .map(|(run, _)| run)
        .collect();
    let shown = streams(twitch, &asked).await;
    let mut truths = Vec::with_capacity(runs.len());
    for (run, memory) in runs.iter().zip(memories) {
        let truth = see(twitch, run, &memory, &shown, now_ms);
        if truth.as_ref().is_ok_and(|truth| truth.state == State::Live) && memory.channel_open {
            catch_up(twitch, run, memory).await;
        }
        truths.push(truth);
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

fn see(
    twitch: &Twitch,
    run: &Run,
    memory: &Memory,
    shown: &Result<HashMap<String, Stream>, Failure>,
    now_ms: i64,
) -> Result<Truth, Failure> {
    let user = account(run)?.external_id.as_str();
    let finished = memory.finished_run == run.run_ms;
    if run.publishing_ms == 0 && !finished {
        return Ok(Truth { state: State::Waiting, again: Some(SOON[0].1), ..Truth::default() });
    }
    let shown = shown.as_ref().map_err(Failure::clone)?;
    let mut truth = judge(shown.get(user), finished, now_ms - run.publishing_ms);
    if !twitch.api.has_spare(user) {
        truth.again = truth.again.max(Some(SCARCE));
    }
    Ok(truth)
}

fn judge(stream: Option<&Stream>, finished: bool, publishing_for_ms: i64) -> Truth {
    if let Some(stream) = stream {
        let again = if finished { SOON[0].1 } else { LIVE };
        let (state, health) = (State::Live, Judgement::Good);
        let playback_url = Some(&stream.user_login).filter(|login| !login.is_empty()).map(|login| channel_url(login));
        let viewers = stream.viewer_count;
        return Truth { state, health, viewers, playback_url, again: Some(again), ..Truth::default() };
    }
    if finished {
        return Truth { state: State::Ended, again: Some(LIVE), ..Truth::default() };
    }
    let again = SOON.iter().find(|(until_ms, _)| publishing_for_ms < *until_ms).map(|(_, again)| *again);
    let mut truth = Truth { state: State::Waiting, again, ..Truth::default() };
    if publishing_for_ms > PATIENCE_MS {
        let issue = "Twitch takes our stream and does not show the channel as live.";
        truth.health = Judgement::Bad;
        truth.issues.push(issue.to_owned());
        if publishing_for_ms > RECONNECT_MS {
            let message = format!("{issue} The connection is made anew.");
            truth.repair = Some(Repair::Reconnect);
            truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
        }
    }
    truth
}

/// What could not be set before the start is set now. Failing again does no harm: the next look tries it.
async fn catch_up(twitch: &Twitch, run: &Run, mut memory: Memory) {
    let Ok(user) = account(run) else { return };
    match channel::set(twitch, run, &user.external_id, channel::wish(run)).await {
        Err(failure) if failure.is_transient() => {}
        Ok(_) | Err(_) => {
            memory.channel_open = false;
            let _ = memory.save(run).await;
        }
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
        let check = |shown: bool, finished: bool, publishing_for_ms: i64, expected: &str| {
            let stream = Stream { user_id: "1".to_owned(), user_login: "a".to_owned(), viewer_count: 7 };
            let truth = judge(Some(&stream).filter(|_| shown), finished, publishing_for_ms);
            let again = truth.again.unwrap().as_secs();
            let got = format!("{:?} {} {:?} {:?} {again}s", truth.state, truth.viewers, truth.health, truth.repair);
            assert_eq!(got, expected);
        };
        check(true, false, 5_000, "Live 7 Good None 30s");
        check(false, false, 5_000, "Waiting 0 Unknown None 1s");
        check(false, false, 70_000, "Waiting 0 Unknown None 5s");
        check(false, false, 91_000, "Waiting 0 Bad None 5s");
        check(false, false, 121_000, "Waiting 0 Bad Some(Reconnect) 5s");
        check(true, true, 0, "Live 7 Good None 1s");
        check(false, true, 0, "Ended 0 Unknown None 30s");
    }
}
