//! When YouTube is asked. Pure.
//!
//! A unit is a call, and a day of one stream may use a tenth of the project's 10 000. Right after something happened much
//! can change, later little: the pause grows with the time that nothing has happened, up to a bound. A quiet day costs
//! 2 × 24 h / 5 min = 576 calls and some 60 at its beginning.

use std::time::Duration;

/// Pauses before it is live: a fifth of the time for which media has been sent.
const WAITING: (i64, i64) = (500, 60_000);
/// Pauses between looks at viewers (which also tell an end) and health, together.
const LIVE: (i64, i64) = (2_000, 300_000);
/// Pauses between looks at the health of a stream that is not well.
const UNWELL: (i64, i64) = (5_000, 120_000);
const PART: i64 = 5;
/// After a publish began it is looked at so much later in any case: at once, when silence counts (see
/// [`super::watch`]), and when an automatic end would have come.
const CHECKS: [i64; 3] = [0, 15_500, 62_000];

fn pause(age_ms: i64, (least, most): (i64, i64)) -> i64 {
    (age_ms / PART).clamp(least, most)
}

/// When each kind of look is due, ms since 1970; `i64::MAX` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub broadcast: i64,
    pub stream: i64,
    pub video: i64,
}

impl Due {
    pub const NEVER: Self = Self { broadcast: i64::MAX, stream: i64::MAX, video: i64::MAX };

    /// The first of them.
    pub fn first(self) -> i64 {
        self.broadcast.min(self.stream).min(self.video)
    }
}

/// When each was asked last, ms since 1970; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub broadcast: i64,
    pub stream: i64,
    pub video: i64,
}

/// Media is being sent and viewers do not see it yet; `since_ms` is when this was first so.
pub(super) fn waiting(asked: Asked, since_ms: i64) -> Due {
    let next = |last: i64| if last < since_ms { since_ms } else { last + pause(last - since_ms, WAITING) };
    Due { broadcast: next(asked.broadcast), stream: next(asked.stream), video: i64::MAX }
}

/// Live since `live_ms`; unwell since `unwell_ms`, if it is.
pub(super) fn live(asked: Asked, publishing_ms: i64, live_ms: i64, unwell_ms: Option<i64>) -> Due {
    let check = |last: i64| next_check(last, publishing_ms);
    // Both together, so that no look answers for one of them from memory alone.
    let last = asked.stream.min(asked.video);
    let both = last + pause(last - live_ms, LIVE);
    let health = unwell_ms.map_or(both, |since| asked.stream + pause(asked.stream - since, UNWELL));
    Due { broadcast: check(asked.broadcast), stream: health.min(both).min(check(asked.stream)), video: both }
}

/// The first of [`CHECKS`] after `last`.
fn next_check(last: i64, publishing_ms: i64) -> i64 {
    if publishing_ms == 0 {
        return i64::MAX;
    }
    CHECKS.into_iter().map(|check| publishing_ms + check).find(|at| *at > last).unwrap_or(i64::MAX)
}

/// From now until then; a little at least, an hour at most.
pub(super) fn until(then_ms: i64, now_ms: i64) -> Duration {
    let wait = then_ms.saturating_sub(now_ms).clamp(100, 3_600_000);
    Duration::from_millis(u64::try_from(wait).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_435_200_000;

    #[test]
    fn fast_at_first_then_slower() {
        let mut asked = Asked::default();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            let at = waiting(asked, START).first();
            pauses.push(at - asked.stream);
            (asked.broadcast, asked.stream) = (at, at);
        }
        assert_eq!(asked.stream - START, 32_088);
        assert_eq!(&pauses[1..7], [500, 500, 500, 500, 500, 500]);
        assert!(pauses[2..].windows(2).all(|two| two[0] <= two[1]));
    }

    #[test]
    fn a_quiet_day_costs_less_than_seven_hundred_calls() {
        let mut asked = Asked { broadcast: START + 1_000, stream: START + 1_000, video: 0 };
        let (mut calls, mut now) = (0, START + 1_000);
        while now < START + 86_400_000 {
            let due = live(asked, START, START + 1_000, None);
            now = due.first().max(now);
            for (last, due) in
                [(&mut asked.broadcast, due.broadcast), (&mut asked.stream, due.stream), (&mut asked.video, due.video)]
            {
                if due <= now {
                    *last = now;
                    calls += 1;
                }
            }
        }
        assert!((600..700).contains(&calls), "{calls}");
    }

    #[test]
    fn a_new_publish_is_looked_at_soon() {
        let asked = Asked { broadcast: START, stream: START, video: START };
        let due = live(asked, START + 7_000, START - 86_400_000, None);
        assert_eq!((due.broadcast, due.stream), (START + 7_000, START + 7_000));
        let asked = Asked { broadcast: START + 7_000, stream: START + 7_000, ..asked };
        assert_eq!(live(asked, START + 7_000, START - 86_400_000, None).broadcast, START + 22_500);
    }
}
