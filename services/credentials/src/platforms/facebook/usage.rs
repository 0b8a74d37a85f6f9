//! How much of the allowance is used, by the headers that Graph sends with every answer.
//!
//! `X-App-Usage: {"call_count":28,"total_time":25,"total_cputime":25}` in percent, and per Page
//! `X-Business-Use-Case-Usage: {"<page>":[{"type":"pages","call_count":…,"estimated_time_to_regain_access":minutes}]}`
//! (Graph API, overview/rate-limiting).

use std::time::Duration;

use serde_json::Value;

use crate::http::Reply;

const PARTS: [&str; 3] = ["call_count", "total_time", "total_cputime"];
/// A header that claims more is not believed beyond this.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// What an answer's headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// The most used part of any allowance, percent.
    pub percent: u64,
    /// The application's own allowance, percent.
    pub app_percent: u64,
    /// When access comes back.
    pub regain: Option<Duration>,
}

impl Usage {
    pub fn of(reply: &Reply) -> Self {
        let read = |name: &str| reply.header(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let app = read("x-app-usage").map_or(0, |value| percent(&value));
        let cases = read("x-business-use-case-usage");
        let cases: Vec<&Value> =
            cases.iter().filter_map(Value::as_object).flat_map(|pages| pages.values()).flat_map(entries).collect();
        let minutes = cases.iter().filter_map(|case| number(&case["estimated_time_to_regain_access"])).max();
        let regain =
            minutes.filter(|minutes| *minutes > 0).map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        Self {
            percent: cases.iter().map(|case| percent(case)).fold(app, u64::max),
            app_percent: app,
            regain: regain.or_else(|| reply.retry_after()).map(|pause| pause.min(LONGEST_PAUSE)),
        }
    }
}

fn entries(cases: &Value) -> &[Value] {
    cases.as_array().map_or(&[], Vec::as_slice)
}

fn percent(value: &Value) -> u64 {
    PARTS.iter().filter_map(|part| number(&value[part])).max().unwrap_or(0)
}

/// A number, or a number written as text; whole percents are enough.
fn number(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| (0.0..1e15).contains(number)).map(|number| number as u64);
    value.as_u64().or_else(float).or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::{StatusCode, header::HeaderMap};

    use super::*;

    fn usage(headers: &[(&'static str, &'static str)]) -> Usage {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Usage::of(&Reply { status: StatusCode::OK, headers: map, body: Bytes::new() })
    }

    #[test]
    fn the_fullest_allowance_counts() {
        assert_eq!(usage(&[]), Usage::default());
        let app = ("x-app-usage", r#"{"call_count":28,"total_time":95.7,"total_cputime":25}"#);
        assert_eq!(usage(&[app]), Usage { percent: 95, app_percent: 95, regain: None });
        let pages = (
            "x-business-use-case-usage",
            r#"{"1":[{"type":"pages","call_count":3,"estimated_time_to_regain_access":0}],"2":[{"call_count":"101","estimated_time_to_regain_access":7}]}"#,
        );
        let regain = Some(Duration::from_secs(420));
        assert_eq!(usage(&[app, pages]), Usage { percent: 101, app_percent: 95, regain });
    }

    #[test]
    fn nonsense_means_nothing() {
        for text in ["", "null", "[]", "{}", r#"{"1":3}"#, r#"{"call_count":-1}"#, r#"{"call_count":{}}"#] {
            assert_eq!(
                usage(&[("x-app-usage", text), ("x-business-use-case-usage", text)]),
                Usage::default(),
                "{text}"
            );
        }
        let far = r#"{"1":[{"estimated_time_to_regain_access":18446744073709551615}]}"#;
        assert_eq!(usage(&[("x-business-use-case-usage", far)]).regain, Some(LONGEST_PAUSE));
        assert_eq!(usage(&[("retry-after", "30")]).regain, Some(Duration::from_secs(30)));
    }
}
