//! Cloudflare Stream: one live input for each destination, made once and used again in every run.
//!
//! Publishing to the input is going live and closing the connection is stopping, so the life has few calls: find or
//! make the input, see that it is set up as wished, and look. The API token belongs to the installation, and so does the
//! limit of 1200 calls in five minutes: what viewers can ask (`/lifecycle`, `/views`) is asked without it.

mod allowance;
mod analytics;
mod api;
mod customer;
mod fault;
mod features;
mod finish;
mod judge;
mod look;
mod model;
mod prepare;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::platform::Platform;
use futures::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use service_kit::Clock;
use tokio::time::timeout;

use super::{Failure, Lifecycle, Ready, Run, Truth, presence::Presence};
use crate::http::{Http, Trouble};
use api::Api;
use customer::Customer;

/// Inputs looked at at a time.
const LOOKS: usize = 25;
/// A look at one of them, all its questions together.
const LOOK: Duration = Duration::from_millis(3_500);

/// Where Cloudflare is.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://api.cloudflare.com/client/v4`
    pub api: String,
    /// `https://customer-{code}.cloudflarestream.com`; `{code}` is replaced by the customer code.
    pub customer: String,
}

/// The lives of all live inputs of one Cloudflare account.
pub struct Cloudflare {
    api: Api,
    customer: Customer,
    clock: Arc<dyn Clock>,
}

/// What is remembered of a destination: never a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Its live input.
    uid: Option<String>,
    /// Since when it is unknown whether a create that was sent has made one.
    creating_ms: Option<i64>,
    /// When a create was given up for lost: it may still come true, and its input must go then.
    doubt_ms: Option<i64>,
    /// The customer code, read from the API's answers.
    code: Option<String>,
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

impl Cloudflare {
    /// For one account; the token comes from each [`Run`].
    pub fn new(
        http: Http,
        endpoints: Endpoints,
        account_id: String,
        customer_code: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let customer = Customer::new(http.clone(), &endpoints.customer, customer_code);
        let api = Api::new(http, &endpoints.api, account_id, clock.clone());
        Self { api, customer, clock }
    }

    /// One that hangs must not keep the others from being seen.
    async fn bounded_look(&self, run: &Run, now_ms: i64) -> Result<Truth, Failure> {
        let look = timeout(LOOK, look::look(self, run, now_ms)).await;
        look.unwrap_or_else(|_| Err(Failure::trouble(Platform::Cloudflare, Trouble::Unknown)))
    }
}

#[tonic::async_trait]
impl Lifecycle for Cloudflare {
    fn platform(&self) -> Platform {
        Platform::Cloudflare
    }

    async fn prepare(&self, run: &Run) -> Result<Ready, Failure> {
        prepare::prepare(self, run).await
    }

    async fn look(&self, runs: &[Run], now_ms: i64) -> Vec<Result<Truth, Failure>> {
        let looks: Vec<_> = runs.iter().map(|run| self.bounded_look(run, now_ms).boxed()).collect();
        stream::iter(looks).buffered(LOOKS).collect().await
    }

    async fn finish(&self, run: &Run) -> Result<(), Failure> {
        finish::finish(self, run).await
    }
}
