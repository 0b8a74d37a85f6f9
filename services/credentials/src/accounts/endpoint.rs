//! Calls to a platform's token endpoint: a code, a refresh token or (Facebook) a live token for new tokens. Never
//! retried here: each of them may use up what it sends.

use std::sync::{Mutex, PoisonError};

use domain::platform::Platform;
use futures::future::BoxFuture;
use oauth2::{AsyncHttpClient, AuthorizationCode, HttpRequest, HttpResponse, PkceCodeVerifier, RefreshToken};
use reqwest::RequestBuilder;
use secret::{ExposeSecret, SecretString};

use super::{
    grant::{Answer, Grant},
    provider::Provider,
    refused::{Refused, refused},
};
use crate::http::{Http, Reply, Trouble};

/// The code that came with the redirect, and the verifier of the challenge, for tokens. (Boxed: the compiler loses
/// track of the lifetimes in the `oauth2` crate's own future.)
pub(super) fn exchange<'a>(
    provider: &'a Provider,
    http: &'a Http,
    code: SecretString,
    verifier: Option<SecretString>,
) -> BoxFuture<'a, Result<Grant, Refused>> {
    Box::pin(async move {
        let line = Line::new(provider, http);
        let mut request = provider.client().exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()));
        if let Some(verifier) = verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
        }
        let answer = request.request_async(&line).await;
        line.grant(answer.ok())
    })
}

/// The refresh token for a new pair.
pub(super) fn refresh<'a>(
    provider: &'a Provider,
    http: &'a Http,
    refresh: &SecretString,
) -> BoxFuture<'a, Result<Grant, Refused>> {
    let token = RefreshToken::new(refresh.expose_secret().to_owned());
    Box::pin(async move {
        let line = Line::new(provider, http);
        let answer = provider.client().exchange_refresh_token(&token).request_async(&line).await;
        line.grant(answer.ok())
    })
}

/// Facebook: a live token for one of sixty days.
pub(super) async fn lengthen(provider: &Provider, http: &Http, access: &SecretString) -> Result<Grant, Refused> {
    let query = [
        ("grant_type", "fb_exchange_token"),
        ("client_id", &provider.client_id),
        ("client_secret", provider.client_secret.expose_secret()),
        ("fb_exchange_token", access.expose_secret()),
    ];
    let line = Line::new(provider, http);
    let reply = line.send(http.client().get(&provider.token_url).query(&query)).await;
    let answer = reply.ok().filter(|reply| reply.status.is_success());
    line.grant(answer.and_then(|reply| reply.json().ok()))
}

/// One call. Keeps the reply, because the `oauth2` crate's errors have neither its status nor its headers.
struct Line<'a> {
    provider: &'a Provider,
    http: &'a Http,
    seen: Mutex<Result<Reply, Trouble>>,
}

impl<'c> AsyncHttpClient<'c> for Line<'_> {
    type Error = Trouble;
    type Future = BoxFuture<'c, Result<HttpResponse, Trouble>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

impl<'a> Line<'a> {
    fn new(provider: &'a Provider, http: &'a Http) -> Self {
        Self { provider, http, seen: Mutex::new(Err(Trouble::NotSent)) }
    }

    /// The `oauth2` crate's request over our client.
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let form = request.into_body();
        let client = self.http.client();
        // Graph documents GET; everybody else POST.
        let request = if self.provider.platform == Platform::Facebook {
            let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&form).into_owned().collect();
            client.get(&self.provider.token_url).query(&pairs)
        } else {
            client
                .post(&self.provider.token_url)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("accept", "application/json")
                .body(form)
        };
        let reply = self.send(request).await?;
        let mut answer = HttpResponse::new(reply.body.to_vec());
        *answer.status_mut() = reply.status;
        Ok(answer)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, Trouble> {
        let reply = self.http.send(request).await;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = reply.clone();
        reply
    }

    fn grant(&self, answer: Option<Answer>) -> Result<Grant, Refused> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = answer.and_then(Answer::into_grant);
        grant.ok_or_else(|| refused(self.provider.platform, seen.as_ref().map_err(|trouble| *trouble)))
    }
}
