//! Ends what was made; see [`crate::platforms::Lifecycle::finish`].

use super::{end, fault::Problem, progress::Work};
use crate::platforms::Failure;

/// Looks at a broadcast that is on its way to live. The state lasts 5 to 10 s as a rule.
const PATIENCE: u32 = 10;

/// Ends the take's broadcast, and those of earlier takes that are still open.
pub(super) async fn finish(mut work: Work<'_>) -> Result<(), Failure> {
    let account = work.run.account.as_ref().map(|account| account.external_id.as_str()).unwrap_or_default();
    if work.progress.account != account {
        return Ok(()); // nothing of this account was made
    }
    Ok(all(&mut work).await?)
}

async fn all(work: &mut Work<'_>) -> Result<(), Problem> {
    if !work.progress.ended {
        end::present(work, PATIENCE).await?;
        work.progress.ended = true;
        work.save().await?;
    }
    if !work.progress.stale.is_empty() {
        end::stale(work, PATIENCE).await?;
    }
    if work.progress.stale.is_empty() { Ok(()) } else { Err(still_open().into()) }
}

/// An earlier broadcast could not be ended now: for want of quota, or because YouTube refuses.
fn still_open() -> Failure {
    let message = "An earlier broadcast could not be ended on YouTube yet. It is tried again by itself.";
    Failure::transient("platform_unavailable", message).after(Some(std::time::Duration::from_secs(60)))
}
