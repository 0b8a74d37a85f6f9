//! Viewer counts that move: a growing audience with a slow swing, different for each broadcast.

use std::time::Duration;

use crate::clock::millis;

/// Viewers of `id` after `live_ms` of being live; nobody before `lag`.
pub(crate) fn count(id: &str, live_ms: i64, lag: Duration) -> u64 {
    let watched = live_ms - millis(lag);
    if watched < 0 {
        return 0;
    }
    let base = 20 + id.bytes().fold(7u64, |sum, byte| (sum * 31 + u64::from(byte)) % 97);
    let minutes = watched.unsigned_abs() / 60_000;
    let swing = (watched.unsigned_abs() / 700) % 24; // up and down once in about 17 s
    base + minutes.min(500) + swing.min(24 - swing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_then_somebody_then_more() {
        let lag = Duration::from_secs(1);
        let at = |ms| count("abc", ms, lag);
        assert_eq!((at(0), at(999)), (0, 0));
        assert!(at(1_000) > 0 && at(5_000) > at(1_000) && at(7_200_000) > at(5_000));
    }
}
