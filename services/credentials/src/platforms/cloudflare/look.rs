//! What Cloudflare says of a live input: viewers see it when `/lifecycle` says so (or, without recording, when media
//! arrives); why not, tells the input's status.

use std::time::Duration;

use domain::fault::{Blame, Fault, Retry};

use super::{Cloudflare, Memory, model::LiveInput, prepare};
use crate::platforms::{Failure, Judgement, Repair, Run, State, Truth};

/// Between looks at what is live: 12 calls in five minutes of the account's 1200.
const LIVE: Duration = Duration::from_secs(25);
/// Until it is live; then with less hope.
const SOON: [(i64, Duration); 3] =
    [(30_000, Duration::from_secs(1)), (120_000, Duration::from_secs(3)), (i64::MAX, Duration::from_secs(10))];
/// Before our stream comes; the first acknowledged media ends the wait.
const IDLE: Duration = Duration::from_secs(30);
/// While our stream is gone.
const SILENT: Duration = Duration::from_secs(10);
/// Media takes so long to show up; after that it is worth a sentence.
const PATIENCE_MS: i64 = 15_000;
/// Cloudflare sees nothing of what we publish: a new connection may help.
const RECONNECT_MS: i64 = 60_000;

pub(super) async fn look(cloudflare: &Cloudflare, run: &Run, now_ms: i64) -> Result<Truth, Failure> {
    let mut memory = Memory::of(run);
    let has_published = memory.published == (run.run_ms, run.take);
    let Some(uid) = memory.uid.clone().filter(|_| run.publishing_ms > 0 || has_published) else {
        return Ok(waiting(IDLE));
    };
    if run.publishing_ms == 0 {
        return silent(run, cloudflare.api.input(run, &uid).await?).await;
    }
    if !has_published {
        memory.published = (run.run_ms, run.take);
        memory.save(run).await?;
    }
    let base = cloudflare.customer.base(&uid, memory.code.as_deref());
    let live = match &base {
        Some(base) => cloudflare.customer.cycle(base).await.ok().map(|cycle| cycle.live),
        None => None,
    };
    let input = match live {
        Some(true) if !cloudflare.api.has_spare() => None,
        Some(true) => match cloudflare.api.input(run, &uid).await {
            Ok(input) => Some(input),
            Err(failure) => return Ok(seen_from_outside(cloudflare, base.as_deref(), Some(failure)).await),
        },
        _ => Some(cloudflare.api.input(run, &uid).await?),
    };
    let Some(input) = input else { return Ok(seen_from_outside(cloudflare, base.as_deref(), None).await) };
    let seen = Seen::of(input.as_ref(), live, now_ms - run.publishing_ms);
    let mut truth = judge(&seen);
    if truth.state == State::Live {
        truth.viewers = viewers(cloudflare, base.as_deref()).await;
        // An orphan does no harm to viewers: what can't be tidied now is tidied later.
        let _ = prepare::tidy(cloudflare, run, &mut memory).await;
    }
    Ok(truth)
}

fn waiting(again: Duration) -> Truth {
    Truth { state: State::Waiting, again: Some(again), ..Truth::default() }
}

/// Our stream is gone for now. An input that was deleted, disabled or given another key does not take it back.
async fn silent(run: &Run, input: Option<LiveInput>) -> Result<Truth, Failure> {
    let input = match input {
        Some(input) if input.enabled => input,
        other => return Ok(judge(&Seen::of(other.as_ref(), None, 0))),
    };
    let mut truth = waiting(SILENT);
    let kept = run.book.key().await?;
    if input.publish_to().is_some_and(|(_, key)| kept.is_none_or(|kept| kept.expose() != key.expose())) {
        let message = "The stream key was changed at Cloudflare. The new one is taken by itself.";
        truth.repair = Some(Repair::Renew);
        truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
    }
    Ok(truth)
}

async fn viewers(cloudflare: &Cloudflare, base: Option<&str>) -> u64 {
    match base {
        Some(base) => cloudflare.customer.viewers(base).await.unwrap_or(0),
        None => 0,
    }
}

/// Live by the word of `/lifecycle` alone.
async fn seen_from_outside(cloudflare: &Cloudflare, base: Option<&str>, failure: Option<Failure>) -> Truth {
    let viewers = viewers(cloudflare, base).await;
    let again = failure.as_ref().and_then(|failure| failure.after).unwrap_or(LIVE).max(LIVE);
    let fault = failure.map(|failure| failure.fault);
    Truth { state: State::Live, viewers, fault, again: Some(again), ..Truth::default() }
}

/// What was seen.
struct Seen<'a> {
    /// `None`: it is gone.
    input: Option<&'a LiveInput>,
    /// `/lifecycle`, if it could be asked.
    live: Option<bool>,
    publishing_for_ms: i64,
}

impl<'a> Seen<'a> {
    fn of(input: Option<&'a LiveInput>, live: Option<bool>, publishing_for_ms: i64) -> Self {
        Self { input, live, publishing_for_ms }
    }
}

fn judge(seen: &Seen<'_>) -> Truth {
    let Some(input) = seen.input else {
        let message = "The live input was deleted at Cloudflare. A new one is made by itself.";
        return ended(Repair::Renew, Retry::Transient, message);
    };
    if !input.enabled {
        let message = "The live input was disabled at Cloudflare, which ends the broadcast. Start the destination again \
                       to enable it.";
        return ended(Repair::Ask, Retry::Permanent, message);
    }
    let connected = input.status.is_connected();
    let shown = if input.records() { seen.live.unwrap_or(connected) } else { connected };
    let complaint = input.status.error.as_deref().map(complaint);
    let mut truth = Truth {
        state: if shown { State::Live } else { State::Waiting },
        health: if connected { Judgement::Good } else { Judgement::Bad },
        again: Some(if shown { LIVE } else { soon(seen.publishing_for_ms) }),
        ..Truth::default()
    };
    if let Some(fault) = complaint {
        truth.health = Judgement::Bad;
        truth.issues.push(fault.message.clone());
        if !connected {
            (truth.repair, truth.fault) = (Some(Repair::Ask), Some(fault));
        }
        return truth;
    }
    if connected {
        if !shown && seen.publishing_for_ms > PATIENCE_MS {
            truth.issues.push("Cloudflare receives the stream and does not show it yet.".to_owned());
        }
    } else if seen.publishing_for_ms > PATIENCE_MS {
        truth.issues.push(sentence(input.status.word.as_deref()));
        if !shown && seen.publishing_for_ms > RECONNECT_MS {
            let message = format!("{} The connection is made anew.", sentence(input.status.word.as_deref()));
            truth.repair = Some(Repair::Reconnect);
            truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
        }
    } else {
        truth.health = Judgement::Unknown;
    }
    truth
}

fn ended(repair: Repair, retry: Retry, message: &str) -> Truth {
    let fault = Fault::new(Blame::Platform, retry, "broadcast_ended", message);
    let (repair, again) = (Some(repair), Some(LIVE));
    Truth { state: State::Ended, repair, fault: Some(fault), again, ..Truth::default() }
}

fn soon(publishing_for_ms: i64) -> Duration {
    let step = SOON.iter().find(|(until, _)| publishing_for_ms < *until);
    step.map_or(LIVE, |(_, step)| *step)
}

/// A status word for people. Source: the enumeration in Cloudflare's OpenAPI file.
fn sentence(word: Option<&str>) -> String {
    let text = match word {
        None => "Cloudflare has not seen our stream yet.",
        Some("reconnecting") => "Cloudflare has lost our stream and waits for it to come back.",
        Some("client_disconnect") => "Cloudflare says that our connection was closed.",
        Some("ttl_exceeded") => "Cloudflare ended the connection because it lasted as long as one may.",
        Some("failed_to_connect") => "Cloudflare could not take our stream in.",
        Some("failed_to_reconnect") => "Cloudflare waited for our stream to come back, in vain.",
        Some(_) => "Cloudflare does not receive our stream properly.",
    };
    text.to_owned()
}

/// What Cloudflare has against the stream. Source: the notifications' `live_input_errored.error.code`.
fn complaint(code: &str) -> Fault {
    let (stable, text) = match code {
        "ERR_GOP_OUT_OF_RANGE" => (
            "platform_rejects_stream",
            "Cloudflare wants a keyframe every 2 to 10 seconds: set the encoder's keyframe interval to 2 s.",
        ),
        "ERR_UNSUPPORTED_VIDEO_CODEC" => {
            ("platform_rejects_stream", "Cloudflare takes H.264 video only: change the encoder's codec.")
        }
        "ERR_UNSUPPORTED_AUDIO_CODEC" => {
            ("platform_rejects_stream", "Cloudflare takes AAC audio only: change the encoder's codec.")
        }
        "ERR_STORAGE_QUOTA_EXHAUSTED" => (
            "platform_refused",
            "The storage of the Cloudflare account is used up: delete recordings, buy more, or switch recording off.",
        ),
        "ERR_MISSING_SUBSCRIPTION" => {
            ("platform_refused", "The Cloudflare account has no Stream subscription: its operator must add one.")
        }
        "ERR_UNHEALTHY" => (
            "platform_rejects_stream",
            "Cloudflare finds the stream unhealthy: check that it arrives steadily, with video and audio.",
        ),
        _ => ("platform_rejects_stream", "Cloudflare does not take the stream as it is: check the encoder's settings."),
    };
    Fault::new(Blame::Platform, Retry::Permanent, stable, text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(input: Value, live: Option<bool>, publishing_for_ms: i64) -> String {
        let input: Option<LiveInput> = serde_json::from_value(input).unwrap();
        let truth = judge(&Seen::of(input.as_ref(), live, publishing_for_ms));
        let fault = truth.fault.map(|fault| fault.code).unwrap_or_default();
        format!("{:?} {:?} {:?} issues={} {fault}", truth.state, truth.health, truth.repair, truth.issues.len())
    }

    #[test]
    fn what_is_seen_decides() {
        let input = |status: &str, mode: &str| json!({"uid": "u", "recording": {"mode": mode}, "status": status});
        let check = |got: String, expected: &str| assert_eq!(got.trim_end(), expected);
        let (recorded, plain) = (input("connected", "automatic"), input("connected", "off"));
        check(line(recorded.clone(), Some(true), 1_000), "Live Good None issues=0");
        check(line(recorded.clone(), Some(false), 1_000), "Waiting Good None issues=0");
        check(line(recorded.clone(), Some(false), 20_000), "Waiting Good None issues=1");
        check(line(recorded, None, 1_000), "Live Good None issues=0");
        check(line(plain, Some(false), 1_000), "Live Good None issues=0");
        let lost = input("reconnecting", "automatic");
        check(line(lost.clone(), Some(true), 20_000), "Live Bad None issues=1");
        check(line(lost.clone(), Some(false), 1_000), "Waiting Unknown None issues=0");
        check(line(lost, Some(false), 61_000), "Waiting Bad Some(Reconnect) issues=1 platform_rejects_stream");
        check(line(Value::Null, None, 1_000), "Ended Unknown Some(Renew) issues=0 broadcast_ended");
        let disabled = json!({"uid": "u", "enabled": false, "status": "connected"});
        check(line(disabled, Some(true), 1_000), "Ended Unknown Some(Ask) issues=0 broadcast_ended");
        let unfit = json!({"uid": "u", "recording": {"mode": "automatic"},
            "status": {"current": {"state": "failed_to_connect", "reason": "ERR_UNSUPPORTED_VIDEO_CODEC"}}});
        check(line(unfit, Some(false), 1_000), "Waiting Bad Some(Ask) issues=1 platform_rejects_stream");
    }
}
