//! Calls to Helix: the two headers, one renewal of a rejected token, and the pause of a channel's calls after a 429.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::platform::Platform;
use reqwest::{Method, RequestBuilder};
use secret::{ExposeSecret, StreamKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use service_kit::Clock;

use super::fault::{self, Refused, Verdict};
use crate::{
    http::{Http, Reply, Trouble},
    platforms::{Failure, Run, Token},
};

/// Channels whose allowance is remembered; with more, all are forgotten (that only costs a 429).
const CHANNELS: usize = 10_000;
/// Below this share of the allowance, in percent, looks come less often.
const SPARE_PERCENT: i64 = 25;

/// Helix with our client id.
pub(super) struct Api {
    http: Http,
    base: String,
    client_id: String,
    clock: Arc<dyn Clock>,
    /// By the channel's id: Twitch counts by client id and user.
    allowances: Mutex<HashMap<String, Allowance>>,
}

#[derive(Clone, Copy, Default)]
struct Allowance {
    /// Nobody asks before.
    paused_until_ms: i64,
    left_percent: i64,
}

/// `GET /streams`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stream {
    pub user_id: String,
    #[serde(default)]
    pub user_login: String,
    #[serde(default)]
    pub viewer_count: u64,
}

/// `GET /channels`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Channel {
    pub broadcaster_id: String,
    #[serde(default)]
    pub broadcaster_login: String,
    #[serde(default)]
    pub broadcaster_name: String,
    #[serde(default)]
    pub broadcaster_language: String,
    #[serde(default)]
    pub game_id: String,
    #[serde(default)]
    pub game_name: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

/// `PATCH /channels`: only what is given is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ChannelChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub game_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcaster_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// `GET /search/categories`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Category {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub box_art_url: String,
}

/// No `Debug`: it holds the key.
#[derive(Deserialize)]
struct Key {
    stream_key: String,
}

#[derive(Deserialize)]
struct Data<T> {
    data: Vec<T>,
}

impl Api {
    pub fn new(http: Http, base: &str, client_id: String, clock: Arc<dyn Clock>) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { http, base, client_id, clock, allowances: Mutex::default() }
    }

    /// The channel's stream key.
    pub async fn key(&self, run: &Run, user: &str) -> Result<StreamKey, Refused> {
        let found: Vec<Key> = self.get(run, user, "/streams/key", &[("broadcaster_id", user)]).await?;
        let key = found.into_iter().next().and_then(|key| StreamKey::new(key.stream_key).ok());
        key.ok_or_else(|| nonsense().into())
    }

    /// Those of `users` who are live; at most 100.
    pub async fn streams(&self, run: &Run, user: &str, users: &[&str]) -> Result<Vec<Stream>, Refused> {
        let mut query: Vec<(&str, &str)> = users.iter().map(|id| ("user_id", *id)).collect();
        // Otherwise a page has 20.
        query.push(("first", "100"));
        self.get(run, user, "/streams", &query).await
    }

    /// What the channel says about itself.
    pub async fn channel(&self, run: &Run, user: &str) -> Result<Channel, Refused> {
        let found: Vec<Channel> = self.get(run, user, "/channels", &[("broadcaster_id", user)]).await?;
        found.into_iter().next().ok_or_else(|| nonsense().into())
    }

    /// Changes what the channel says about itself. Sending it twice is as good as once.
    pub async fn change(&self, run: &Run, user: &str, change: &ChannelChange) -> Result<(), Refused> {
        let request = || {
            let request = self.request(Method::PATCH, "/channels").query(&[("broadcaster_id", user)]);
            request.json(change)
        };
        self.call(run, user, request).await.map(|_| ())
    }

    /// Categories whose names fit.
    pub async fn categories(&self, run: &Run, user: &str, text: &str, limit: u32) -> Result<Vec<Category>, Refused> {
        let first = limit.clamp(1, 100).to_string();
        self.get(run, user, "/search/categories", &[("query", text), ("first", &first)]).await
    }

    /// Whether the channel has calls to spare.
    pub fn has_spare(&self, user: &str) -> bool {
        self.allowance(user).is_none_or(|allowance| allowance.left_percent > SPARE_PERCENT)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.client().request(method, format!("{}{path}", self.base))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        run: &Run,
        user: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Refused> {
        let reply = self.call(run, user, || self.request(Method::GET, path).query(query)).await?;
        let answer: Data<T> = reply.json().map_err(|trouble| Failure::trouble(Platform::Twitch, trouble))?;
        Ok(answer.data)
    }

    /// One call; a rejected token is renewed once.
    async fn call(&self, run: &Run, user: &str, request: impl Fn() -> RequestBuilder) -> Result<Reply, Refused> {
        let token = run.tokens.token().await?;
        let mut verdict = self.once(&token, user, request()).await?;
        if matches!(verdict, Verdict::Rejected(_)) {
            let token = run.tokens.renew(&token).await?;
            verdict = self.once(&token, user, request()).await?;
        }
        match verdict {
            Verdict::Done(reply) => Ok(reply),
            Verdict::Refused(refused) => Err(refused),
            Verdict::Rejected(failure) => Err(failure.into()),
        }
    }

    async fn once(&self, token: &Token, user: &str, request: RequestBuilder) -> Result<Verdict, Failure> {
        let now_ms = self.clock.now_ms();
        let pause_ms = self.allowance(user).map_or(0, |allowance| allowance.paused_until_ms - now_ms);
        if pause_ms > 0 {
            let after = Duration::from_millis(pause_ms.unsigned_abs());
            return Err(Failure::rate_limited(Platform::Twitch, Some(after)));
        }
        let request = request.bearer_auth(token.secret.expose_secret()).header("Client-Id", &self.client_id);
        let reply = self.http.send(request).await.map_err(|trouble| Failure::trouble(Platform::Twitch, trouble))?;
        let pause = fault::pause(&reply, now_ms);
        self.note(user, &reply, now_ms, pause);
        Ok(fault::judge(reply, pause))
    }

    fn allowance(&self, user: &str) -> Option<Allowance> {
        self.allowances.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied()
    }

    /// Remembers what the answer says of the channel's allowance.
    fn note(&self, user: &str, reply: &Reply, now_ms: i64, pause: Option<Duration>) {
        let number = |name: &str| reply.header(name).and_then(|text| text.parse::<i64>().ok());
        let left = number("ratelimit-remaining").zip(number("ratelimit-limit").filter(|limit| *limit > 0));
        let left_percent = left.map_or(100, |(left, limit)| left.saturating_mul(100) / limit);
        let pause_ms = pause.map_or(0, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        let paused_until_ms = now_ms.saturating_add(pause_ms);
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        if allowances.len() >= CHANNELS {
            allowances.clear();
        }
        allowances.insert(user.to_owned(), Allowance { paused_until_ms, left_percent });
    }
}

fn nonsense() -> Failure {
    Failure::trouble(Platform::Twitch, Trouble::Nonsense)
}
