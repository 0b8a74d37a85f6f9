//! What every measurement needs: a stack, a stream and its source.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Api, LiveSource, Stack, api::NewStream, live_source, stack};

const PATIENCE: Duration = Duration::from_secs(30);

/// A stack with one live stream that is not sent anywhere yet.
#[derive(Debug)]
pub struct Scene {
    /// The encoder.
    _source: LiveSource,
    /// The stream.
    pub stream: NewStream,
    /// Its owner's client.
    pub api: Api,
    /// The system.
    pub stack: Stack,
}

impl Scene {
    /// A source of 720p30 at `kbps` with a 2 s GOP, measured by the relay.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn open(kbps: u32, options: stack::Options) -> anyhow::Result<Self> {
        let stack = Stack::start_with(options).await?;
        let api = stack.api();
        let stream = api.create_stream("bench").await?;
        let source = live_source::Options { kbps, ..live_source::Options::default() };
        let source = LiveSource::start_with(&stream.publish_url(), &source)?;
        api.wait_status(&stream.id, PATIENCE, |status| {
            status["stream"]["source"]["bitrate"].as_u64().is_some_and(|kbps| kbps > 0)
        })
        .await?;
        Ok(Self { _source: source, stream, api, stack })
    }

    /// A copy destination.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn send_to(&self, url: &str, key: &str) -> anyhow::Result<String> {
        self.api.create_destination(&self.stream.id, key, url, key, json!({})).await
    }

    /// Waits until every destination is fed.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn fed(&self) -> anyhow::Result<Value> {
        self.api.wait_destinations(&self.stream.id, PATIENCE, &["connected", "live"]).await
    }

    /// Ends the simulcast and waits for it.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.api.stop(&self.stream.id).await?;
        self.api.wait_destinations(&self.stream.id, PATIENCE, &["ended"]).await?;
        Ok(())
    }

    /// The relay's HTTP-FLV address of the stream.
    pub fn flv_url(&self) -> String {
        let relay = self.stack.describe().relay_http;
        format!("{relay}/live/{}.flv", self.stream.id)
    }
}
