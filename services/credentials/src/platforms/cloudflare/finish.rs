//! After the stream: the input stays, is disabled or deleted, as the destination wishes.

use std::time::Duration;

use domain::platform_settings::OnStop;

use super::{
    Cloudflare, Memory,
    model::{LiveInput, Wish},
    prepare,
};
use crate::platforms::{Failure, Run};

/// When to look again whether it has ended.
const AGAIN: Duration = Duration::from_millis(500);
/// So long after the stop somebody else publishes to the input, or Cloudflare is mistaken.
const PATIENCE_MS: i64 = 15_000;

pub(super) async fn finish(cloudflare: &Cloudflare, run: &Run) -> Result<(), Failure> {
    let mut memory = Memory::of(run);
    if memory.uid.is_none() && memory.creating_ms.is_some() {
        // A create is on its way, or was never sent. What it has made stays for the next run, or is found by it.
        memory.doubt_ms = memory.creating_ms;
    }
    match prepare::tidy(cloudflare, run, &mut memory).await {
        Err(failure) if failure.is_transient() => return Err(failure),
        // The input itself is what matters, and the next start tidies too.
        Ok(()) | Err(_) => {}
    }
    let Some(uid) = memory.uid.clone() else { return Ok(()) };
    match run.settings.on_stop.unwrap_or(OnStop::Keep) {
        OnStop::Delete => {
            cloudflare.api.delete(run, &uid).await?;
            memory.uid = None;
            memory.save(run).await
        }
        OnStop::Disable => match cloudflare.api.input(run, &uid).await? {
            Some(input) if input.enabled => disable(cloudflare, run, &input).await,
            _ => Ok(()),
        },
        OnStop::Keep => disconnected(cloudflare, run, &uid, memory).await,
    }
}

async fn disable(cloudflare: &Cloudflare, run: &Run, input: &LiveInput) -> Result<(), Failure> {
    let (name, destination) = (prepare::name(run), run.destination.to_string());
    let wish = Wish { name: &name, destination: &destination, settings: &run.settings, enabled: false };
    cloudflare.api.update(run, &input.uid, &wish.change(input)).await.map(|_| ())
}

/// Waits until Cloudflare knows that our stream is over, but not for long, nor for a Cloudflare that does not answer:
/// nothing is left to be ended.
async fn disconnected(cloudflare: &Cloudflare, run: &Run, uid: &str, mut memory: Memory) -> Result<(), Failure> {
    let Ok(Some(input)) = cloudflare.api.input(run, uid).await else { return Ok(()) };
    if !input.enabled || !input.status.is_connected() {
        return Ok(());
    }
    let now_ms = cloudflare.clock.now_ms();
    if memory.finishing.0 != run.run_ms {
        memory.finishing = (run.run_ms, now_ms);
        memory.save(run).await?;
    }
    if now_ms - memory.finishing.1 >= PATIENCE_MS { Ok(()) } else { Err(still_there()) }
}

fn still_there() -> Failure {
    let message = "Cloudflare still counts our stream as connected. It is asked again by itself.";
    Failure::transient("platform_unavailable", message).after(Some(AGAIN))
}
