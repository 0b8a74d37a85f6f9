//! Ending a broadcast, whatever state it is in: complete what was live, delete what never was.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    broadcast,
    fault::Problem,
    model::Life,
    progress::{Stale, Work},
};
use crate::platforms::Failure;

/// One that is on its way to live can be ended only afterwards: it is looked at so often …
const LOOKS: u32 = 12;
/// … with this pause. Going live takes 5 to 10 s; a longer one is met by the caller's next attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts at an earlier take's broadcast before the present one is prepared in spite of it.
const ATTEMPTS: u32 = 3;
/// Attempts before it is left to the person, who has been told.
const GIVE_UP: u32 = 20;

/// Ends it; `Ok` when YouTube says that it is over, or does not know it.
pub(super) async fn end(work: &Work<'_>, id: &str, mut patience: u32) -> Result<(), Problem> {
    let mut refused = None;
    for _ in 0..LOOKS {
        let found = work.channel.broadcasts("id,status", &[id]).await?.pop();
        let Some(life) = found.map(|found| found.status.unwrap_or_default().life_cycle_status) else { return Ok(()) };
        let answer = match life {
            life if life.is_over() => return Ok(()),
            Life::Created | Life::Ready => work.channel.delete_broadcast(id).await,
            life if life.is_starting() && patience > 0 => {
                patience -= 1;
                sleep(PAUSE).await;
                continue;
            }
            life if life.is_starting() => work.channel.delete_broadcast(id).await,
            _ => complete(work, id).await,
        };
        match answer {
            Ok(()) => return Ok(()),
            Err(problem) if problem.is_missing() || problem.is(&["redundantTransition"]) => return Ok(()),
            // It has moved on meanwhile, or the answer was lost: read again.
            Err(problem) if refused.is_none() && (is_about_state(&problem) || problem.failure.ambiguous) => {
                refused = Some(problem);
            }
            Err(problem) => return Err(on_its_way(problem)),
        }
    }
    Err(refused.map_or_else(|| Failure::transient("platform_unavailable", WAY).into(), on_its_way))
}

const WAY: &str = "The broadcast is on its way to live and can't be ended yet. It is tried again by itself.";

async fn complete(work: &Work<'_>, id: &str) -> Result<(), Problem> {
    work.channel.transition(id, "complete").await.map(|_| ())
}

fn is_about_state(problem: &Problem) -> bool {
    problem.is(&["invalidTransition", "liveBroadcastDeletionNotAllowed", "errorStreamInactive"])
}

/// A state that does not allow it now will allow it later.
fn on_its_way(problem: Problem) -> Problem {
    if is_about_state(&problem) {
        let failure = Failure::transient("platform_unavailable", WAY).after(Some(Duration::from_secs(2)));
        return Problem { failure, ..problem };
    }
    problem
}

/// Ends what earlier takes left open. What can't be ended after some attempts is tried again later.
pub(super) async fn stale(work: &mut Work<'_>, patience: u32) -> Result<(), Problem> {
    let mut left = Vec::new();
    let mut waiting = None;
    for mut old in std::mem::take(&mut work.progress.stale) {
        let Err(problem) = end_old(work, &old, patience).await else { continue };
        old.attempts += 1;
        if old.attempts < ATTEMPTS && problem.failure.is_transient() && !problem.is_quota() {
            waiting = Some(problem);
        } else {
            work.progress.note("An earlier broadcast could not be ended yet: look for it in YouTube Studio.");
        }
        if old.attempts < GIVE_UP {
            left.push(old);
        }
    }
    work.progress.stale = left;
    work.save().await?;
    waiting.map_or(Ok(()), Err)
}

async fn end_old(work: &Work<'_>, old: &Stale, patience: u32) -> Result<(), Problem> {
    if let Some(id) = &old.id {
        end(work, id, patience).await?;
    }
    sweep(work, old).await
}

/// So long after it was sent a broadcast is waited for, that its end is not missed: the call's own bound and some more.
const LATE_MS: i64 = 20_000;

/// Deletes what sendings without an answer have made beside the known broadcast. With one intent, answered, there is
/// nothing to look for.
async fn sweep(work: &Work<'_>, old: &Stale) -> Result<(), Problem> {
    if old.intents.is_empty() || (old.id.is_some() && !old.intents.iter().any(|intent| intent.doubtful)) {
        return Ok(());
    }
    let found = broadcast::ours(work, &old.intents).await?;
    for id in found.iter().filter(|id| Some(*id) != old.id.as_ref()) {
        broadcast::delete(work, id).await?;
    }
    if found.is_empty() && old.id.is_none() { expect_it(work, old) } else { Ok(()) }
}

/// A sending without an answer may still come true: the end waits for it.
fn expect_it(work: &Work<'_>, old: &Stale) -> Result<(), Problem> {
    let sent_ms = old.intents.iter().map(|intent| intent.sent_ms).max().unwrap_or_default();
    let left_ms = sent_ms + LATE_MS - work.now_ms();
    if left_ms <= 0 {
        return Ok(());
    }
    let message = "YouTube has not said whether it made the broadcast. It is looked for again, to end it.";
    let pause = std::time::Duration::from_millis(left_ms.unsigned_abs().min(2_000));
    Err(Failure::transient("platform_unavailable", message).after(Some(pause)).into())
}

/// Ends what the present take has.
pub(super) async fn present(work: &Work<'_>, patience: u32) -> Result<(), Problem> {
    let present = Stale { id: work.progress.broadcast_id.clone(), intents: work.progress.intents.clone(), attempts: 0 };
    end_old(work, &present, patience).await
}
