//! Where things are: which relay has which live source, and which relays and workers there are.
//!
//! Everything here is an advert with a TTL, repeated every second by the process itself. It is a hint: whoever follows
//! it finds out whether it was right.

use std::{sync::LazyLock, time::Duration};

use domain::ids::{RelayId, StreamId, WorkerId};
use redis::Script;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::Error,
    keys,
    leases::Leases,
    link::Link,
    options::{Options, ms},
};

static ANNOUNCE_SOURCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/announce_source.lua")));
static FORGET_SOURCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/forget_source.lua")));
static ANNOUNCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/announce_process.lua")));
static PROCESSES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/processes.lua")));

/// How long an advert lasts.
const ADVERT_TTL: Duration = Duration::from_secs(3);

/// The directory. Clones share one connection.
#[derive(Clone)]
pub struct Directory {
    link: Link,
}

/// Where a live source can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The stream.
    pub stream: StreamId,
    /// The relay that has it.
    pub relay: RelayId,
    /// The relay's inner address: `http://host:port`.
    pub http: String,
    /// Which publish of the stream this is; the higher is the later.
    pub source_epoch: u64,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayInfo {
    /// Its id.
    pub relay: RelayId,
    /// Where it takes publishes: `rtmp://host:port/app`.
    pub rtmp: String,
    /// Its inner address: `http://host:port`.
    pub http: String,
    /// Live sources it has.
    pub sources: u32,
    /// Readers it serves.
    pub readers: u32,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its id.
    pub worker: WorkerId,
    /// Sessions it can run.
    pub capacity: u32,
    /// Sessions it runs.
    pub running: u32,
    /// Share of the machine's cores in use, 0 to 1.
    pub cpu: f64,
    /// The FFmpeg it starts, as `ffmpeg -version` says.
    pub ffmpeg_version: String,
}

impl Leases {
    /// The directory on the same connection.
    pub fn directory(&self) -> Directory {
        Directory { link: self.link().clone() }
    }
}

impl Directory {
    /// A directory on a connection of its own.
    ///
    /// # Errors
    /// [`Error::BadUrl`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Ok(Leases::connect_with(url, Options::with_ttl(ADVERT_TTL)).await?.directory())
    }

    /// Says where a live source is, for the next 3 s. Returns false when a later publish is announced already: this one
    /// is over.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`], [`Error::Encode`].
    pub async fn announce(&self, location: &Location) -> Result<bool, Error> {
        let mut call = ANNOUNCE_SOURCE.prepare_invoke();
        call.key(keys::source(location.stream)).arg(location.source_epoch).arg(json(location)?).arg(ms(ADVERT_TTL));
        self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await
    }

    /// Takes the advert of this publish back. That of a later one stays.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn forget(&self, stream: StreamId, source_epoch: u64) -> Result<(), Error> {
        let mut call = FORGET_SOURCE.prepare_invoke();
        call.key(keys::source(stream)).arg(source_epoch);
        let _was_there: bool = self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
        Ok(())
    }

    /// Where a stream's live source is, if there is one.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn find(&self, stream: StreamId) -> Result<Option<Location>, Error> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::source(stream)).arg("l");
        let advert: Option<String> = self.link.run(async |mut redis| get.query_async(&mut redis).await).await?;
        Ok(advert.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Says that a relay is there, for the next 3 s.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`], [`Error::Encode`].
    pub async fn announce_relay(&self, info: &RelayInfo) -> Result<(), Error> {
        self.announce_process(keys::RELAYS, keys::RELAY, info.relay.as_str(), json(info)?).await
    }

    /// The relays that are there.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn relays(&self) -> Result<Vec<RelayInfo>, Error> {
        self.processes(keys::RELAYS, keys::RELAY).await
    }

    /// Takes a relay's advert back.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn forget_relay(&self, relay: &RelayId) -> Result<(), Error> {
        self.forget_process(keys::RELAYS, keys::RELAY, relay.as_str()).await
    }

    /// Says that a worker is there, for the next 3 s.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`], [`Error::Encode`].
    pub async fn announce_worker(&self, info: &WorkerInfo) -> Result<(), Error> {
        self.announce_process(keys::WORKERS, keys::WORKER, info.worker.as_str(), json(info)?).await
    }

    /// The workers that are there.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>, Error> {
        self.processes(keys::WORKERS, keys::WORKER).await
    }

    /// Takes a worker's advert back.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Timeout`], [`Error::Refused`].
    pub async fn forget_worker(&self, worker: &WorkerId) -> Result<(), Error> {
        self.forget_process(keys::WORKERS, keys::WORKER, worker.as_str()).await
    }

    async fn announce_process(&self, index: &str, prefix: &str, id: &str, advert: String) -> Result<(), Error> {
        let mut call = ANNOUNCE.prepare_invoke();
        call.key(index).key(format!("{prefix}{id}")).arg(id).arg(advert).arg(ms(ADVERT_TTL));
        self.link.run(async |mut redis| call.invoke_async::<()>(&mut redis).await).await
    }

    async fn processes<T: DeserializeOwned>(&self, index: &str, prefix: &str) -> Result<Vec<T>, Error> {
        let mut call = PROCESSES.prepare_invoke();
        call.key(index).arg(prefix).arg(ms(ADVERT_TTL)).arg(self.link.options().max_processes);
        let adverts: Vec<String> = self.link.run(async |mut redis| call.invoke_async(&mut redis).await).await?;
        Ok(adverts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    async fn forget_process(&self, index: &str, prefix: &str, id: &str) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        pipe.zrem(index, id).ignore().del(format!("{prefix}{id}")).ignore();
        self.link.run(async |mut redis| pipe.query_async::<()>(&mut redis).await).await
    }
}

fn json(advert: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(advert).map_err(Error::Encode)
}
