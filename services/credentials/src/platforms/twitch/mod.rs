//! Twitch: publishing with the channel's stream key is going live, and closing the connection is stopping.
//!
//! So there is nothing to create and nothing to end. Before the start the key is fetched, the channel gets its title,
//! category, tags and language, and the nearest ingest is chosen by measuring. Whether viewers see the stream, says
//! `GET /streams`.

mod api;
mod channel;
mod fault;
mod features;
mod finish;
mod ingests;
mod look;
mod prepare;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::platform::Platform;
use serde::{Deserialize, Serialize};
use service_kit::Clock;

use super::{AccountInfo, Failure, Lifecycle, Ready, Run, Truth, presence::Presence};
use crate::http::Http;
use api::Api;
use ingests::Ingests;

/// Where Twitch is.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://api.twitch.tv/helix`
    pub api: String,
    /// `https://ingest.twitch.tv/ingests`
    pub ingests: String,
}

/// The lives of all Twitch channels.
pub struct Twitch {
    api: Api,
    ingests: Ingests,
    clock: Arc<dyn Clock>,
}

/// What is remembered of a destination: never a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// The channel whose key is kept.
    key_of: String,
    /// The run, and its take, that the key was fetched or used for.
    key_for: (i64, u32),
    /// The run that the channel's information was set for.
    channel_run: i64,
    /// Attempts at it that failed.
    channel_tries: u32,
    /// Whether it is still to be set.
    channel_open: bool,
    /// The run and take that has published.
    published: (i64, u32),
    /// Since when it is not shown.
    presence: Presence,
    /// The run that is being finished, and since when.
    finishing: (i64, i64),
}

impl Memory {
    fn of(run: &Run) -> Self {
        run.remembered()
    }

    async fn save(&self, run: &Run) -> Result<(), Failure> {
        run.remember(self).await
    }
}

impl Twitch {
    /// For every account that was linked with this client id.
    pub fn new(http: Http, endpoints: Endpoints, client_id: String, clock: Arc<dyn Clock>) -> Self {
        let ingests = Ingests::new(http.clone(), endpoints.ingests, clock.clone());
        let api = Api::new(http, &endpoints.api, client_id, clock.clone());
        Self { api, ingests, clock }
    }
}

/// The channel that a destination goes live on.
fn account(run: &Run) -> Result<&AccountInfo, Failure> {
    run.account.as_ref().ok_or_else(|| {
        let message = "No Twitch account is linked to this destination. Sign in to Twitch, then start it again.";
        Failure::permanent("account_not_linked", message)
    })
}

#[tonic::async_trait]
impl Lifecycle for Twitch {
    fn platform(&self) -> Platform {
        Platform::Twitch
    }

    async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        prepare::prepare(self, run).await
    }

    async fn look(&self, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
        look::look(self, runs, now_ms).await
    }

    fn leaves_something(&self) -> bool {
        false
    }

    async fn finish(&self, run: &Run) -> Result<(), Failure> {
        finish::finish(self, run).await
    }
}
