//! The project's daily units, counted per Pacific day.

use time::{Date, Duration, Month, OffsetDateTime, Time, Weekday};

use super::error::{self, Refusal};
use crate::clock::at;

#[derive(Debug, Default)]
pub(crate) struct Quota {
    day: Option<Date>,
    /// Spent on this day.
    pub used: u64,
    /// Spent since the start.
    pub total: u64,
    /// Calls refused for want of units.
    pub refused: u64,
}

impl Quota {
    /// Takes `units`, or refuses when the day's are used up.
    pub fn spend(&mut self, units: u64, now: i64, limit: u64) -> Result<(), Refusal> {
        self.turn(now);
        if self.used + units > limit {
            self.refused += 1;
            return Err(error::QUOTA);
        }
        self.used += units;
        self.total += units;
        Ok(())
    }

    /// Leaves only so many units of this day.
    pub fn set_used(&mut self, used: u64, now: i64) {
        self.turn(now);
        self.used = used;
    }

    fn turn(&mut self, now: i64) {
        let day = pacific_day(at(now));
        if self.day.replace(day) != Some(day) {
            self.used = 0;
        }
    }
}

/// The date in Los Angeles.
fn pacific_day(utc: OffsetDateTime) -> Date {
    let hours = if is_summer(utc) { 7 } else { 8 };
    (utc - Duration::hours(hours)).date()
}

/// From the second Sunday of March to the first of November, 2 o'clock local each (10:00 and 09:00 UTC).
fn is_summer(utc: OffsetDateTime) -> bool {
    let bound = |month, sunday: i64, hour| {
        let first = Date::from_calendar_date(utc.year(), month, 1).unwrap_or(utc.date());
        let to_sunday = i64::from((7 - first.weekday().number_days_from_sunday()) % 7);
        debug_assert_eq!((first + Duration::days(to_sunday)).weekday(), Weekday::Sunday);
        (first + Duration::days(to_sunday + 7 * sunday)).with_time(Time::MIDNIGHT).assume_utc() + Duration::hours(hour)
    };
    (bound(Month::March, 1, 10)..bound(Month::November, 0, 9)).contains(&utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_turn_at_pacific_midnight() {
        let day = |text: &str| pacific_day(at(crate::clock::parse_rfc3339(text).unwrap())).to_string();
        assert_eq!(day("2026-11-23T07:59:59Z"), "2026-11-22");
        assert_eq!(day("2026-11-23T08:00:00Z"), "2026-11-23");
        assert_eq!(day("2026-07-01T06:59:59Z"), "2026-06-30");
        assert_eq!(day("2026-07-01T07:00:00Z"), "2026-07-01");
        assert_eq!(day("2026-03-08T09:59:59Z"), "2026-03-08");
    }

    #[test]
    fn units_run_out_and_come_back() {
        let mut quota = Quota::default();
        let noon = 1_795_435_200_000;
        assert!(quota.spend(60, noon, 100).is_ok());
        assert_eq!(quota.spend(50, noon, 100), Err(error::QUOTA));
        assert!(quota.spend(50, noon + 24 * 3_600_000, 100).is_ok());
        assert_eq!((quota.used, quota.total, quota.refused), (50, 110, 1));
    }
}
