//! Requests and answers as the simulated platforms see them: complete, in memory.

use bytes::Bytes;
use serde_json::Value;

use crate::options::{Headers, Pairs};

/// One complete request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    pub query: Pairs,
    pub headers: Headers,
    pub body: Bytes,
}

impl Request {
    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// All values of a query parameter, repeated or separated by commas.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let all = self.query.iter().filter(|(key, _)| key == name);
        all.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The token of `Authorization: <scheme> <token>`.
    pub fn authorization(&self, scheme: &str) -> Option<&str> {
        let (given, token) = self.header("authorization")?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| token.trim())
    }

    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// The body as a form; a JSON body's members become pairs too.
    pub fn form(&self) -> Pairs {
        if self.content_type().ends_with("json") {
            let Some(Value::Object(members)) = self.json() else { return Vec::new() };
            return members.into_iter().map(|(key, value)| (key, plain(&value))).collect();
        }
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The path's segments below `prefix`, which must be there.
    pub fn below(&self, prefix: &str) -> Vec<&str> {
        let rest = self.path.strip_prefix(prefix).unwrap_or(&self.path);
        rest.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

/// A JSON value as form text: strings bare, the rest as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first pair of that name.
pub(crate) fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// One complete answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let answer = Self { status, headers: Headers::new(), body: Bytes::from(body.to_string()) };
        answer.with("content-type", "application/json; charset=UTF-8")
    }

    pub fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Headers::new(), body: Bytes::new() }
    }

    pub fn text(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Headers::new(), body: body.into() }.with("content-type", kind)
    }

    pub fn redirect(to: &str) -> Self {
        Self::empty(302).with("location", to)
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }
}

/// A URL with pairs added to its query.
pub(crate) fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = url::Url::parse(base) else { return base.to_owned() };
    url.query_pairs_mut().extend_pairs(pairs);
    url.into()
}
