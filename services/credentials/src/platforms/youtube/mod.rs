//! YouTube Live.
//!
//! One reusable stream (ingest address and key) per destination and one broadcast per take of a run, bound to it. The
//! broadcast goes live by itself when media arrives; where YouTube does not do that, we do. All calls go through a budget
//! of the project's daily units.

mod api;
mod broadcast;
mod end;
mod fault;
mod features;
mod finish;
mod ingest;
mod look;
mod memory;
mod model;
mod pace;
mod prepare;
mod progress;
#[cfg(test)]
mod tests;
mod watch;
mod wishes;
mod words;

use std::{sync::Arc, time::Duration};

use domain::{platform::Platform, platform_settings::PlatformSettings};
use service_kit::Clock;
use tokio::time::timeout;
use wire::v1;

use self::{api::Api, api::Channel, memory::Memory, progress::Progress, progress::Work};
use super::{Applied, Budget, Failure, Features, Lifecycle, Purpose, Ready, Run, Thumbnail, Truth};
use crate::http::{Http, Trouble};

/// Where viewers watch; the broadcast's id follows.
const WATCH: &str = "https://www.youtube.com/watch?v=";
/// One call takes no longer; what is done by then is remembered.
const BOUND: Duration = Duration::from_secs(14);

/// Base URLs, without a slash at the end.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://www.googleapis.com/youtube/v3`
    pub api: String,
    /// `https://www.googleapis.com/upload/youtube/v3`
    pub upload: String,
}

/// YouTube's part of the platforms. Cheap to clone; clones share what looks remember.
#[derive(Clone)]
pub struct Youtube {
    api: Api,
    memory: Arc<Memory>,
}

impl Youtube {
    /// Of one Google Cloud project.
    pub fn new(http: Http, endpoints: Endpoints, budget: Arc<dyn Budget>, clock: Arc<dyn Clock>) -> Self {
        Self { api: Api { http, endpoints: Arc::new(endpoints), budget, clock }, memory: Arc::default() }
    }

    fn work<'a>(&'a self, run: &'a Run) -> Work<'a> {
        let channel = Channel { api: &self.api, tokens: run.tokens.as_ref(), purpose: Purpose::GoLive };
        Work { channel, run, progress: Progress::of(run) }
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::trouble(Platform::Youtube, Trouble::Unknown);
    timeout(BOUND, Box::pin(work)).await.unwrap_or_else(|_| Err(late()))
}

#[tonic::async_trait]
impl Lifecycle for Youtube {
    fn platform(&self) -> Platform {
        Platform::Youtube
    }

    async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        bounded(prepare::prepare(self.work(run))).await
    }

    async fn look(&self, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
        let looked = timeout(BOUND, Box::pin(look::look(self, runs, now_ms))).await;
        let late = || Err(Failure::trouble(Platform::Youtube, Trouble::Unknown));
        looked.unwrap_or_else(|_| runs.iter().map(|_| late()).collect())
    }

    async fn finish(&self, run: &Run) -> Result<(), Failure> {
        bounded(finish::finish(self.work(run))).await
    }
}

#[tonic::async_trait]
impl Features for Youtube {
    fn platform_of_features(&self) -> Platform {
        Platform::Youtube
    }

    async fn apply(&self, run: &Run, changes: &PlatformSettings) -> Result<Applied, Failure> {
        features::apply(&self.work(run), changes).await
    }

    async fn thumbnail(&self, run: &Run, thumbnail: &Thumbnail) -> Result<(), Failure> {
        features::thumbnail(&mut self.work(run), thumbnail).await
    }

    async fn embed(&self, run: &Run) -> Result<v1::Embed, Failure> {
        features::embed(&self.work(run))
    }
}
