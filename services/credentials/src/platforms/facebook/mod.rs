//! Facebook Live: a live video on a Page or on the person's profile, by the Graph API.
//!
//! The order is the safe one: a live video is created `UNPUBLISHED`, media is sent to it, and only when Facebook measures
//! a picture it is set `LIVE_NOW`. A live video's stream URL is good for one broadcast, of at most eight hours.

mod decide;
mod features;
mod finish;
mod gate;
mod graph;
mod look;
mod object;
mod pages;
mod prepare;
mod progress;
mod refusal;
mod search;
mod session;
mod stream_url;
mod usage;
mod wish;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::platform::Platform;
use secret::SecretString;
use service_kit::Clock;

use super::{Failure, Lifecycle, Ready, Run, Truth};
use crate::http::Http;
use graph::Graph;
use look::Recent;
use pages::Pages;

/// The longest a broadcast can be, ms (Live Video API guide; older pages said four hours).
const LONGEST_MS: i64 = 8 * 3_600_000;
/// Where people watch; Graph gives paths on it.
const SITE: &str = "https://www.facebook.com";

/// Base URLs.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://graph.facebook.com/v26.0`
    pub graph: String,
}

/// Facebook.
pub struct Facebook {
    graph: Graph,
    pages: Pages,
    recent: Recent,
    clock: Arc<dyn Clock>,
}

impl Facebook {
    /// `app_secret` proves to Facebook that calls come from the application's own server.
    pub fn new(http: Http, endpoints: Endpoints, app_secret: SecretString, clock: Arc<dyn Clock>) -> Self {
        let graph = Graph::new(http, endpoints.graph, &app_secret, clock.clone());
        Self { graph, pages: Pages::default(), recent: Recent::default(), clock }
    }
}

impl std::fmt::Debug for Facebook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Facebook")
    }
}

#[tonic::async_trait]
impl Lifecycle for Facebook {
    fn platform(&self) -> Platform {
        Platform::Facebook
    }

    async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        prepare::prepare(self, run).await
    }

    async fn look(&self, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
        look::look(self, runs, now_ms).await
    }

    async fn finish(&self, run: &Run) -> Result<(), Failure> {
        finish::finish(self, run).await
    }
}
