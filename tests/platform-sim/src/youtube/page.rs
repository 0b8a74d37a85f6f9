//! `part`, filters and pages, as every list call has them.

use serde_json::{Value, json};

use super::error::{self, Refusal};
use crate::http::Request;

/// The named parts. Required on every call; each must be one that the resource has.
pub(super) fn parts<'a>(request: &'a Request, known: &[&str]) -> Result<Vec<&'a str>, Refusal> {
    let parts = request.list("part");
    if parts.is_empty() {
        return Err(error::bad_request("missingRequiredParameter", "Required parameter: part"));
    }
    if parts.iter().any(|part| !known.contains(part)) {
        return Err(error::bad_request("unknownPart", "The <code>part</code> parameter names an unknown part."));
    }
    Ok(parts)
}

/// The one filter that is given.
pub(super) fn filter<'a>(request: &Request, filters: &[&'a str]) -> Result<&'a str, Refusal> {
    let mut given = filters.iter().filter(|name| request.query(name).is_some());
    match (given.next(), given.next()) {
        (Some(filter), None) => Ok(filter),
        (None, _) => Err(error::bad_request("missingRequiredParameter", "No filter selected. Expected one of them.")),
        _ => Err(error::bad_request("incompatibleParameters", "Incompatible parameters specified in the request.")),
    }
}

/// One page of `items`.
pub(super) fn page(request: &Request, kind: &str, items: &[Value]) -> Result<Value, Refusal> {
    let invalid = || error::bad_request("invalidPageToken", "The request specifies an invalid page token.");
    let size = match request.query("maxResults") {
        None => 5,
        Some(text) => text.parse().ok().filter(|n| (0..=50).contains(n)).ok_or(error::bad_request(
            "invalidParameter",
            "Invalid value for maxResults. Values must be within the range: [0, 50]",
        ))?,
    };
    let from = match request.query("pageToken") {
        None => 0,
        Some(token) => token.strip_prefix("CAU").and_then(|at| at.parse().ok()).ok_or_else(invalid)?,
    };
    if from > items.len() {
        return Err(invalid());
    }
    let to = items.len().min(from + size);
    let mut page = json!({
        "kind": kind,
        "etag": format!("etag-{}-{from}", items.len()),
        "pageInfo": {"totalResults": items.len(), "resultsPerPage": size},
        "items": items[from..to],
    });
    if to < items.len() {
        page["nextPageToken"] = format!("CAU{to}").into();
    }
    if from > 0 {
        page["prevPageToken"] = format!("CAU{}", from.saturating_sub(size)).into();
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &[(&str, &str)]) -> Request {
        Request {
            method: "GET".to_owned(),
            path: String::new(),
            query: query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            headers: Default::default(),
            body: Default::default(),
        }
    }

    #[test]
    fn pages_of_five() {
        let items: Vec<Value> = (0..12).map(Value::from).collect();
        let first = page(&request(&[]), "k", &items).unwrap();
        assert_eq!((first["items"].as_array().unwrap().len(), first["nextPageToken"].as_str()), (5, Some("CAU5")));
        let last = page(&request(&[("pageToken", "CAU10")]), "k", &items).unwrap();
        assert_eq!((last["items"].as_array().unwrap().len(), last.get("nextPageToken")), (2, None));
        assert_eq!(page(&request(&[("pageToken", "x")]), "k", &items).unwrap_err().reason, "invalidPageToken");
        assert_eq!(page(&request(&[("maxResults", "51")]), "k", &items).unwrap_err().reason, "invalidParameter");
    }

    #[test]
    fn parts_and_filters() {
        assert_eq!(parts(&request(&[]), &["id"]).unwrap_err().reason, "missingRequiredParameter");
        assert_eq!(parts(&request(&[("part", "id,x")]), &["id"]).unwrap_err().reason, "unknownPart");
        assert_eq!(
            filter(&request(&[("id", "1"), ("mine", "true")]), &["id", "mine"]).unwrap_err().reason,
            "incompatibleParameters"
        );
        assert_eq!(filter(&request(&[("mine", "true")]), &["id", "mine"]), Ok("mine"));
    }
}
