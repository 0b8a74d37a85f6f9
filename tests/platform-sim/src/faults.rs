//! Faults on purpose: which call, and what goes wrong with it.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    http::{Answer, Request},
    options::Headers,
};

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// The platform never sees the call.
    Before,
    /// The platform has done it; the caller never learns.
    After,
}

/// One fault. Matched in the order in which they were added; the first that fits is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// A name of it, shown in the journal.
    pub name: String,
    /// `POST`, …; any when not set.
    pub method: Option<String>,
    /// The path, where `*` stands for anything (slashes too): `/youtube/v3/liveBroadcasts/*`.
    pub path: String,
    /// Text that the query or the body must contain.
    pub contains: Option<String>,
    /// From the nth matching call on, counted from 1.
    pub nth: Option<u32>,
    /// For so many calls; 0 = until it is removed. One when not set.
    pub times: Option<u32>,
    /// The answer's status instead of the real one.
    pub status: Option<u16>,
    /// Added to the answer.
    pub headers: Headers,
    /// The answer's body instead of the real one: JSON, or text as it is.
    pub body: Option<Value>,
    /// Whether the platform does what is asked. When not set: only if neither `status` nor `body` is.
    pub apply: Option<bool>,
    /// Wait before the platform does it.
    pub delay_before_ms: u64,
    /// Wait after the platform did it, before the answer.
    pub delay_after_ms: u64,
    /// Reset the connection.
    pub reset: Option<Reset>,
    /// Cut the answer's body in half.
    pub truncate: bool,
}

impl Fault {
    /// Does nothing yet, to the next call of `method path`.
    pub fn on(method: &str, path: &str) -> Self {
        let name = format!("{method} {path}");
        Self { name, method: Some(method.to_owned()), path: path.to_owned(), ..Self::default() }
    }

    /// Answers with this instead of doing it.
    #[must_use]
    pub fn answer(mut self, status: u16, body: Value) -> Self {
        (self.status, self.body) = (Some(status), Some(body));
        self
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(mut self, when: Reset) -> Self {
        self.reset = Some(when);
        self
    }

    /// Waits before doing it and before answering.
    #[must_use]
    pub fn delay(mut self, before: Duration, after: Duration) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        (self.delay_before_ms, self.delay_after_ms) = (ms(before), ms(after));
        self
    }

    /// Only from the nth matching call on.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// For so many calls; 0 = for ever.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    pub(crate) fn applies(&self) -> bool {
        self.reset != Some(Reset::Before) && self.apply.unwrap_or(self.status.is_none() && self.body.is_none())
    }

    fn fits(&self, request: &Request) -> bool {
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && glob(&self.path, &request.path)
            && self.contains.as_ref().is_none_or(|text| contains(request, text))
    }

    /// The answer as the caller will see it.
    pub(crate) fn distort(&self, real: Answer) -> Answer {
        let mut answer = real;
        if let Some(status) = self.status {
            answer.status = status;
        }
        match &self.body {
            Some(Value::String(text)) => answer.body = Bytes::from(text.clone()),
            Some(body) => {
                answer.body = Bytes::from(body.to_string());
                answer.headers.insert("content-type".to_owned(), "application/json".to_owned());
            }
            None => {}
        }
        answer.headers.extend(self.headers.clone());
        if self.truncate {
            answer.body.truncate(answer.body.len() / 2);
        }
        answer
    }
}

fn contains(request: &Request, text: &str) -> bool {
    request.query.iter().any(|(key, value)| format!("{key}={value}").contains(text))
        || String::from_utf8_lossy(&request.body).contains(text)
}

/// Whether `text` fits `pattern`, where `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| glob(tail, &rest[at..]))
        }),
    }
}

/// The script: what is still to come.
#[derive(Debug, Default)]
pub(crate) struct Script {
    faults: Vec<Armed>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u32,
    used: u32,
}

impl Script {
    pub fn add(&mut self, fault: Fault) {
        self.faults.push(Armed { fault, matched: 0, used: 0 });
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Every fault with the number of calls it met.
    pub fn list(&self) -> Vec<(Fault, u32)> {
        self.faults.iter().map(|armed| (armed.fault.clone(), armed.used)).collect()
    }

    /// The fault for this call, if any. Counts the call for all that match.
    pub fn meet(&mut self, request: &Request) -> Option<Fault> {
        let mut met = None;
        for armed in self.faults.iter_mut().filter(|armed| armed.fault.fits(request)) {
            armed.matched += 1;
            let due = armed.matched >= armed.fault.nth.unwrap_or(1);
            let left = match armed.fault.times.unwrap_or(1) {
                0 => true,
                times => armed.used < times,
            };
            if met.is_none() && due && left {
                armed.used += 1;
                met = Some(armed.fault.clone());
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Request {
        let (method, path) = (method.to_owned(), path.to_owned());
        Request { method, path, query: vec![], headers: Headers::new(), body: Bytes::new() }
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("/a/b", "/a/b", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("*", "", true),
            ("/a", "/a/b", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_nth_call_and_only_so_often() {
        let mut script = Script::default();
        script.add(Fault::on("POST", "/x/*").nth(2).times(2));
        let met: Vec<bool> = (0..5).map(|_| script.meet(&request("POST", "/x/y")).is_some()).collect();
        assert_eq!(met, [false, true, true, false, false]);
        assert!(script.meet(&request("GET", "/x/y")).is_none());
        assert_eq!(script.list()[0].1, 2);
    }

    #[test]
    fn what_is_applied() {
        assert!(Fault::on("GET", "/").applies());
        assert!(!Fault::on("GET", "/").answer(500, Value::Null).applies());
        assert!(!Fault::on("GET", "/").reset(Reset::Before).applies());
        assert!(Fault::on("GET", "/").reset(Reset::After).applies());
    }
}
