//! How much of the account's allowance is left: as the answers say, and as we count, since not every answer says it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::http::Reply;

/// Calls in a window. Source: developers.cloudflare.com/fundamentals/api/reference/limits
const CALLS: i64 = 1_200;
const WINDOW_MS: i64 = 300_000;
/// How long everything is blocked after too many calls, when the answer does not say.
const BLOCKED: Duration = Duration::from_secs(300);
/// Below this share of the allowance, in percent, only what is needed to go live is asked.
const SPARE_PERCENT: i64 = 25;

/// Of one account, as far as this process knows.
#[derive(Debug)]
pub(super) struct Allowance(Mutex<Counted>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    since_ms: i64,
    calls: i64,
    told_percent: i64,
    paused_until_ms: i64,
}

impl Allowance {
    pub fn new() -> Self {
        Self(Mutex::new(Counted { since_ms: 0, calls: 0, told_percent: 100, paused_until_ms: 0 }))
    }

    /// Counts a call, or says how long to wait.
    pub fn take(&self, now_ms: i64) -> Result<(), Duration> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pause_ms = counted.paused_until_ms - now_ms;
        if pause_ms > 0 {
            return Err(Duration::from_millis(pause_ms.unsigned_abs()));
        }
        if now_ms - counted.since_ms >= WINDOW_MS {
            (counted.since_ms, counted.calls, counted.told_percent) = (now_ms, 0, 100);
        }
        counted.calls += 1;
        Ok(())
    }

    /// Remembers what an answer says of it.
    pub fn note(&self, reply: &Reply, now_ms: i64) {
        let number = |name: &str| reply.header(name).and_then(|text| text.parse::<i64>().ok());
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(limit @ 1..), Some(left)) = (number("x-ratelimit-limit"), number("x-ratelimit-remaining")) {
            counted.told_percent = left.saturating_mul(100) / limit;
        }
        if reply.status.as_u16() == 429 {
            let pause = reply.retry_after().unwrap_or(BLOCKED).min(BLOCKED);
            let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(WINDOW_MS);
            counted.paused_until_ms = counted.paused_until_ms.max(now_ms.saturating_add(pause_ms));
            tracing::warn!(pause_s = pause.as_secs(), "Cloudflare refuses calls for a while");
        }
    }

    /// Whether there are calls for what is only nice to know.
    pub fn has_spare(&self) -> bool {
        let counted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own_percent = (CALLS - counted.calls) * 100 / CALLS;
        own_percent.min(counted.told_percent) > SPARE_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};

    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.collect();
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new().into() }
    }

    #[test]
    fn our_own_count_holds_without_a_word() {
        let allowance = Allowance::new();
        for _ in 0..880 {
            allowance.take(1_000_000).unwrap();
        }
        assert!(allowance.has_spare());
        for _ in 0..30 {
            allowance.take(1_000_000).unwrap();
        }
        assert!(!allowance.has_spare());
        allowance.take(1_300_000).unwrap();
        assert!(allowance.has_spare(), "the next window");
    }

    #[test]
    fn the_answers_word_counts() {
        let allowance = Allowance::new();
        allowance.note(&reply(200, &[("x-ratelimit-limit", "1200"), ("x-ratelimit-remaining", "200")]), 0);
        assert!(!allowance.has_spare());
        allowance.note(&reply(429, &[("retry-after", "17")]), 1_000);
        assert_eq!(allowance.take(2_000), Err(Duration::from_secs(16)));
        assert_eq!(allowance.take(18_000), Ok(()));
        allowance.note(&reply(429, &[]), 20_000);
        assert_eq!(allowance.take(21_000), Err(Duration::from_secs(299)));
    }
}
