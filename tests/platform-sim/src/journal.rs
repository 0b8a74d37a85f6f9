//! What was asked and what was answered, without secrets.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Request},
    options::{Headers, Pairs},
    redact,
};

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// From 1, in the order in which the calls arrived.
    pub seq: u64,
    /// When it arrived, Unix ms on the simulator's clock.
    pub at_ms: i64,
    /// `GET`, …
    pub method: String,
    /// The whole path, with the simulator's prefix.
    pub path: String,
    /// In order, secrets masked.
    pub query: Pairs,
    /// Names in lower case, secrets masked.
    pub headers: Headers,
    /// JSON as it is; a form as an object of strings; anything else as `{"bytes": n}`; null when empty.
    pub body: Value,
    /// Whether the platform did what was asked (or would have, for a call that changes nothing).
    pub applied: bool,
    /// The fault that met the call.
    pub fault: Option<String>,
    /// The answer's status; `None` when the connection was reset or the answer is still being delayed.
    pub status: Option<u16>,
    /// Names in lower case, secrets masked.
    pub response_headers: Headers,
    /// As [`Self::body`].
    pub response_body: Value,
}

impl JournalEntry {
    /// `POST /youtube/v3/liveBroadcasts?part=id,snippet 200`: a line for snapshots and failures.
    pub fn line(&self) -> String {
        let query: Vec<String> = self.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let status = self.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{} {}{mark}{} {status}", self.method, self.path, query.join("&"))
    }
}

/// The last calls.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: VecDeque<JournalEntry>,
    next: u64,
    bound: usize,
}

impl Journal {
    pub fn new(bound: usize) -> Self {
        Self { entries: VecDeque::new(), next: 1, bound }
    }

    /// Notes a call that arrived. Its number is for [`Self::answered`].
    pub fn arrived(&mut self, request: &Request, at_ms: i64) -> u64 {
        let seq = self.next;
        self.next += 1;
        if self.entries.len() >= self.bound {
            self.entries.pop_front();
        }
        self.entries.push_back(JournalEntry {
            seq,
            at_ms,
            method: request.method.clone(),
            path: request.path.clone(),
            query: redact::pairs(&request.query),
            headers: redact::headers(&request.headers),
            body: body(request.content_type(), &request.body),
            applied: false,
            fault: None,
            status: None,
            response_headers: Headers::new(),
            response_body: Value::Null,
        });
        seq
    }

    /// The entry, unless it went already.
    pub fn entry(&mut self, seq: u64) -> Option<&mut JournalEntry> {
        let first = self.entries.front()?.seq;
        self.entries.get_mut(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// Notes what was answered.
    pub fn answered(&mut self, seq: u64, answer: &Answer) {
        if let Some(entry) = self.entry(seq) {
            entry.status = Some(answer.status);
            entry.response_headers = redact::headers(&answer.headers);
            let kind = answer.headers.get("content-type").map_or("", String::as_str);
            entry.response_body = body(kind.split(';').next().unwrap_or_default(), &answer.body);
        }
    }

    /// Entries after `seq`.
    pub fn since(&self, seq: u64) -> Vec<JournalEntry> {
        self.entries.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn body(kind: &str, bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if kind.ends_with("x-www-form-urlencoded") {
        let pairs = redact::pairs(&url::form_urlencoded::parse(bytes).into_owned().collect());
        return Value::Object(pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect());
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => redact::json(value),
        Err(_) => json!({ "bytes": bytes.len() }),
    }
}
