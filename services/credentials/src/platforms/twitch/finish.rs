//! Twitch has no call for the end: the end of the publish was the end. What is left is to hear it from Twitch.

use std::time::Duration;

use tokio::time::sleep;

use super::{Memory, Twitch, account};
use crate::platforms::{Failure, Run};

/// Looks in a row.
const LOOKS: u32 = 5;
/// Between two of them.
const STEP: Duration = Duration::from_millis(400);
/// A channel with disconnect protection shows a slate for up to 90 s. Nobody waits for that: our stream is over.
const PATIENCE_MS: i64 = 10_000;

pub(super) async fn finish(twitch: &Twitch, run: &Run) -> Result<(), Failure> {
    let mut memory = Memory::of(run);
    let Ok(user) = account(run) else { return Ok(()) };
    if run.publishing_ms == 0 && memory.published != (run.run_ms, run.take) {
        return Ok(());
    }
    for _ in 0..LOOKS {
        // Nothing is left to be ended, so nobody has to wait for a Twitch that does not answer either.
        let shown = twitch.api.streams(run, &user.external_id, &[&user.external_id]).await;
        if !shown.is_ok_and(|streams| streams.iter().any(|stream| stream.user_id == user.external_id)) {
            return Ok(());
        }
        sleep(STEP).await;
    }
    let now_ms = twitch.clock.now_ms();
    if memory.finishing.0 != run.run_ms {
        memory.finishing = (run.run_ms, now_ms);
        memory.save(run).await?;
    }
    if now_ms - memory.finishing.1 >= PATIENCE_MS {
        return Ok(());
    }
    let message = "Twitch still shows the channel as live. It is asked again by itself.";
    Err(Failure::transient("platform_unavailable", message).after(Some(STEP)))
}
