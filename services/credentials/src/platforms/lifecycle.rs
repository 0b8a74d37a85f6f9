//! What a platform must be able to do for us, and what we give it to work with. Each platform's module implements
//! [`Lifecycle`] and [`Features`](super::Features); [`crate::broadcasts`] calls them, never two at a time for one destination.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::{
    fault::Fault,
    ids::{DestinationId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
};
use secret::{SecretString, StreamKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::Failure;

/// An access token. `version` tells two of them apart without comparing secrets.
#[derive(Clone)]
pub struct Token {
    /// The bearer token.
    pub secret: SecretString,
    /// Grows with every refresh of the account.
    pub version: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(v{} ***)", self.version)
    }
}

/// Where a platform's calls take their token from.
#[tonic::async_trait]
pub trait Tokens: Send + Sync {
    /// A token that lasts for the next minutes.
    ///
    /// # Errors
    /// `reauth_required`, or the token endpoint is away.
    async fn token(&self) -> Result<Token, Failure>;

    /// The platform answered 401 to `rejected`: another one. Called at most once per call of ours.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    async fn renew(&self, rejected: &Token) -> Result<Token, Failure>;
}

/// What a lifecycle remembers of one destination across calls and crashes.
#[tonic::async_trait]
pub trait Book: Send + Sync {
    /// What was saved last: an object of the platform's own making, `{}` at first. It outlives runs, so that reusable
    /// things (a live input, a stream key) are found again.
    fn progress(&self) -> Value;

    /// Durable when it returns. Ids and intents, never a secret.
    ///
    /// # Errors
    /// The database is away, or somebody else has taken over: stop.
    async fn save(&self, progress: &Value) -> Result<(), Failure>;

    /// The stream key kept for this destination.
    ///
    /// # Errors
    /// The vault.
    async fn key(&self) -> Result<Option<StreamKey>, Failure>;

    /// Keeps a stream key.
    ///
    /// # Errors
    /// The vault.
    async fn keep_key(&self, key: &StreamKey) -> Result<(), Failure>;

    /// The picture the person gave.
    ///
    /// # Errors
    /// The database.
    async fn thumbnail(&self) -> Result<Option<Thumbnail>, Failure>;

    /// The values that other destinations on this platform have under `field` of their progress: what must not be adopted
    /// when an ambiguous write is looked for in a list.
    ///
    /// # Errors
    /// The database.
    async fn taken(&self, field: &'static str) -> Result<HashSet<String>, Failure>;
}

/// JPEG or PNG.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    /// `image/jpeg` or `image/png`.
    pub content_type: String,
    /// At most 2 MiB.
    pub image: Vec<u8>,
}

/// A linked account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Ours.
    pub id: Uuid,
    /// The platform's id of the person or channel.
    pub external_id: String,
    /// The platform's name of the person or channel.
    pub name: String,
}

/// One destination in one run of its stream.
#[derive(Clone)]
pub struct Run {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub destination: DestinationId,
    /// Names the run: when it began, ms since 1970.
    pub run_ms: i64,
    /// Grows when the same run needs another broadcast.
    pub take: u32,
    /// The stream's title; `settings.title` goes before it.
    pub stream_title: String,
    /// What the person asked for.
    pub settings: PlatformSettings,
    /// Our media is acknowledged since then, ms since 1970; 0 while it is not.
    pub publishing_ms: i64,
    /// The account, for platforms that have one.
    pub account: Option<AccountInfo>,
    /// Its tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Its memory.
    pub book: Arc<dyn Book>,
}

impl Run {
    /// What the platform's own code has kept in the [`Book`]. What can't be read is as if nothing were known.
    pub fn remembered<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_value(self.book.progress()).unwrap_or_default()
    }

    /// Keeps it there. Never a secret.
    ///
    /// # Errors
    /// As [`Book::save`].
    pub async fn remember<T: Serialize + Sync>(&self, memory: &T) -> Result<(), Failure> {
        let value = serde_json::to_value(memory).map_err(|_| Failure::ours())?;
        self.book.save(&value).await
    }

    /// The broadcast's title, cut to `most` characters; never empty.
    pub fn title(&self, most: usize) -> String {
        let given = self.settings.title.as_deref().unwrap_or(&self.stream_title).trim();
        let title: String = given.chars().take(most).collect();
        if title.is_empty() { "Live".to_owned() } else { title }
    }
}

/// Where to publish, and what to tell people. The key is in the [`Book`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// `rtmp(s)://host[:port]/app`, without the key.
    pub rtmp_url: String,
    /// Other ingests that take the same key.
    pub backup_urls: Vec<String>,
    /// Where people watch; empty while unknown.
    pub playback_url: String,
    /// Sentences for people: what could not be done as wished, and why.
    pub notes: Vec<String>,
}

/// What the platform says of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for media, or is on its way to live.
    Waiting,
    /// Viewers see it.
    Live,
    /// It is over.
    Ended,
    /// The platform can't be asked, or does not say.
    #[default]
    Unknown,
}

/// How the platform finds our stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Nothing to complain of.
    Good,
    /// Usable.
    Ok,
    /// Viewers notice.
    Bad,
    /// It does not say.
    #[default]
    Unknown,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Publish anew to the same address.
    Reconnect,
    /// Make a new broadcast, then publish to it.
    Renew,
    /// A person must act; the fault says how.
    Ask,
}

/// One look at a broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Truth {
    /// The platform's word.
    pub state: State,
    /// Concurrent viewers.
    pub viewers: u64,
    /// How it finds our stream.
    pub health: Judgement,
    /// Sentences for people.
    pub issues: Vec<String>,
    /// What has to be done.
    pub repair: Option<Repair>,
    /// With a repair, or why less is known.
    pub fault: Option<Fault>,
    /// If it is known only now.
    pub playback_url: Option<String>,
    /// When the next look is worth it. The platform's own quota and health decide.
    #[serde(skip)]
    pub again: Option<Duration>,
}

/// The life of a broadcast on one platform. Every method may be called again after a crash at any point.
#[tonic::async_trait]
pub trait Lifecycle: Send + Sync {
    /// Which platform.
    fn platform(&self) -> Platform;

    /// Makes the platform ready to take the stream: finds what exists already, makes what is missing, saves each id as
    /// soon as it is known and each intent before a write that must not happen twice. Ends a broadcast of an earlier run
    /// or take that is still open. Bounded: at most 15 s.
    ///
    /// # Errors
    /// [`Failure`]; transient ones are tried again by the caller.
    async fn prepare(&self, run: &Run) -> Result<Ready, Failure>;

    /// One look at the broadcasts of one account, in the same order; takes the steps that going live needs (a transition
    /// once media is there). Batches its calls.
    async fn look(&self, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>>;

    /// Whether something stays at the platform without an end. Where nothing does, an end that has no account left to ask
    /// with is done.
    fn leaves_something(&self) -> bool {
        true
    }

    /// Ends what [`Lifecycle::prepare`] made; `Ok` when the platform says that it has ended, or there is nothing to end.
    ///
    /// # Errors
    /// [`Failure`]; `ambiguous` or transient ones are tried again by the caller.
    async fn finish(&self, run: &Run) -> Result<(), Failure>;
}
