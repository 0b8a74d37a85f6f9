//! Asks Cloudflare how a live input is: first what viewers can ask without a token, then, where that is not enough, the
//! API with its limit.

use std::time::Duration;

use domain::fault::{Blame, Fault, Retry};

use super::{
    Cloudflare, Memory,
    judge::{LIVE, PATIENCE_MS, Seen, judge, soon},
    model::LiveInput,
    prepare,
};
use crate::platforms::{Failure, Repair, Run, State, Truth};

/// Before our stream comes; the first acknowledged media ends the wait.
const IDLE: Duration = Duration::from_secs(30);
/// While it is not live, and the API has to be asked about it; and when there are few calls left.
const ASKED: Duration = Duration::from_secs(1);
const SCARCE: Duration = Duration::from_secs(10);
/// While our stream is gone.
const SILENT: Duration = Duration::from_secs(10);

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
        Some(true) if !cloudflare.api.has_spare() => {
            return Ok(seen_from_outside(cloudflare, base.as_deref(), None).await);
        }
        Some(true) => match cloudflare.api.input(run, &uid).await {
            Ok(input) => input,
            Err(failure) => return Ok(seen_from_outside(cloudflare, base.as_deref(), Some(failure)).await),
        },
        // It takes some seconds until a stream is shown: no reason to ask more.
        Some(false) if run.settings.recording.unwrap_or(true) => {
            let absent_ms = remember(run, &mut memory, false, now_ms).await?;
            if absent_ms < PATIENCE_MS {
                return Ok(waiting(soon(absent_ms)));
            }
            cloudflare.api.input(run, &uid).await?
        }
        _ => cloudflare.api.input(run, &uid).await?,
    };
    let mut seen = Seen { input: input.as_ref(), live, absent_ms: 0 };
    seen.absent_ms = remember(run, &mut memory, seen.is_shown(), now_ms).await?;
    let mut truth = judge(&seen);
    if truth.state == State::Live {
        truth.viewers = viewers(cloudflare, base.as_deref()).await;
        // An orphan does no harm to viewers: what can't be tidied now is tidied later.
        let _ = prepare::tidy(cloudflare, run, &mut memory).await;
    } else {
        let pause = if cloudflare.api.has_spare() { ASKED } else { SCARCE };
        truth.again = truth.again.max(Some(pause));
    }
    Ok(truth)
}

/// How long it has not been shown.
async fn remember(run: &Run, memory: &mut Memory, is_shown: bool, now_ms: i64) -> Result<i64, Failure> {
    let before = memory.presence;
    let absent_ms = memory.presence.seen(is_shown, run.publishing_ms, now_ms);
    if memory.presence != before {
        memory.save(run).await?;
    }
    Ok(absent_ms)
}

fn waiting(again: Duration) -> Truth {
    Truth { state: State::Waiting, again: Some(again), ..Truth::default() }
}

/// Our stream is gone for now. An input that was deleted, disabled or given another key does not take it back.
async fn silent(run: &Run, input: Option<LiveInput>) -> Result<Truth, Failure> {
    let input = match input {
        Some(input) if input.enabled => input,
        other => return Ok(judge(&Seen { input: other.as_ref(), live: None, absent_ms: 0 })),
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
