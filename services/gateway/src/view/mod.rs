//! What clients see: the JSON of answers. Field names are the product guide's: snake_case for streams and
//! destinations, camelCase for the simulcast.

pub mod account;
pub mod destination;
pub mod effective;
pub mod features;
pub mod health;
pub mod platform;
pub mod simulcast;
pub mod stream;
pub mod test_result;

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

/// A good answer with data.
#[derive(Debug, Serialize, ToSchema)]
pub struct Data<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// What was asked for.
    pub data: T,
}

/// A good answer with one page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// In the order they were made.
    pub data: Vec<T>,
    /// Pass it as `after` to get the next page. Left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A good answer that only says what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// What was done.
    pub message: &'static str,
}

impl<T> Data<T> {
    /// Wraps data.
    pub fn of(data: T) -> Self {
        Self { success: true, data }
    }
}

/// Milliseconds since 1970 as RFC 3339; 0 and impossible times are `None`.
pub fn rfc3339(ms: i64) -> Option<String> {
    if ms <= 0 {
        return None;
    }
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()?.format(&Rfc3339).ok()
}

/// A figure for people: finite, not negative, two decimals.
pub fn figure(value: f64) -> f64 {
    if value.is_finite() { (value.clamp(0.0, 1e12) * 100.0).round() / 100.0 } else { 0.0 }
}

/// Text, or `null` when there is none.
pub fn some_text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_figures() {
        assert_eq!(rfc3339(1_705_320_000_000).as_deref(), Some("2024-01-15T12:00:00Z"));
        assert_eq!(rfc3339(1_705_320_000_250).as_deref(), Some("2024-01-15T12:00:00.25Z"));
        assert_eq!((rfc3339(0), rfc3339(-1), rfc3339(i64::MAX)), (None, None, None));
        let figures = [29.976, f64::NAN, f64::INFINITY, -1.0, 0.0].map(figure);
        assert_eq!(figures, [29.98, 0.0, 0.0, 0.0, 0.0]);
    }
}
