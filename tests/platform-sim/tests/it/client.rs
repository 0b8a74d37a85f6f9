//! A small client of all platforms, as a product would have one.

use std::time::{Duration, Instant};

use platform_sim::{Consent, Options, Sim};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub(crate) const REDIRECT: &str = "https://app.example/oauth/callback";
pub(crate) const YOUTUBE_SCOPE: &str = "https://www.googleapis.com/auth/youtube.force-ssl";
pub(crate) const TWITCH_SCOPES: &str = "channel:read:stream_key channel:manage:broadcast user:write:chat";
pub(crate) const FACEBOOK_SCOPES: &str =
    "publish_video,pages_show_list,pages_read_engagement,pages_manage_posts,read_insights";
const SOON: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Got {
    /// The header as text; empty when missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text at a JSON pointer.
    pub fn text(&self, at: &str) -> String {
        self.body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// YouTube's reason.
    pub fn reason(&self) -> (u16, String) {
        (self.status, self.text("/error/errors/0/reason"))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

pub(crate) struct Client {
    pub sim: Sim,
    pub http: reqwest::Client,
}

impl Client {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(SOON).build();
        Self { sim: Sim::start(options).await.unwrap(), http: http.unwrap() }
    }

    pub fn at(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.sim.http()))
    }

    pub async fn send(&self, request: RequestBuilder) -> Got {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Got { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send(self.at("GET", path)).await
    }

    pub async fn form(&self, path: &str, form: &[(&str, &str)]) -> Got {
        self.send(self.at("POST", path).form(form)).await
    }

    /// With a bearer token; a body unless null.
    pub async fn bearer(&self, method: &str, path: &str, token: &str, body: Value) -> Got {
        let request = self.at(method, path).bearer_auth(token);
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }

    pub async fn helix(&self, method: &str, path: &str, token: &str, body: Value) -> Got {
        let request =
            self.at(method, &format!("/helix{path}")).bearer_auth(token).header("Client-Id", "sim-twitch-client");
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// The code that the consent page gives.
    pub fn code(&self, page: &str, pairs: &[(&str, &str)], consent: &Consent) -> String {
        let mut url = url::Url::parse(&format!("{}{page}", self.sim.http())).unwrap();
        url.query_pairs_mut()
            .extend_pairs([("redirect_uri", REDIRECT), ("response_type", "code"), ("state", "s-1")])
            .extend_pairs(pairs);
        let to = self.sim.authorize(url.as_str(), consent).unwrap();
        to.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()).unwrap()
    }

    pub async fn google(&self, person: &str) -> Value {
        let pairs = [
            ("client_id", "sim-google-client"),
            ("scope", YOUTUBE_SCOPE),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ];
        let code = self.code("/google-oauth/o/oauth2/v2/auth", &pairs, &Consent::of(person));
        self.google_exchange(&code, &[]).await.is(200).body
    }

    pub async fn google_exchange(&self, code: &str, more: &[(&str, &str)]) -> Got {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.form("/google-oauth/token", &[&form[..], GOOGLE, more].concat()).await
    }

    pub async fn twitch(&self, person: &str) -> Value {
        let pairs = [("client_id", "sim-twitch-client"), ("scope", TWITCH_SCOPES)];
        let code = self.code("/twitch-id/oauth2/authorize", &pairs, &Consent::of(person));
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
        self.form("/twitch-id/oauth2/token", &[&form[..], TWITCH].concat()).await.is(200).body
    }

    /// A long-lived user token.
    pub async fn facebook(&self, person: &str) -> String {
        let pairs = [("client_id", "sim-facebook-client"), ("scope", FACEBOOK_SCOPES)];
        let code = self.code("/facebook-dialog/v26.0/dialog/oauth", &pairs, &Consent::of(person));
        let short = self.facebook_token(&[("code", &code), ("redirect_uri", REDIRECT)]).await.is(200);
        let exchange = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", &short.text("/access_token"))];
        self.facebook_token(&exchange).await.is(200).text("/access_token")
    }

    pub async fn facebook_token(&self, query: &[(&str, &str)]) -> Got {
        let app = [("client_id", "sim-facebook-client"), ("client_secret", "sim-facebook-secret-4fQz81")];
        self.send(self.at("GET", "/graph/v26.0/oauth/access_token").query(&app).query(query)).await
    }

    pub async fn graph(&self, method: &str, path: &str, token: &str, parameters: &[(&str, &str)]) -> Got {
        let request = self.at(method, &format!("/graph/v26.0{path}")).query(&[("access_token", token)]);
        self.send(if method == "POST" { request.form(parameters) } else { request.query(parameters) }).await
    }

    /// The person's Page that may go live: its id and token.
    pub async fn page(&self, user: &str) -> (String, String) {
        let pages =
            self.graph("GET", "/me/accounts", user, &[("fields", "id,name,access_token,tasks,category")]).await.is(200);
        (pages.text("/data/0/id"), pages.text("/data/0/access_token"))
    }

    /// `(account id, API token)`
    pub fn cloudflare(&self, person: &str) -> (String, String) {
        let account = self.sim.account(person);
        let of = |name: &str| account["cloudflare"][name].as_str().unwrap().to_owned();
        (of("account_id"), of("api_token"))
    }
}

pub(crate) const GOOGLE: &[(&str, &str)] =
    &[("client_id", "sim-google-client"), ("client_secret", "sim-google-secret-4fQz81")];
pub(crate) const TWITCH: &[(&str, &str)] =
    &[("client_id", "sim-twitch-client"), ("client_secret", "sim-twitch-secret-4fQz81")];

/// Asks again until the answer is as wanted.
pub(crate) async fn until<T, F: Future<Output = T>>(
    what: &str,
    mut ask: impl FnMut() -> F,
    wanted: impl Fn(&T) -> bool,
) -> T
where
    T: std::fmt::Debug,
{
    let end = Instant::now() + SOON;
    loop {
        let got = ask().await;
        if wanted(&got) {
            return got;
        }
        assert!(Instant::now() < end, "{what}: still {got:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A broadcast that may start now.
pub(crate) fn broadcast(client: &Client, more: Value) -> Value {
    let start = time::OffsetDateTime::from_unix_timestamp(client.sim.now_ms() / 1_000 + 60).unwrap();
    let start = start.format(&time::format_description::well_known::Rfc3339).unwrap();
    json!({
        "snippet": {"title": "Evening show", "scheduledStartTime": start},
        "status": {"privacyStatus": "unlisted", "selfDeclaredMadeForKids": false},
        "contentDetails": more,
    })
}
