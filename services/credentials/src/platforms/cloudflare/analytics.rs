//! Minutes viewed, from Cloudflare's GraphQL API. Source: developers.cloudflare.com/stream/getting-analytics.

use std::collections::BTreeMap;

use domain::platform::Platform;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::v1;

use super::fault;
use crate::{
    http::Trouble,
    platforms::{Failure, words::quote},
};

/// Most inputs and recordings of one query.
pub(super) const UIDS: usize = 50;
/// Most groups (a country of a recording) of one answer.
const GROUPS: u32 = 5_000;

const QUERY: &str = "query($account: string, $filter: AccountStreamMinutesViewedAdaptiveGroupsFilter_InputObject, \
                     $limit: int) { viewer { accounts(filter: {accountTag: $account}) { \
                     streamMinutesViewedAdaptiveGroups(filter: $filter, limit: $limit) { sum { minutesViewed } \
                     dimensions { uid clientCountryName } } } } }";

/// The body of the query; dates are `YYYY-MM-DD`, `to` is exclusive.
pub(super) fn query(account: &str, uids: &[String], from: &str, to: &str) -> Value {
    let filter = json!({"date_geq": from, "date_lt": to, "uid_in": uids});
    json!({"query": QUERY, "variables": {"account": account, "filter": filter, "limit": GROUPS}})
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    #[serde(default)]
    errors: Option<Vec<Error>>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extensions {
    code: String,
}

#[derive(Deserialize)]
struct Data {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    stream_minutes_viewed_adaptive_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    sum: Sum,
    dimensions: Dimensions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sum {
    minutes_viewed: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimensions {
    #[serde(default)]
    client_country_name: String,
}

/// The sum and its parts, the most viewed country first.
pub(super) fn read(answer: &Value) -> Result<v1::Analytics, Failure> {
    let answer = Answer::deserialize(answer).map_err(|_| Failure::trouble(Platform::Cloudflare, Trouble::Nonsense))?;
    if let Some(error) = answer.errors.iter().flatten().next() {
        if error.extensions.code == "authz" {
            return Err(fault::no_permission());
        }
        let message = format!("Cloudflare does not answer the question for analytics: {}.", quote(&error.message));
        return Err(Failure::permanent("platform_refused", message));
    }
    let mut by_country: BTreeMap<String, f64> = BTreeMap::new();
    let accounts = answer.data.into_iter().flat_map(|data| data.viewer.accounts);
    for group in accounts.flat_map(|account| account.stream_minutes_viewed_adaptive_groups) {
        *by_country.entry(group.dimensions.client_country_name).or_default() += group.sum.minutes_viewed;
    }
    let minutes_viewed = by_country.values().sum();
    let mut countries: Vec<v1::CountryMinutes> = by_country
        .into_iter()
        .map(|(country, minutes_viewed)| v1::CountryMinutes { country, minutes_viewed })
        .collect();
    countries.sort_by(|a, b| b.minutes_viewed.total_cmp(&a.minutes_viewed));
    Ok(v1::Analytics { minutes_viewed, countries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_summed_by_country() {
        let group = |minutes: u32, country: &str| json!({"sum": {"minutesViewed": minutes}, "dimensions": {"uid": "u", "clientCountryName": country}});
        let groups = [group(2, "DE"), group(5, "FR"), group(4, "DE")];
        let data = json!({"viewer": {"accounts": [{"streamMinutesViewedAdaptiveGroups": groups}]}});
        let read = read(&json!({"data": data, "errors": null})).unwrap();
        let countries: Vec<(&str, f64)> =
            read.countries.iter().map(|one| (one.country.as_str(), one.minutes_viewed)).collect();
        assert_eq!((read.minutes_viewed, countries), (11.0, vec![("DE", 6.0), ("FR", 5.0)]));
    }

    #[test]
    fn an_error_is_an_error_in_spite_of_its_status() {
        let failure = read(&json!({"data": null, "errors": [{"message": "unknown field"}]}));
        assert_eq!(failure.unwrap_err().code(), "platform_refused");
        let forbidden = json!({"message": "not authorized for that account", "extensions": {"code": "authz"}});
        let failure = read(&json!({"data": null, "errors": [forbidden]})).unwrap_err();
        assert_eq!(failure.code(), "platform_permission_missing");
        assert_eq!(read(&json!([])).unwrap_err().code(), "platform_unavailable");
    }
}
