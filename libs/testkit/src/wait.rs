//! Waiting for a condition with a deadline: what tests do instead of sleeping.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(10);

/// Polls until `look` returns a value.
///
/// # Errors
/// After `deadline`, with `what` in the text.
pub async fn until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(value) = look().await {
            return Ok(value);
        }
        if began.elapsed() >= deadline {
            bail!("{what}: not within {deadline:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Polls until `look` says true.
///
/// # Errors
/// After `deadline`, with `what` in the text.
pub async fn until_true(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    until(what, deadline, async || look().await.then_some(())).await
}
