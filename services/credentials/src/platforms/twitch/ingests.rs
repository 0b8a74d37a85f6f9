//! The nearest ingest, by measuring how long a connection takes.
//!
//! Source: dev.twitch.tv/docs/video-broadcast/reference. The list needs no authorization, so one measurement serves all
//! channels for some minutes.

use std::{
    cmp::Reverse,
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use service_kit::Clock;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use url::Url;

use crate::http::{Http, Trouble};

/// Where Twitch takes streams from anywhere; OBS and Twitch's own pages name it too.
const GLOBAL: &str = "rtmps://ingest.global-contribute.live-video.net:443/app";
/// Ingests measured at a time.
const CANDIDATES: usize = 6;
/// Ingests named besides the nearest.
const BACKUPS: usize = 3;
/// The list itself; without it the global ingest is good enough.
const LIST: Duration = Duration::from_secs(3);
/// Resolving a name, and connecting: each. Farther away than this is never the nearest.
const MEASURE: Duration = Duration::from_secs(1);
/// At least so long others are waited for when one has answered.
const ENOUGH: Duration = Duration::from_millis(100);
/// Nearer than this makes no difference: then Twitch's own order counts.
const ALIKE_MS: u128 = 10;
/// A measurement is good for so long; what was taken for lack of one, for less.
const FRESH_MS: i64 = 300_000;
const STOPGAP_MS: i64 = 30_000;

/// The ingest list and its last measurement.
pub(super) struct Ingests {
    http: Http,
    url: String,
    clock: Arc<dyn Clock>,
    chosen: Mutex<Option<Chosen>>,
}

#[derive(Clone)]
struct Chosen {
    until_ms: i64,
    urls: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    ingests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default = "available")]
    availability: f64,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    priority: i64,
    #[serde(default)]
    url_template: String,
    #[serde(default)]
    url_template_secure: Option<String>,
}

fn available() -> f64 {
    1.0
}

/// An ingest worth measuring.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    /// Without the key.
    url: String,
    host: String,
    port: u16,
}

impl Ingests {
    pub fn new(http: Http, url: String, clock: Arc<dyn Clock>) -> Self {
        Self { http, url, clock, chosen: Mutex::new(None) }
    }

    /// Ingest URLs without the key, the nearest first; never empty. Two that ask at the same time measure twice, which
    /// does no harm.
    pub async fn nearest(&self) -> Vec<String> {
        let now_ms = self.clock.now_ms();
        let known = self.chosen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.as_ref().filter(|known| now_ms < known.until_ms) {
            return known.urls.clone();
        }
        let chosen = match self.measure().await {
            Some(urls) => Chosen { until_ms: now_ms + FRESH_MS, urls },
            None => {
                let urls = known.map_or_else(|| vec![GLOBAL.to_owned()], |known| known.urls);
                Chosen { until_ms: now_ms + STOPGAP_MS, urls }
            }
        };
        let urls = chosen.urls.clone();
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen);
        urls
    }

    /// `None` when the list can't be had, or holds nothing.
    async fn measure(&self) -> Option<Vec<String>> {
        let candidates = candidates(self.list().await.ok()?);
        let times = first_ones(candidates.iter().map(distance)).await;
        let urls = rank(candidates, &times);
        if urls.is_empty() { None } else { Some(urls) }
    }

    async fn list(&self) -> Result<List, Trouble> {
        let request = self.http.client().get(&self.url);
        let reply = timeout(LIST, self.http.send(request)).await.unwrap_or(Err(Trouble::Unknown))?;
        if reply.status.is_success() { reply.json() } else { Err(Trouble::Nonsense) }
    }
}

/// Those that are up, RTMPS where it is offered, in Twitch's order. The default one is always among them.
fn candidates(list: List) -> Vec<Candidate> {
    let mut entries = list.ingests;
    entries.retain(|entry| entry.availability > 0.0);
    entries.sort_by_key(|entry| (entry.priority, Reverse(entry.default)));
    if let Some(at) = entries.iter().position(|entry| entry.default).filter(|at| *at >= CANDIDATES) {
        entries.swap(at, CANDIDATES - 1);
    }
    let mut seen = HashSet::new();
    let found = entries.iter().filter_map(candidate).filter(|candidate| seen.insert(candidate.url.clone()));
    found.take(CANDIDATES).collect()
}

fn candidate(entry: &Entry) -> Option<Candidate> {
    let secure = entry.url_template_secure.as_deref().filter(|url| !url.is_empty());
    let url = secure.unwrap_or(&entry.url_template).strip_suffix("/{stream_key}")?;
    let parsed = Url::parse(url).ok()?;
    let port = match parsed.scheme() {
        "rtmps" => parsed.port().unwrap_or(443),
        "rtmp" => parsed.port().unwrap_or(1935),
        _ => return None,
    };
    Some(Candidate { url: url.to_owned(), host: parsed.host_str()?.to_owned(), port })
}

/// How long it takes to connect, without resolving the name.
async fn distance(candidate: &Candidate) -> Option<Duration> {
    let host = candidate.host.trim_matches(['[', ']']);
    let addrs: Vec<_> = timeout(MEASURE, lookup_host((host, candidate.port))).await.ok()?.ok()?.collect();
    let begun = Instant::now();
    timeout(MEASURE, TcpStream::connect(&addrs[..])).await.ok()?.ok()?;
    Some(begun.elapsed())
}

/// Waits for the first, and then for as long again: what takes more is not the nearest, and a start waits for this.
async fn first_ones(measured: impl Iterator<Item = impl Future<Output = Option<Duration>>>) -> Vec<Option<Duration>> {
    let mut running: FuturesUnordered<_> =
        measured.enumerate().map(|(n, measured)| measured.map(move |time| (n, time))).collect();
    let mut times = vec![None; running.len()];
    let mut until = None;
    loop {
        let next = match until {
            Some(until) => timeout_at(until, running.next()).await.unwrap_or(None),
            None => running.next().await,
        };
        let Some((n, time)) = next else { return times };
        if let Some(slot) = times.get_mut(n) {
            *slot = time;
        }
        if let (Some(time), None) = (time, until) {
            until = Some(Instant::now() + time.max(ENOUGH));
        }
    }
}

/// The nearest first. What does not answer is left out, unless nothing does: then the measuring is at fault.
fn rank(candidates: Vec<Candidate>, times: &[Option<Duration>]) -> Vec<String> {
    let none = times.iter().all(Option::is_none);
    let mut measured: Vec<(u128, String)> = candidates
        .into_iter()
        .zip(times)
        .filter(|(_, time)| none || time.is_some())
        .map(|(candidate, time)| (time.map_or(0, |time| time.as_millis() / ALIKE_MS), candidate.url))
        .collect();
    measured.sort_by_key(|(time, _)| *time);
    measured.into_iter().map(|(_, url)| url).take(1 + BACKUPS).collect()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use serde_json::{Value, json};

    use super::*;

    fn list(entries: Value) -> List {
        serde_json::from_value(json!({ "ingests": entries })).unwrap()
    }

    fn urls(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.url.as_str()).collect()
    }

    #[test]
    fn only_what_is_up_is_a_candidate_and_rtmps_goes_first() {
        let found = candidates(list(json!([
            {"priority": 2, "url_template": "rtmp://plain/app/{stream_key}"},
            {"priority": -1, "availability": 0.0, "url_template": "rtmp://down/app/{stream_key}"},
            {"priority": 1, "url_template": "rtmp://a/app/{stream_key}", "url_template_secure": "rtmps://a/app/{stream_key}"},
            {"priority": 3, "url_template": "rtmp://plain/app/{stream_key}"},
            {"priority": 4, "url_template": "http://odd/app/{stream_key}"},
            {"priority": 5, "url_template": "rtmp://odd/app/key"},
        ])));
        assert_eq!(urls(&found), ["rtmps://a/app", "rtmp://plain/app"]);
        assert_eq!(found.iter().map(|candidate| candidate.port).collect::<Vec<_>>(), [443, 1935]);
    }

    #[test]
    fn the_default_one_is_measured_too() {
        let entry = |n: i64| json!({"priority": n, "default": n == 9, "url_template": format!("rtmp://h{n}/app/{{stream_key}}")});
        let found = candidates(list((0..12).map(entry).collect()));
        assert_eq!(found.len(), CANDIDATES);
        assert!(urls(&found).contains(&"rtmp://h9/app"));
    }

    #[tokio::test]
    async fn nobody_waits_for_what_is_far_away() {
        let near = Some(Duration::from_millis(7));
        let measured = [pending().boxed(), ready(near).boxed(), ready(None).boxed()];
        let times = timeout(Duration::from_secs(10), first_ones(measured.into_iter())).await.unwrap();
        assert_eq!(times, [None, near, None]);
        let nobody = [ready(None).boxed(), ready(None).boxed()];
        assert_eq!(first_ones(nobody.into_iter()).await, [None, None]);
    }

    #[test]
    fn the_nearest_goes_first() {
        let check = |times: &[Option<u64>], expected: &[&str]| {
            let one = |n: usize| Candidate { url: format!("h{n}"), host: String::new(), port: 1 };
            let times: Vec<Option<Duration>> = times.iter().map(|ms| ms.map(Duration::from_millis)).collect();
            assert_eq!(rank((0..times.len()).map(one).collect(), &times), expected);
        };
        check(&[Some(80), Some(20), None, Some(45)], &["h1", "h3", "h0"]);
        check(&[Some(24), Some(21)], &["h0", "h1"]);
        check(&[None, None], &["h0", "h1"]);
        check(&[Some(50), Some(40), Some(30), Some(20), Some(10)], &["h4", "h3", "h2", "h1"]);
        check(&[], &[]);
    }
}
