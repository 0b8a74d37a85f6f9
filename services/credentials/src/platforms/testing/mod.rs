//! What the platforms' tests share: a book in memory that can fail on purpose, tokens, a run, a publisher, waiting.

mod log;
mod media;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use domain::{
    ids::{DestinationId, TenantId},
    platform_settings::PlatformSettings,
};
use platform_sim::{JournalEntry, Sim, contract::Contract};
use secret::{SecretString, StreamKey};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use log::Log;
pub(crate) use media::Live;

use super::{AccountInfo, Book, Failure, Run, Thumbnail, Token, Tokens};
use crate::http::{Http, Options};

/// Nothing in a test takes longer.
const SOON: Duration = Duration::from_secs(15);

/// A book in memory.
#[derive(Default)]
pub(crate) struct Memory {
    progress: Mutex<Option<Value>>,
    key: Mutex<Option<StreamKey>>,
    /// Of other destinations.
    pub taken: Mutex<HashSet<String>>,
    writes: AtomicU32,
    /// The write that fails, counted from 1; 0: none.
    failing: AtomicU32,
}

impl Memory {
    /// The `nth` write from now on fails: nothing is written by it, as when the process dies just before it.
    pub fn fail(&self, nth: u32) {
        self.writes.store(0, SeqCst);
        self.failing.store(nth, SeqCst);
    }

    /// Whether the failure of [`Memory::fail`] has happened.
    pub fn failed(&self) -> bool {
        self.writes.load(SeqCst) >= self.failing.load(SeqCst)
    }

    pub fn stored(&self) -> Option<StreamKey> {
        self.key.lock().unwrap().clone()
    }

    fn write(&self) -> Result<(), Failure> {
        let this = self.writes.fetch_add(1, SeqCst) + 1;
        if this == self.failing.load(SeqCst) { Err(Failure::ours()) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl Book for Memory {
    fn progress(&self) -> Value {
        self.progress.lock().unwrap().clone().unwrap_or_else(|| json!({}))
    }

    async fn save(&self, progress: &Value) -> Result<(), Failure> {
        self.write()?;
        *self.progress.lock().unwrap() = Some(progress.clone());
        Ok(())
    }

    async fn key(&self) -> Result<Option<StreamKey>, Failure> {
        Ok(self.stored())
    }

    async fn keep_key(&self, key: &StreamKey) -> Result<(), Failure> {
        self.write()?;
        *self.key.lock().unwrap() = Some(key.clone());
        Ok(())
    }

    async fn thumbnail(&self) -> Result<Option<Thumbnail>, Failure> {
        Ok(None)
    }

    async fn taken(&self, _field: &'static str) -> Result<HashSet<String>, Failure> {
        Ok(self.taken.lock().unwrap().clone())
    }
}

/// One token, and others to renew it with.
pub(crate) struct Given {
    tokens: Vec<String>,
    at: AtomicI64,
}

impl Given {
    /// The first is in use; each renewal takes the next, and there is none after the last.
    pub fn new(tokens: impl IntoIterator<Item = String>) -> Arc<Self> {
        Arc::new(Self { tokens: tokens.into_iter().collect(), at: AtomicI64::new(0) })
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.tokens.clone()
    }

    pub fn renewals(&self) -> i64 {
        self.at.load(SeqCst)
    }
}

#[tonic::async_trait]
impl Tokens for Given {
    async fn token(&self) -> Result<Token, Failure> {
        let version = self.at.load(SeqCst);
        let secret = usize::try_from(version).ok().and_then(|at| self.tokens.get(at));
        let gone = || Failure::permanent("reauth_required", "Sign in again.");
        Ok(Token { secret: SecretString::from(secret.ok_or_else(gone)?.clone()), version })
    }

    async fn renew(&self, rejected: &Token) -> Result<Token, Failure> {
        // A parallel call may have renewed it already.
        let _ = self.at.compare_exchange(rejected.version, rejected.version + 1, SeqCst, SeqCst);
        self.token().await
    }
}

/// A destination's run with these tokens and a fresh book.
pub(crate) fn run(tokens: Arc<dyn Tokens>, account: Option<AccountInfo>) -> (Run, Arc<Memory>) {
    let book = Arc::new(Memory::default());
    let run = Run {
        tenant: TenantId("tenant".to_owned()),
        destination: DestinationId(Uuid::now_v7()),
        run_ms: 1_000,
        take: 0,
        stream_title: "Evening show".to_owned(),
        settings: PlatformSettings::default(),
        publishing_ms: 0,
        account,
        tokens,
        book: book.clone(),
    };
    (run, book)
}

/// A client that gives up a call after `total`.
pub(crate) fn http(total: Duration) -> Http {
    service_kit::install_crypto();
    Http::new(Options { total, ..Options::default() }).unwrap()
}

/// Asks again until the answer is as wanted.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
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

/// Answers that no platform should give.
pub(crate) fn odd_answers() -> Vec<(u16, Value)> {
    let texts =
        ["", "null", "[]", "{}", "<html>502</html>", "{\"data\":null}", "{\"result\":[]}", "\u{0}", "{\"data\":[{}]}"];
    let mut bodies: Vec<Value> = texts.into_iter().map(Value::from).collect();
    bodies.push(json!({"success": true, "errors": null, "result": {"uid": 1, "liveInputs": {}}, "data": [[1]]}));
    bodies.push(
        json!({"success": "yes", "result": {"liveInputs": [{"uid": "x", "status": {"current": 3}, "rtmps": {}}]}}),
    );
    bodies.push(
        json!({"message": ["x"], "errors": [{"code": "a"}], "ingests": [{"url_template": 3}], "live": "perhaps"}),
    );
    bodies.push(Value::from("[".repeat(5_000)));
    let statuses = [200, 302, 400, 401, 403, 429, 500];
    statuses.into_iter().flat_map(|status| bodies.iter().map(move |body| (status, body.clone()))).collect()
}

/// Every call so far is as the platforms' OpenAPI files say.
#[track_caller]
pub(crate) fn assert_contract(sim: &Sim) {
    if let Some(contract) = Contract::find().unwrap() {
        assert_eq!(contract.violations(&sim.journal()), [""; 0]);
    }
}

/// `METHOD path query status` and the body of every call, with what differs from run to run replaced.
pub(crate) fn life(entries: &[JournalEntry], replace: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&entry.line());
        if !entry.body.is_null() {
            text.push_str(&format!("  {}", entry.body));
        }
        text.push('\n');
    }
    replace.iter().fold(text, |text, (from, to)| text.replace(from, to))
}
