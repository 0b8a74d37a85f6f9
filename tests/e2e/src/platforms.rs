//! A scene whose vault talks to the simulated platforms, which run in the test's own process.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use platform_sim::Sim;
use serde_json::{Value, json};
use testkit::{
    Api, live_source,
    stack::{self, Service, platforms::environment},
};

use crate::Scene;

/// The platforms with a sign-in.
pub const LINKED: [&str; 3] = ["youtube", "twitch", "facebook"];
/// All four.
pub const ALL: [&str; 4] = ["youtube", "twitch", "facebook", "cloudflare"];
/// Everything a simulated platform does is done within this.
pub const SOON: Duration = Duration::from_secs(30);

/// A stack, a stream with its source, and the platforms.
#[derive(Debug)]
pub struct Stage {
    /// The stack.
    pub scene: Scene,
    /// The platforms.
    pub sim: Sim,
}

impl Stage {
    /// With fast platforms and the stack as it is by default.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn open() -> anyhow::Result<Self> {
        Self::open_with(stack::Options::default(), platform_sim::Options::default()).await
    }

    /// As chosen.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn open_with(mut options: stack::Options, platforms: platform_sim::Options) -> anyhow::Result<Self> {
        let sim = Sim::start(platforms).await?;
        let cloudflare = sim.account("alice")["cloudflare"].clone();
        let text = |field: &str| cloudflare[field].as_str().map(str::to_owned).context("a Cloudflare account");
        for (name, value) in environment(sim.http(), &text("account_id")?, &text("api_token")?) {
            options = options.env(Service::Credentials, &name, value);
        }
        // A test looks at the status every few milliseconds.
        for name in ["RATE_TENANT_PER_SECOND", "RATE_TENANT_BURST", "RATE_ADDRESS_PER_SECOND", "RATE_ADDRESS_BURST"] {
            options = options.env(Service::Gateway, name, "100000");
        }
        let scene = Scene::open_with(options, &live_source::Options::default()).await?;
        Ok(Self { scene, sim })
    }

    /// Signs `person` in everywhere and makes a destination on each of the four platforms; their ids by platform.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn on_all_four(
        &self,
        api: &Api,
        stream: &str,
        person: &str,
    ) -> anyhow::Result<BTreeMap<&'static str, String>> {
        let mut ids = BTreeMap::new();
        for platform in LINKED {
            ids.insert(platform, api.link(platform, person, stream, platform).await.context(platform)?);
        }
        ids.insert("cloudflare", api.create_on("cloudflare", stream, "cloudflare", json!({})).await?);
        Ok(ids)
    }

    /// The goodbye: everything ends cleanly and nothing is left.
    ///
    /// # Errors
    /// When a process had to be killed or was left.
    pub async fn close(self) -> anyhow::Result<()> {
        let outcome = self.scene.close().await;
        self.sim.stop().await;
        outcome
    }

    /// What one person has on the platforms, in the platforms' own words.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn holdings(&self, person: &str) -> anyhow::Result<Holdings> {
        let (state, account) = (self.sim.state(), self.sim.account(person));
        let channel = account["youtube"]["channel_id"].clone();
        anyhow::ensure!(channel.is_string(), "no account of {person}");
        let list = |of: &Value, keep: &dyn Fn(&Value) -> bool| -> Vec<Value> {
            of.as_array().into_iter().flatten().filter(|one| keep(one)).cloned().collect()
        };
        Ok(Holdings {
            broadcasts: list(&state["youtube"]["broadcasts"], &|b| b["channel"] == channel),
            streams: list(&state["youtube"]["streams"], &|s| s["channel"] == channel),
            lives: list(&state["facebook"]["lives"], &|live| live["person"] == person),
            inputs: list(&state["cloudflare"]["inputs"], &|input| input["person"] == person),
        })
    }
}

/// What a person has on the platforms.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// YouTube broadcasts.
    pub broadcasts: Vec<Value>,
    /// YouTube streams.
    pub streams: Vec<Value>,
    /// Facebook live videos.
    pub lives: Vec<Value>,
    /// Cloudflare live inputs.
    pub inputs: Vec<Value>,
}

impl Holdings {
    /// The `status` of each.
    pub fn statuses(of: &[Value]) -> Vec<&str> {
        of.iter().filter_map(|one| one["status"].as_str()).collect()
    }
}
