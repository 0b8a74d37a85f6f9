//! The simulator, an account that has signed in, and a destination with its book in memory.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    ids::{DestinationId, TenantId},
    platform_settings::PlatformSettings,
};
use platform_sim::{Consent, Fault, Options, Sim, contract::Contract};
use secret::{ExposeSecret, SecretString, StreamKey};
use serde_json::{Value, json};
use service_kit::{Clock, ManualClock};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{Endpoints, Youtube};
use crate::{
    http::{self, Http},
    platforms::{
        AccountInfo, Book, Budget, Failure, Lifecycle, Purpose, Ready, Run, State, Thumbnail, Token, Tokens, Truth,
    },
    quota,
};

const REDIRECT: &str = "https://app.example/oauth/callback";
const SCOPE: &str = "https://www.googleapis.com/auth/youtube.force-ssl";
/// Patience with the simulator's real time.
const SOON: Duration = Duration::from_secs(20);
/// A call without an answer is given up after this.
const CALL: Duration = Duration::from_millis(700);
pub(super) const INSERT: &str = "/youtube/v3/liveBroadcasts";

pub(super) struct World {
    pub sim: Sim,
    pub clock: ManualClock,
    pub budget: Arc<Counter>,
    pub youtube: Youtube,
    pub tokens: Arc<Signed>,
    books: Arc<Mutex<Vec<Arc<Memo>>>>,
}

/// Counts in memory.
pub(super) struct Counter {
    pub daily: AtomicI64,
    pub used: AtomicI64,
    pub told: AtomicU32,
    clock: ManualClock,
}

#[tonic::async_trait]
impl Budget for Counter {
    async fn spend(&self, units: u32, purpose: Purpose) -> Result<(), Failure> {
        let limit = quota::limit(self.daily.load(Ordering::SeqCst), purpose);
        if self.used.load(Ordering::SeqCst) + i64::from(units) > limit {
            return Err(quota::used_up(self.clock.now(), purpose));
        }
        self.used.fetch_add(i64::from(units), Ordering::SeqCst);
        Ok(())
    }

    async fn exhausted(&self) {
        self.told.fetch_add(1, Ordering::SeqCst);
        self.daily.store(0, Ordering::SeqCst);
    }
}

/// Tokens straight from the simulator's token endpoint.
pub(super) struct Signed {
    client: reqwest::Client,
    base: String,
    refresh: String,
    token: Mutex<(String, i64)>,
    pub renewals: AtomicU32,
}

#[tonic::async_trait]
impl Tokens for Signed {
    async fn token(&self) -> Result<Token, Failure> {
        let (secret, version) = self.token.lock().unwrap().clone();
        Ok(Token { secret: SecretString::from(secret), version })
    }

    async fn renew(&self, rejected: &Token) -> Result<Token, Failure> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        let form = [("grant_type", "refresh_token"), ("refresh_token", self.refresh.as_str())];
        let got = form_post(&self.client, &self.base, &form).await;
        *self.token.lock().unwrap() = (got["access_token"].as_str().unwrap().to_owned(), rejected.version + 1);
        self.token().await
    }
}

async fn form_post(client: &reqwest::Client, base: &str, form: &[(&str, &str)]) -> Value {
    let app = [("client_id", "sim-google-client"), ("client_secret", "sim-google-secret-4fQz81")];
    let request = client.post(format!("{base}/google-oauth/token")).form(&[form, &app].concat());
    request.send().await.unwrap().json().await.unwrap()
}

impl Signed {
    async fn of(sim: &Sim, person: &str) -> Self {
        let mut url = url::Url::parse(&format!("{}/google-oauth/o/oauth2/v2/auth", sim.http())).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("state", "s"),
            ("client_id", "sim-google-client"),
            ("scope", SCOPE),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ]);
        let to = sim.authorize(url.as_str(), &Consent::of(person)).unwrap();
        let code = to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let (client, base) = (reqwest::Client::new(), sim.http().to_owned());
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
        let got = form_post(&client, &base, &form).await;
        let text = |name: &str| got[name].as_str().unwrap().to_owned();
        let token = Mutex::new((text("access_token"), 1));
        Self { client, base, refresh: text("refresh_token"), token, renewals: AtomicU32::new(0) }
    }
}

/// A book in memory. `hang_at` is the save that never returns, as if the process had died there.
#[derive(Default)]
pub(super) struct Memo {
    pub progress: Mutex<Value>,
    key: Mutex<Option<StreamKey>>,
    pub thumbnail: Mutex<Option<Thumbnail>>,
    pub saves: AtomicU32,
    pub hang_at: AtomicU32,
    others: Arc<Mutex<Vec<Arc<Memo>>>>,
}

#[tonic::async_trait]
impl Book for Memo {
    fn progress(&self) -> Value {
        let progress = self.progress.lock().unwrap().clone();
        if progress.is_null() { json!({}) } else { progress }
    }

    async fn save(&self, progress: &Value) -> Result<(), Failure> {
        *self.progress.lock().unwrap() = progress.clone();
        if self.saves.fetch_add(1, Ordering::SeqCst) + 1 == self.hang_at.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn key(&self) -> Result<Option<StreamKey>, Failure> {
        Ok(self.key.lock().unwrap().clone())
    }

    async fn keep_key(&self, key: &StreamKey) -> Result<(), Failure> {
        *self.key.lock().unwrap() = Some(key.clone());
        Ok(())
    }

    async fn thumbnail(&self) -> Result<Option<Thumbnail>, Failure> {
        Ok(self.thumbnail.lock().unwrap().clone())
    }

    async fn taken(&self, field: &'static str) -> Result<HashSet<String>, Failure> {
        let all = self.others.lock().unwrap().clone();
        let others = all.iter().filter(|other| !std::ptr::eq(other.as_ref(), self));
        Ok(others.filter_map(|other| other.progress.lock().unwrap()[field].as_str().map(str::to_owned)).collect())
    }
}

/// A destination in a run.
pub(super) struct Place {
    pub run: Run,
    pub memo: Arc<Memo>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Sim::start(options).await.unwrap();
        let now = OffsetDateTime::from_unix_timestamp(sim.now_ms() / 1_000).unwrap();
        let clock = ManualClock::new(now);
        let (daily, used, told) = (AtomicI64::new(10_000), AtomicI64::new(0), AtomicU32::new(0));
        let budget = Arc::new(Counter { daily, used, told, clock: clock.clone() });
        let tokens = Arc::new(Signed::of(&sim, "alice").await);
        let youtube = youtube(&sim, &budget, &clock);
        Self { sim, clock, budget, youtube, tokens, books: Arc::default() }
    }

    /// As after a restart: nothing is remembered but the books.
    pub fn restart(&mut self) {
        self.youtube = youtube(&self.sim, &self.budget, &self.clock);
    }

    pub fn place(&self, settings: PlatformSettings) -> Place {
        let memo = Arc::new(Memo { others: self.books.clone(), ..Memo::default() });
        self.books.lock().unwrap().push(memo.clone());
        let run = Run {
            tenant: TenantId("tenant".to_owned()),
            destination: DestinationId(Uuid::from_u128(0x5eed + self.books.lock().unwrap().len() as u128)),
            run_ms: 1,
            take: 0,
            stream_title: "Evening show".to_owned(),
            settings,
            publishing_ms: 0,
            account: Some(AccountInfo { id: Uuid::nil(), external_id: "UC".to_owned(), name: "Alice".to_owned() }),
            tokens: self.tokens.clone(),
            book: memo.clone(),
        };
        Place { run, memo }
    }

    /// Our clock goes as far as the simulator's.
    pub fn sync(&self) {
        let now = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.sim.now_ms()) * 1_000_000).unwrap();
        self.clock.set(now);
    }

    /// Both clocks.
    pub fn advance(&self, by: Duration) {
        self.sim.advance(by);
        self.sync();
    }

    /// As the caller does it: transient failures are tried again.
    pub async fn prepared(&self, place: &Place) -> Ready {
        for _ in 0..20 {
            self.sync();
            match self.youtube.prepare(&place.run).await {
                Ok(ready) => return ready,
                Err(failure) => {
                    assert!(failure.is_transient(), "{failure:?}");
                    self.advance(failure.after.unwrap_or(Duration::from_secs(1)));
                }
            }
        }
        panic!("never prepared");
    }

    pub async fn look(&self, place: &Place) -> Result<Truth, Failure> {
        self.sync();
        let mut truths = self.youtube.look(std::slice::from_ref(&place.run), self.clock.now_ms()).await;
        truths.pop().unwrap()
    }

    /// Looks as often as each look asks for, in real time.
    pub async fn until(&self, place: &Place, what: &str, wanted: impl Fn(&Truth) -> bool) -> Truth {
        let end = Instant::now() + SOON;
        loop {
            let truth = self.look(place).await.unwrap();
            if wanted(&truth) {
                return truth;
            }
            assert!(Instant::now() < end, "{what}: still {truth:?}");
            tokio::time::sleep(truth.again.unwrap().min(Duration::from_millis(200))).await;
        }
    }

    pub async fn until_live(&self, place: &Place) -> Truth {
        self.until(place, "live", |truth| truth.state == State::Live).await
    }

    /// Waits until the simulator's state is as wanted.
    pub async fn sim_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let end = Instant::now() + SOON;
        loop {
            let state = self.sim.state();
            if wanted(&state["youtube"]) {
                return;
            }
            assert!(Instant::now() < end, "{what}: still {state}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every broadcast of the simulator: its status.
    pub fn broadcasts(&self) -> Vec<String> {
        let state = self.sim.state();
        let all = state["youtube"]["broadcasts"].as_array().unwrap();
        all.iter().map(|broadcast| broadcast["status"].as_str().unwrap().to_owned()).collect()
    }

    pub fn streams(&self) -> usize {
        self.sim.state()["youtube"]["streams"].as_array().unwrap().len()
    }

    /// Units by the simulator's count.
    pub fn units(&self) -> u64 {
        self.sim.state()["youtube"]["quota"]["total"].as_u64().unwrap()
    }

    /// Somebody schedules a broadcast in YouTube Studio.
    pub async fn schedule(&self, title: &str, at: &str) {
        let body = json!({"snippet": {"title": title, "scheduledStartTime": at},
            "status": {"privacyStatus": "public", "selfDeclaredMadeForKids": false}});
        self.post("/liveBroadcasts?part=id,snippet,status", &body).await;
    }

    /// Somebody makes a stream key in YouTube Studio.
    pub async fn stream(&self, title: &str) {
        let cdn = json!({"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"});
        self.post("/liveStreams?part=id,snippet,cdn", &json!({"snippet": {"title": title}, "cdn": cdn})).await;
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}/youtube/v3{path}", self.sim.http());
        let token = self.tokens.token().await.unwrap();
        let request = reqwest::Client::new().post(url).bearer_auth(token.secret.expose_secret()).json(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// A refusal as YouTube writes it, once.
    pub fn refuse(&self, method: &str, path: &str, status: u16, reason: &str) {
        let body = json!({"error": {"code": status, "message": reason,
            "errors": [{"domain": "youtube.liveBroadcast", "reason": reason, "message": reason}]}});
        self.sim.fault(Fault::on(method, path).answer(status, body));
    }
}

/// Whatever a test did: every call was as YouTube describes it, and no secret was remembered.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut journal = self.sim.journal();
        journal.retain(|entry| entry.path.contains("/youtube/"));
        static CONTRACT: OnceLock<Option<Contract>> = OnceLock::new();
        if let Some(contract) = CONTRACT.get_or_init(|| Contract::find().unwrap()) {
            assert_eq!(contract.violations(&journal), Vec::<String>::new());
        }
        let books = self.books.lock().unwrap();
        let written: Vec<String> = books.iter().map(|memo| memo.progress.lock().unwrap().to_string()).collect();
        for secret in self.sim.secrets() {
            assert!(!written.iter().any(|text| text.contains(&secret)), "a secret is in the progress");
        }
    }
}

fn youtube(sim: &Sim, budget: &Arc<Counter>, clock: &ManualClock) -> Youtube {
    let http = Http::new(http::Options { total: CALL, ..http::Options::default() }).unwrap();
    let endpoints =
        Endpoints { api: format!("{}/youtube/v3", sim.http()), upload: format!("{}/upload/youtube/v3", sim.http()) };
    Youtube::new(http, endpoints, budget.clone(), Arc::new(clock.clone()))
}

impl Place {
    pub fn key(&self) -> StreamKey {
        self.memo.key.lock().unwrap().clone().unwrap()
    }

    pub fn saved(&self, field: &str) -> Value {
        self.memo.progress.lock().unwrap()[field].clone()
    }

    /// Media is acknowledged from now on.
    pub fn publishing(&mut self, world: &World) {
        world.sync();
        self.run.publishing_ms = world.clock.now_ms();
    }
}
