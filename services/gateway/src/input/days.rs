//! A span of days in a query: `from` is the first, `to` the one after the last.

use time::{Date, Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::query::Query;
use crate::{codes::INVALID, error::ApiError};

/// YYYY-MM-DD.
const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// How many days one question may cover (Cloudflare's GraphQL).
const MOST_DAYS: i64 = 31;
/// How long figures are kept (Cloudflare's GraphQL).
const KEPT_DAYS: i64 = 90;
/// When `from` is left out.
const DEFAULT_DAYS: i64 = 7;

/// Some days, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The one after the last.
    pub to: Date,
}

impl Days {
    /// Reads `from` and `to`.
    ///
    /// # Errors
    /// 422 with the parameter at fault.
    pub fn read(query: &Query, now_s: i64) -> Result<Self, ApiError> {
        let today = OffsetDateTime::from_unix_timestamp(now_s).map_err(|_| ApiError::internal())?.date();
        let tomorrow = later(today, 1)?;
        let to = day(query, "to")?.unwrap_or(tomorrow);
        if to > tomorrow {
            return Err(ApiError::field("to", INVALID, "must not be after tomorrow"));
        }
        let from = day(query, "from")?.map_or_else(|| later(to, -DEFAULT_DAYS), Ok)?;
        let days = (to - from).whole_days();
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(ApiError::field("from", INVALID, format!("must be 1 to {MOST_DAYS} days before to")));
        }
        if (today - from).whole_days() > KEPT_DAYS {
            return Err(ApiError::field("from", INVALID, format!("must be within the last {KEPT_DAYS} days")));
        }
        Ok(Self { from, to })
    }
}

fn later(date: Date, days: i64) -> Result<Date, ApiError> {
    date.checked_add(Duration::days(days)).ok_or_else(|| ApiError::field("to", INVALID, "is not a day to ask about"))
}

fn day(query: &Query, name: &str) -> Result<Option<Date>, ApiError> {
    let read = |text: &str| {
        Date::parse(text, FORM).map_err(|_| ApiError::field(name, INVALID, "must be a day such as 2026-11-23"))
    };
    query.text(name).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23.
    const NOW_S: i64 = 1_795_450_000;

    fn check(query: &str, expected: Result<(&str, &str), &str>) {
        let query = Query::read(Some(query), &["from", "to"]).unwrap();
        let days = Days::read(&query, NOW_S);
        let got = days.map(|d| (d.from.to_string(), d.to.to_string()));
        let got = got.map_err(|e| e.body("").error.fields[0].field.clone());
        let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).map_err(str::to_owned);
        assert_eq!(got, expected, "{query:?}");
    }

    #[test]
    fn spans() {
        check("", Ok(("2026-11-17", "2026-11-24")));
        check("from=2026-11-01", Ok(("2026-11-01", "2026-11-24")));
        check("to=2026-11-01", Ok(("2026-10-25", "2026-11-01")));
        check("from=2026-10-24&to=2026-11-24", Ok(("2026-10-24", "2026-11-24")));
        check("from=2026-10-23&to=2026-11-24", Err("from"));
        check("from=2026-11-24", Err("from"));
        check("from=2026-11-25", Err("from"));
        check("from=2026-08-01&to=2026-08-20", Err("from"));
        check("to=2026-11-25", Err("to"));
        for bad in ["2026-11-31", "23.11.2026", "2026-1-1", "", "2026-11-23T00:00:00Z", "-262144-01-01"] {
            check(&format!("from={bad}"), Err("from"));
        }
        check("to=0000-01-01", Err("from"));
    }
}
