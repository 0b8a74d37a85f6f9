//! The simulator's clock: it runs with real time, plus what a test added.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Unix time in ms that can be moved forward.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
    offset_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where this process meets real time")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX / 2),
            offset_ms: AtomicI64::new(0),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.started_ms + millis(self.started.elapsed()) + self.offset_ms()
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }

    pub(crate) fn advance_ms(&self, by: i64) -> i64 {
        self.offset_ms.fetch_add(by, Ordering::SeqCst) + by
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// `2026-11-23T12:00:00Z`; whole seconds, as all four platforms write times.
pub(crate) fn rfc3339(ms: i64) -> String {
    at(ms).replace_nanosecond(0).ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}

/// `2026-11-23T12:00:00+0000`, Facebook's form.
pub(crate) fn facebook_time(ms: i64) -> String {
    rfc3339(ms).replace('Z', "+0000")
}

/// RFC 1123, for `x-ratelimit-reset`.
pub(crate) fn rfc1123(ms: i64) -> String {
    let t = at(ms);
    let weekday = &t.weekday().to_string()[..3];
    let month = &t.month().to_string()[..3];
    let (h, m, s) = t.to_hms();
    format!("{weekday}, {:02} {month} {} {h:02}:{m:02}:{s:02} GMT", t.day(), t.year())
}

/// Reads RFC 3339 into Unix ms.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let t = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(t.unix_timestamp_nanos() / 1_000_000).ok()
}

/// The UTC time of Unix ms.
pub(crate) fn at(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_time() {
        let ms = 1_795_435_200_123;
        assert_eq!(rfc3339(ms), "2026-11-23T12:00:00Z");
        assert_eq!(facebook_time(ms), "2026-11-23T12:00:00+0000");
        assert_eq!(rfc1123(ms), "Mon, 23 Nov 2026 12:00:00 GMT");
        assert_eq!(parse_rfc3339("2026-11-23T13:00:00+01:00"), Some(1_795_435_200_000));
    }
}
