//! The calendar of Los Angeles, by which Google resets its quotas: "midnight Pacific Time"
//! (developers.google.com/youtube/v3/getting-started).
//!
//! Summer time runs from 2 o'clock on the second Sunday of March to 2 o'clock on the first Sunday of November
//! (15 U.S.C. § 260a). Both changes lie after midnight, so a midnight exists exactly once.

use std::time::Duration;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset, Weekday};

const STANDARD_HOURS: i8 = -8;
const SUMMER_HOURS: i8 = -7;

/// The date there, `YYYY-MM-DD`.
pub fn day(utc: OffsetDateTime) -> String {
    date(utc).to_string()
}

/// How long until the next midnight there; never zero.
pub fn until_midnight(utc: OffsetDateTime) -> Duration {
    let tomorrow = date(utc).next_day().unwrap_or(Date::MAX);
    let hours = if is_summer_midnight(tomorrow) { SUMMER_HOURS } else { STANDARD_HOURS };
    let midnight = tomorrow.with_time(Time::MIDNIGHT).assume_offset(offset(hours));
    Duration::try_from(midnight - utc).unwrap_or_default().max(Duration::from_secs(1))
}

fn date(utc: OffsetDateTime) -> Date {
    let standard = utc.to_offset(offset(STANDARD_HOURS));
    if is_summer(standard) { utc.to_offset(offset(SUMMER_HOURS)).date() } else { standard.date() }
}

/// Both changes, told in standard time: 2:00 in March, 1:00 (which is 2:00 in summer time) in November.
fn is_summer(standard: OffsetDateTime) -> bool {
    let (from, to) = summer(standard.year());
    let (date, hour) = (standard.date(), standard.hour());
    (date > from || (date == from && hour >= 2)) && (date < to || (date == to && hour < 1))
}

fn is_summer_midnight(date: Date) -> bool {
    let (from, to) = summer(date.year());
    date > from && date <= to
}

fn summer(year: i32) -> (Date, Date) {
    (sunday(year, Month::March, 2), sunday(year, Month::November, 1))
}

/// The nth Sunday of a month.
fn sunday(year: i32, month: Month, nth: i64) -> Date {
    let first = Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX);
    let wait = (7 - i64::from(first.weekday().number_days_from_sunday())) % 7;
    let found = first.checked_add(time::Duration::days(wait + 7 * (nth - 1))).unwrap_or(Date::MAX);
    debug_assert_eq!(found.weekday(), Weekday::Sunday);
    found
}

fn offset(hours: i8) -> UtcOffset {
    UtcOffset::from_hms(hours, 0, 0).unwrap_or(UtcOffset::UTC)
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[track_caller]
    fn check(utc: &str, expected_day: &str, expected_midnight: &str) {
        let now = OffsetDateTime::parse(utc, &Rfc3339).unwrap();
        let midnight = (now + until_midnight(now)).format(&Rfc3339).unwrap();
        assert_eq!((day(now).as_str(), midnight.as_str()), (expected_day, expected_midnight), "{utc}");
    }

    #[test]
    fn days_and_midnights() {
        check("2026-11-23T07:59:59Z", "2026-11-22", "2026-11-23T08:00:00Z");
        check("2026-11-23T08:00:00Z", "2026-11-23", "2026-11-24T08:00:00Z");
        check("2026-07-01T06:59:59Z", "2026-06-30", "2026-07-01T07:00:00Z");
        check("2026-12-31T23:00:00Z", "2026-12-31", "2027-01-01T08:00:00Z");
        // The day on which summer begins has 23 hours, the one on which it ends 25.
        check("2026-03-08T08:00:00Z", "2026-03-08", "2026-03-09T07:00:00Z");
        check("2026-03-08T09:59:59Z", "2026-03-08", "2026-03-09T07:00:00Z");
        check("2026-03-08T07:59:59Z", "2026-03-07", "2026-03-08T08:00:00Z");
        check("2026-11-01T06:59:59Z", "2026-10-31", "2026-11-01T07:00:00Z");
        check("2026-11-01T07:00:00Z", "2026-11-01", "2026-11-02T08:00:00Z");
        check("2026-11-01T09:30:00Z", "2026-11-01", "2026-11-02T08:00:00Z");
    }
}
