//! A simulator, one person, one destination; book and tokens in memory.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
};
use platform_sim::{Consent, JournalEntry, Options, Sim};
use secret::{SecretString, StreamKey};
use serde_json::Value;
use service_kit::Clock;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::super::{Endpoints, Facebook};
use crate::{
    http::{self, Http},
    platforms::{AccountInfo, Book, Failure, Lifecycle, Ready, Run, State, Thumbnail, Token, Tokens, Truth},
};

const REDIRECT: &str = "https://app.example/oauth/callback";
const SCOPES: &str = "publish_video,pages_show_list,pages_read_engagement,pages_manage_posts,read_insights";
const APP: [(&str, &str); 2] = [("client_id", "sim-facebook-client"), ("client_secret", "sim-facebook-secret-4fQz81")];
const SOON: Duration = Duration::from_secs(20);

/// The simulator's clock.
pub(super) struct SimClock(pub Arc<Sim>);

impl Clock for SimClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.now_ms()) * 1_000_000).unwrap()
    }
}

/// Where a call of a fake stops for ever, so that the test can drop whoever waits for it.
#[derive(Default)]
pub(super) struct Trap {
    /// Counts down with every step of book and tokens; the step that meets one is caught.
    pub left: AtomicU32,
    /// It was caught.
    pub caught: Notify,
}

impl Trap {
    pub async fn step(&self) {
        if self.left.load(Ordering::SeqCst) > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.caught.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// What all destinations' books hold.
pub(super) type Shelf = Arc<Mutex<BTreeMap<u32, Value>>>;

pub(super) struct MemBook {
    pub number: u32,
    pub shelf: Shelf,
    pub key: Mutex<Option<StreamKey>>,
    pub trap: Arc<Trap>,
}

#[tonic::async_trait]
impl Book for MemBook {
    fn progress(&self) -> Value {
        self.shelf.lock().unwrap().get(&self.number).cloned().unwrap_or_else(|| serde_json::json!({}))
    }

    async fn save(&self, progress: &Value) -> Result<(), Failure> {
        self.trap.step().await;
        self.shelf.lock().unwrap().insert(self.number, progress.clone());
        self.trap.step().await;
        Ok(())
    }

    async fn key(&self) -> Result<Option<StreamKey>, Failure> {
        Ok(self.key.lock().unwrap().clone())
    }

    async fn keep_key(&self, key: &StreamKey) -> Result<(), Failure> {
        self.trap.step().await;
        *self.key.lock().unwrap() = Some(key.clone());
        self.trap.step().await;
        Ok(())
    }

    async fn thumbnail(&self) -> Result<Option<Thumbnail>, Failure> {
        Ok(None)
    }

    async fn taken(&self, field: &'static str) -> Result<HashSet<String>, Failure> {
        self.trap.step().await;
        let shelf = self.shelf.lock().unwrap();
        let others = shelf.iter().filter(|(number, _)| **number != self.number);
        Ok(others.filter_map(|(_, progress)| progress[field].as_str().map(str::to_owned)).collect())
    }
}

/// Exchanges the token for another one when it is told that it is dead.
pub(super) struct SimTokens {
    sim: Arc<Sim>,
    token: Mutex<(String, i64)>,
    pub renewals: AtomicU32,
}

#[tonic::async_trait]
impl Tokens for SimTokens {
    async fn token(&self) -> Result<Token, Failure> {
        let (token, version) = self.token.lock().unwrap().clone();
        Ok(Token { secret: SecretString::from(token), version })
    }

    async fn renew(&self, rejected: &Token) -> Result<Token, Failure> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        let (token, version) = self.token.lock().unwrap().clone();
        assert_eq!(version, rejected.version);
        let query = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", token.as_str())];
        let Some(token) = exchange(&self.sim, &query).await else {
            return Err(Failure::reauth(Platform::Facebook, "It can't be renewed."));
        };
        *self.token.lock().unwrap() = (token.clone(), version + 1);
        Ok(Token { secret: SecretString::from(token), version: version + 1 })
    }
}

async fn exchange(sim: &Sim, query: &[(&str, &str)]) -> Option<String> {
    let url = format!("{}/graph/v26.0/oauth/access_token", sim.http());
    let answer = reqwest::Client::new().get(url).query(&APP).query(query).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    body["access_token"].as_str().map(str::to_owned)
}

/// A long-lived user token, by the whole sign-in.
async fn sign_in(sim: &Sim, person: &str) -> String {
    let mut url = url::Url::parse(&format!("{}/facebook-dialog/v26.0/dialog/oauth", sim.http())).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", APP[0].1),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("state", "s"),
        ("scope", SCOPES),
    ]);
    let to = sim.authorize(url.as_str(), &Consent::of(person)).unwrap();
    let code = to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let short = exchange(sim, &[("code", &code), ("redirect_uri", REDIRECT)]).await.unwrap();
    exchange(sim, &[("grant_type", "fb_exchange_token"), ("fb_exchange_token", &short)]).await.unwrap()
}

pub(super) struct Bench {
    pub sim: Arc<Sim>,
    pub facebook: Arc<Facebook>,
    pub tokens: Arc<SimTokens>,
    pub shelf: Shelf,
    pub trap: Arc<Trap>,
    pub run: Run,
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(Options { seed: Some(7), ..Options::default() }, http::Options::default()).await
    }

    /// With a client that loses patience early.
    pub async fn hasty() -> Self {
        let hasty = http::Options { total: Duration::from_millis(400), ..http::Options::default() };
        Self::with(Options { seed: Some(7), ..Options::default() }, hasty).await
    }

    pub async fn with(options: Options, bounds: http::Options) -> Self {
        service_kit::install_crypto();
        let sim = Arc::new(Sim::start(options).await.unwrap());
        let token = sign_in(&sim, "alice").await;
        let tokens =
            Arc::new(SimTokens { sim: sim.clone(), token: Mutex::new((token, 1)), renewals: AtomicU32::new(0) });
        let facebook = Arc::new(facebook(&sim, bounds));
        let (shelf, trap) = (Shelf::default(), Arc::new(Trap::default()));
        let run = new_run(&sim, tokens.clone(), &shelf, &trap, 1);
        Self { sim, facebook, tokens, shelf, trap, run }
    }

    /// On the Page that may go live.
    pub fn on_page(mut self) -> Self {
        self.run.settings.page_id = Some(self.page(0));
        self
    }

    pub fn page(&self, number: usize) -> String {
        self.sim.account("alice")["facebook"]["pages"][number]["id"].as_str().unwrap().to_owned()
    }

    /// Another destination of the same person and title.
    pub fn another(&self, number: u32) -> Run {
        let mut run = new_run(&self.sim, self.tokens.clone(), &self.shelf, &self.trap, number);
        run.settings = self.run.settings.clone();
        run
    }

    /// As after a crash: nothing in memory.
    pub fn restart(&mut self, bounds: http::Options) {
        self.facebook = Arc::new(facebook(&self.sim, bounds));
    }

    pub fn progress(&self) -> Value {
        self.run.book.progress()
    }

    pub async fn key(&self) -> StreamKey {
        self.run.book.key().await.unwrap().unwrap()
    }

    /// Prepares as the caller does: transient failures are tried again, after the pause they ask for.
    pub async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        let end = Instant::now() + SOON;
        loop {
            match self.facebook.prepare(run).await {
                Err(failure) if failure.is_transient() && Instant::now() < end => {
                    self.sim.advance(failure.after.unwrap_or(Duration::from_millis(500)));
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    }

    pub async fn finish(&self) -> Result<(), Failure> {
        let end = Instant::now() + SOON;
        loop {
            match self.facebook.finish(&self.run).await {
                Err(failure) if failure.is_transient() && Instant::now() < end => {
                    self.sim.advance(failure.after.unwrap_or(Duration::from_millis(500)));
                }
                other => return other,
            }
        }
    }

    pub async fn look(&self) -> Result<Truth, Failure> {
        self.facebook.look(std::slice::from_ref(&self.run), self.sim.now_ms()).await.remove(0)
    }

    /// Looks, each time when the last look said so, until the truth is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Truth) -> bool) -> Truth {
        let end = Instant::now() + SOON;
        loop {
            let truth = self.look().await.unwrap();
            if wanted(&truth) {
                return truth;
            }
            assert!(Instant::now() < end, "{what}: still {truth:?}");
            self.sim.advance(truth.again.unwrap().min(Duration::from_secs(2)));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn until_state(&self, state: State) -> Truth {
        self.until("state", |truth| truth.state == state).await
    }

    /// `(id, status)` of every live video that Facebook has.
    pub fn lives(&self) -> Vec<(String, String)> {
        let state = self.sim.state();
        let text = |live: &Value, name: &str| live[name].as_str().unwrap().to_owned();
        let lives = state["facebook"]["lives"].as_array().unwrap();
        lives.iter().map(|live| (text(live, "id"), text(live, "status"))).collect()
    }

    /// Those that are not over.
    pub fn open(&self) -> Vec<(String, String)> {
        let is_over = |status: &str| {
            ["LIVE_STOPPED", "PROCESSING", "VOD", "SCHEDULED_CANCELED", "SCHEDULED_EXPIRED"].contains(&status)
        };
        self.lives().into_iter().filter(|(_, status)| !is_over(status)).collect()
    }

    /// Graph calls after sign-in.
    pub fn journal(&self) -> Vec<JournalEntry> {
        let mut entries = self.sim.journal();
        entries.retain(|entry| entry.path.starts_with("/graph/") && !entry.path.contains("/oauth/"));
        entries
    }

    pub fn creates(&self) -> usize {
        self.journal().iter().filter(|entry| entry.method == "POST" && entry.path.ends_with("/live_videos")).count()
    }
}

fn facebook(sim: &Arc<Sim>, bounds: http::Options) -> Facebook {
    let endpoints = Endpoints { graph: format!("{}/graph/v26.0", sim.http()) };
    let secret = SecretString::from(APP[1].1.to_owned());
    Facebook::new(Http::new(bounds).unwrap(), endpoints, secret, Arc::new(SimClock(sim.clone())))
}

fn new_run(sim: &Arc<Sim>, tokens: Arc<SimTokens>, shelf: &Shelf, trap: &Arc<Trap>, number: u32) -> Run {
    let id = sim.account("alice")["facebook"]["id"].as_str().unwrap().to_owned();
    Run {
        tenant: TenantId("tenant-a".to_owned()),
        destination: DestinationId::from(Uuid::from_u128(u128::from(number))),
        run_ms: sim.now_ms(),
        take: 0,
        stream_title: "Evening show".to_owned(),
        settings: PlatformSettings::default(),
        publishing_ms: 0,
        account: Some(AccountInfo { id: Uuid::from_u128(99), external_id: id, name: "Alice".to_owned() }),
        tokens,
        book: Arc::new(MemBook { number, shelf: shelf.clone(), key: Mutex::default(), trap: trap.clone() }),
    }
}
