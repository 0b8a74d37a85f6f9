//! How much of the hourly allowance is used, and the app secret proof.

use ring::hmac;
use serde_json::json;

use super::Call;
use crate::world::World;

const HOUR_MS: i64 = 3_600_000;

/// Calls in the current hour.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    since: i64,
    calls: u32,
}

/// Counts the call. Whether it is allowed, and the usage header for its answer.
pub(super) fn count(world: &mut World, call: &Call<'_>) -> (bool, &'static str, String) {
    let (now, limit) = (world.now, world.options.limits.facebook_calls);
    let whose = call.access.page.clone().unwrap_or_default();
    let usage = world.facebook.usage.entry(whose.clone()).or_default();
    if now - usage.since >= HOUR_MS {
        *usage = Usage { since: now, calls: 0 };
    }
    usage.calls += 1;
    let percent = u64::from(usage.calls) * 100 / u64::from(limit.max(1));
    let allowed = usage.calls <= limit;
    let minutes = if allowed { 0 } else { (HOUR_MS - (now - usage.since)) / 60_000 + 1 };
    let mut numbers = json!({"call_count": percent, "total_time": percent / 2, "total_cputime": percent / 2});
    if whose.is_empty() {
        return (allowed, "x-app-usage", numbers.to_string());
    }
    numbers["type"] = "pages".into();
    numbers["estimated_time_to_regain_access"] = minutes.into();
    let by_page = serde_json::Map::from_iter([(whose, json!([numbers]))]);
    (allowed, "x-business-use-case-usage", serde_json::Value::Object(by_page).to_string())
}

/// Hex HMAC-SHA256 of the token, keyed with the app secret.
pub(super) fn proof(world: &World, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, world.options.facebook.client_secret.as_bytes());
    hmac::sign(&key, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
