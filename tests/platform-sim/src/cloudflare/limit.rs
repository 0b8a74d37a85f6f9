//! 1200 calls in five minutes; one more blocks everything for five minutes.

use crate::{clock::rfc1123, world::World};

const WINDOW_MS: i64 = 300_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    since: i64,
    calls: u32,
    blocked_until: i64,
}

/// Counts a call of this token. Whether it is allowed, and headers for its answer.
pub(super) fn take(world: &mut World, token: &str) -> (bool, Vec<(&'static str, String)>) {
    let (now, limit) = (world.now, world.options.limits.cloudflare_calls);
    let window = world.cloudflare.windows.entry(token.to_owned()).or_default();
    if now - window.since >= WINDOW_MS && now >= window.blocked_until {
        *window = Window { since: now, ..Window::default() };
    }
    window.calls = window.calls.saturating_add(1);
    if window.calls > limit && window.blocked_until == 0 {
        window.blocked_until = now + WINDOW_MS;
    }
    let allowed = now >= window.blocked_until && window.calls <= limit;
    let resets = if allowed { window.since + WINDOW_MS } else { window.blocked_until };
    let mut headers = vec![
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", limit.saturating_sub(window.calls).to_string()),
        ("x-ratelimit-reset", rfc1123(resets)),
    ];
    if !allowed {
        headers.push(("retry-after", ((resets - now + 999) / 1_000).to_string()));
    }
    (allowed, headers)
}
