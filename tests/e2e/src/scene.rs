//! A stage for a test: a whole stack, one stream, a live source, and sinks to send to.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use testkit::{
    Api, LiveSource, Stack,
    api::NewStream,
    live_source,
    sink::{Seen, Sink},
    stack,
};

/// Long enough for anything that is not itself the figure under test.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Every destination carries media.
pub const FED: [&str; 2] = ["connected", "live"];

/// One stack with one stream of the tenant `demo` and its publishing source.
#[derive(Debug)]
pub struct Scene {
    /// The encoder.
    pub source: LiveSource,
    /// The stream.
    pub stream: NewStream,
    /// A client of the stream's owner.
    pub api: Api,
    /// The system.
    pub stack: Stack,
}

impl Scene {
    /// A stack with two workers and a 720p30 source that the relay has measured.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn open() -> anyhow::Result<Self> {
        Self::open_with(stack::Options::default(), &live_source::Options::default()).await
    }

    /// As chosen.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn open_with(options: stack::Options, source: &live_source::Options) -> anyhow::Result<Self> {
        let stack = Stack::start_with(options).await?;
        let api = stack.api();
        let stream = api.create_stream("show").await?;
        let source = LiveSource::start_with(&stream.publish_url(), source)?;
        let scene = Self { source, stream, api, stack };
        scene.source_is(true).await?;
        Ok(scene)
    }

    /// Waits until the status says that the source is connected (and measured), or not.
    ///
    /// # Errors
    /// After [`PATIENCE`].
    pub async fn source_is(&self, connected: bool) -> anyhow::Result<()> {
        let wanted = |status: &Value| {
            let source = &status["stream"]["source"];
            source["connected"] == json!(connected)
                && (!connected || source["video_codec"].as_str().is_some_and(|codec| !codec.is_empty()))
        };
        self.api.wait_status(&self.stream.id, PATIENCE, wanted).await.context("the source in the status")?;
        Ok(())
    }

    /// A destination at `sink`; its key is `key-NAME-…`, long enough to search for.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn send_to(&self, sink: &Sink, name: &str, settings: Value) -> anyhow::Result<String> {
        self.send_to_url(&sink.url(), name, settings).await
    }

    /// The same for any server.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn send_to_url(&self, url: &str, name: &str, settings: Value) -> anyhow::Result<String> {
        self.api.create_destination(&self.stream.id, name, url, &key(name), settings).await
    }

    /// `count` sinks with one copy destination each, live.
    ///
    /// # Errors
    /// When not all are fed in time.
    pub async fn live_at(&self, count: usize) -> anyhow::Result<(Vec<Sink>, Vec<String>)> {
        let mut sinks = Vec::new();
        let mut ids = Vec::new();
        for number in 0..count {
            let sink = Sink::start().await?;
            ids.push(self.send_to(&sink, &format!("copy{number}"), json!({})).await?);
            sinks.push(sink);
        }
        self.api.start(&self.stream.id).await?;
        self.fed().await?;
        Ok((sinks, ids))
    }

    /// Waits until every destination is connected or live.
    ///
    /// # Errors
    /// After [`PATIENCE`].
    pub async fn fed(&self) -> anyhow::Result<Value> {
        self.api.wait_destinations(&self.stream.id, PATIENCE, &FED).await
    }

    /// Waits until one destination has a status.
    ///
    /// # Errors
    /// After `deadline`.
    pub async fn destination_is(&self, id: &str, deadline: Duration, wanted: &[&str]) -> anyhow::Result<Value> {
        self.api
            .wait_status(&self.stream.id, deadline, |status| {
                wanted.contains(&testkit::api::destination_status(status, id))
            })
            .await
    }

    /// Which worker runs a destination, as its lease says.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn worker_of(&self, destination: &str) -> anyhow::Result<usize> {
        let leases = lease::Leases::connect(&self.stack.redis.url(), Duration::from_secs(3)).await?;
        let session = domain::ids::SessionId(destination.parse()?);
        let (worker, _) = leases.owner(session).await?.context("nobody holds the lease")?;
        let number = worker.as_str().strip_prefix("w-").context("a worker of the stack")?;
        Ok(number.parse()?)
    }

    /// The goodbye: everything ends cleanly and nothing is left.
    ///
    /// # Errors
    /// When a process had to be killed or was left.
    pub async fn close(self) -> anyhow::Result<()> {
        drop(self.source);
        self.stack.stop().await
    }
}

/// The stream key of the destination `name`.
pub fn key(name: &str) -> String {
    format!("key-{name}-q7XvR2mLw9")
}

/// Waits until a sink has received so many more media bytes on live connections than now.
///
/// # Errors
/// After `deadline`.
pub async fn flows(sink: &Sink, bytes: u64, deadline: Duration) -> anyhow::Result<()> {
    let before = media_bytes(&sink.seen());
    sink.wait_for("more media", deadline, |seen| (media_bytes(seen) >= before + bytes).then_some(())).await
}

/// Media bytes of all connections.
pub fn media_bytes(seen: &[Seen]) -> u64 {
    seen.iter().map(|one| one.media_bytes).sum()
}
