//! Calls to Cloudflare's API: the envelope, one renewal of a rejected token, and the pause of the whole account that
//! follows a 429.

use std::sync::Arc;

use domain::platform::Platform;
use reqwest::Method;
use secret::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use service_kit::Clock;

use super::{
    allowance::Allowance,
    fault::{self, Verdict},
    model::{LiveInput, LiveInputs},
};
use crate::{
    http::{Http, Reply},
    platforms::{Failure, Run, Token},
};

/// The API with its account.
pub(super) struct Api {
    http: Http,
    base: String,
    account: String,
    clock: Arc<dyn Clock>,
    allowance: Allowance,
}

impl Api {
    pub fn new(http: Http, base: &str, account: String, clock: Arc<dyn Clock>) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { http, base, account, clock, allowance: Allowance::new() }
    }

    /// Whether there are calls to spare for what is only nice to know.
    pub fn has_spare(&self) -> bool {
        self.allowance.has_spare()
    }

    /// The account's id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// A live input with its credentials; `None` when there is none of that id (any more).
    pub async fn input(&self, run: &Run, uid: &str) -> Result<Option<LiveInput>, Failure> {
        self.stream(run, Method::GET, &format!("/live_inputs/{uid}"), None).await
    }

    /// All live inputs, without credentials.
    pub async fn inputs(&self, run: &Run) -> Result<Vec<LiveInput>, Failure> {
        let all: Option<LiveInputs> = self.stream(run, Method::GET, "/live_inputs", None).await?;
        Ok(all.ok_or_else(fault::no_account)?.live_inputs)
    }

    /// Makes a live input. `ambiguous` when it may have been made all the same.
    pub async fn create(&self, run: &Run, body: &Value) -> Result<LiveInput, Failure> {
        self.stream(run, Method::POST, "/live_inputs", Some(body)).await?.ok_or_else(fault::no_account)
    }

    /// Changes a live input; `None` when it is gone.
    pub async fn update(&self, run: &Run, uid: &str, body: &Value) -> Result<Option<LiveInput>, Failure> {
        self.stream(run, Method::PUT, &format!("/live_inputs/{uid}"), Some(body)).await
    }

    /// Deletes a live input; fine when it is gone.
    pub async fn delete(&self, run: &Run, uid: &str) -> Result<(), Failure> {
        let url = self.stream_url(&format!("/live_inputs/{uid}"));
        self.call(run, Method::DELETE, &url, None).await.map(|_| ())
    }

    /// A GraphQL query; its answer is no envelope.
    pub async fn query(&self, run: &Run, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/graphql", self.base);
        let reply = self.call(run, Method::POST, &url, Some(body)).await?;
        reply.ok_or_else(fault::no_account)?.json().map_err(|trouble| Failure::trouble(Platform::Cloudflare, trouble))
    }

    /// Something below the account's `/stream`, out of its envelope.
    pub async fn stream<T: DeserializeOwned>(
        &self,
        run: &Run,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<T>, Failure> {
        let Some(reply) = self.call(run, method, &self.stream_url(path), body).await? else { return Ok(None) };
        let envelope: Envelope<T> = reply.json().map_err(|trouble| Failure::trouble(Platform::Cloudflare, trouble))?;
        Ok(Some(envelope.result))
    }

    fn stream_url(&self, path: &str) -> String {
        format!("{}/accounts/{}/stream{path}", self.base, self.account)
    }

    /// One call; a rejected token is renewed once. `None`: there is no such thing.
    async fn call(&self, run: &Run, method: Method, url: &str, body: Option<&Value>) -> Result<Option<Reply>, Failure> {
        let token = run.tokens.token().await?;
        let verdict = self.once(&token, &method, url, body).await?;
        let verdict = match verdict {
            Verdict::Rejected(_) => {
                let token = run.tokens.renew(&token).await?;
                self.once(&token, &method, url, body).await?
            }
            other => other,
        };
        match verdict {
            Verdict::Done(reply) => Ok(Some(reply)),
            Verdict::Missing => Ok(None),
            Verdict::Rejected(failure) | Verdict::Failed(failure) => Err(failure),
        }
    }

    async fn once(&self, token: &Token, method: &Method, url: &str, body: Option<&Value>) -> Result<Verdict, Failure> {
        let now_ms = self.clock.now_ms();
        let refused = |after| Failure::rate_limited(Platform::Cloudflare, Some(after));
        self.allowance.take(now_ms).map_err(refused)?;
        let request = self.http.client().request(method.clone(), url).bearer_auth(token.secret.expose_secret());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let reply = self.http.send(request).await.map_err(|trouble| Failure::trouble(Platform::Cloudflare, trouble))?;
        self.allowance.note(&reply, now_ms);
        Ok(fault::judge(reply, *method != Method::GET))
    }
}

#[derive(serde::Deserialize)]
struct Envelope<T> {
    result: T,
}
