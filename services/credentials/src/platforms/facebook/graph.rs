//! One call to the Graph API: parameters in the query or form (Graph takes no `Authorization` header by its documents),
//! proof of the application's secret, allowance, refusals.

use std::sync::Arc;

use domain::platform::Platform;
use reqwest::Method;
use ring::hmac;
use secret::{ExposeSecret, SecretString};
use serde_json::Value;
use service_kit::Clock;

use super::{
    gate::{Allowance, Gate},
    refusal::{self, Refusal, Throttle},
    usage::Usage,
};
use crate::{
    http::{Http, Reply, Trouble},
    platforms::Failure,
};

/// The Graph API.
pub(super) struct Graph {
    http: Http,
    base: String,
    proof: hmac::Key,
    gate: Gate,
    clock: Arc<dyn Clock>,
}

/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    pub token: SecretString,
    pub allowance: Allowance,
}

/// One call. Parameters never hold a secret; the token comes from the [`Caller`].
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    parameters: Vec<(&'static str, String)>,
}

/// A complete answer without an error in it.
#[derive(Clone)]
pub(super) struct Answer {
    pub body: Value,
    pub usage: Usage,
}

impl Call {
    pub fn get(path: impl Into<String>, fields: &str) -> Self {
        Self { method: Method::GET, path: path.into(), parameters: vec![("fields", fields.to_owned())] }
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self { method: Method::POST, path: path.into(), parameters: Vec::new() }
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, path: path.into(), parameters: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    fn writes(&self) -> bool {
        self.method != Method::GET
    }
}

impl Graph {
    pub fn new(http: Http, base: String, app_secret: &SecretString, clock: Arc<dyn Clock>) -> Self {
        let proof = hmac::Key::new(hmac::HMAC_SHA256, app_secret.expose_secret().as_bytes());
        Self { http, base: base.trim_end_matches('/').to_owned(), proof, gate: Gate::default(), clock }
    }

    /// Calls once.
    pub async fn call(&self, caller: &Caller, call: &Call) -> Result<Answer, Refusal> {
        if let Some(left) = self.gate.shut(&caller.allowance, self.clock.now_ms()) {
            return Err(Failure::rate_limited(Platform::Facebook, Some(left)).into());
        }
        let reply = self.send(caller, call).await.map_err(|trouble| unanswered(trouble, call))?;
        let usage = Usage::of(&reply);
        let body: Value = reply.json().map_err(|trouble| unanswered(trouble, call))?;
        if let Some(error) = body.get("error") {
            let (refusal, throttle) = refusal::classify(error, usage, call.writes());
            let refusal =
                if reply.status.is_server_error() { refusal.of_a_broken_server(call.writes()) } else { refusal };
            self.note(caller, throttle, &refusal);
            let (code, subcode) = (refusal::whole(&error["code"]), refusal::whole(&error["error_subcode"]));
            tracing::debug!(code, subcode, path = call.path, "Graph refused");
            return Err(refusal);
        }
        if !reply.status.is_success() {
            return Err(unanswered(Trouble::Nonsense, call));
        }
        Ok(Answer { body, usage })
    }

    fn note(&self, caller: &Caller, throttle: Option<Throttle>, refusal: &Refusal) {
        let Refusal::Failed(failure) = refusal else { return };
        let allowance = match throttle {
            Some(Throttle::App) => Allowance::App,
            Some(Throttle::Caller) => caller.allowance.clone(),
            None => return,
        };
        self.gate.shut_for(allowance, failure.after.unwrap_or_default(), self.clock.now_ms());
    }

    async fn send(&self, caller: &Caller, call: &Call) -> Result<Reply, Trouble> {
        let token = caller.token.expose_secret();
        let proof = self.proof_of(token);
        let mut parameters: Vec<(&str, &str)> = vec![("access_token", token), ("appsecret_proof", &proof)];
        parameters.extend(call.parameters.iter().map(|(name, value)| (*name, value.as_str())));
        let request = self.http.client().request(call.method.clone(), format!("{}/{}", self.base, call.path));
        let request = if call.method == Method::POST { request.form(&parameters) } else { request.query(&parameters) };
        self.http.send(request).await
    }

    /// Hex HMAC-SHA256 of the token, keyed with the application's secret.
    fn proof_of(&self, token: &str) -> String {
        use std::fmt::Write;
        hmac::sign(&self.proof, token.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// No usable answer. Reading is never ambiguous.
fn unanswered(trouble: Trouble, call: &Call) -> Refusal {
    let mut failure = Failure::trouble(Platform::Facebook, trouble);
    failure.ambiguous &= call.writes();
    failure.into()
}
