//! The demonstration: a generated live source goes to three real RTMP servers.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use testkit::{LiveSource, NginxRtmp, Stack, ffprobe, live_source, nginx_rtmp, stack::file::write_atomically};

const NAMES: [&str; 3] = ["Frankfurt", "Singapore", "Oregon"];
const LIVE: Duration = Duration::from_secs(30);
const FILE: &str = "demo/demo.json";

/// A running demonstration.
#[derive(Debug)]
pub struct Demo {
    stream: String,
    source: LiveSource,
    servers: Vec<NginxRtmp>,
}

/// What can be watched.
#[derive(Debug, Serialize, Deserialize)]
struct Outlet {
    name: String,
    url: String,
    found: String,
}

impl Demo {
    /// Starts servers and source, goes live and looks at what arrives.
    pub async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let dir = stack.dir().join("demo");
        let api = stack.api();
        let stream = api.create_stream("Demo").await.context("can't create the stream")?;
        println!("starting three RTMP servers");
        let mut servers = Vec::new();
        for name in NAMES {
            let options = nginx_rtmp::Options { dir: Some(dir.join(name)), no_recording: true, ..Default::default() };
            let server = NginxRtmp::start_with(options).await?;
            let key = stream_key(name);
            api.create_destination(&stream.id, name, &server.url(), &key, json!({})).await?;
            servers.push(server);
        }
        println!("publishing a generated source (1280x720, 30 fps, 2.5 Mbps) and going live");
        let options = live_source::Options {
            encode_live: true,
            log: Some(dir.join("source.log")),
            ..live_source::Options::default()
        };
        let source = LiveSource::start_with(&stream.publish_url(), &options)?;
        let demo = Self { stream: stream.id, source, servers };
        api.start(&demo.stream).await.context("can't go live")?;
        api.wait_destinations(&demo.stream, LIVE, &["connected", "live"]).await?;
        let outlets = demo.look().await?;
        write_atomically(&stack.dir().join(FILE), &serde_json::to_vec_pretty(&outlets)?)?;
        Ok(demo)
    }

    /// The demonstration's stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Ends the simulcast and the source. The stack ends whatever this could not.
    pub async fn stop(self, stack: &Stack) {
        if let Err(error) = stack.api().stop(&self.stream).await {
            eprintln!("x: {error:#}");
        }
        self.source.finish();
    }

    async fn look(&self) -> anyhow::Result<Vec<Outlet>> {
        let mut looking = tokio::task::JoinSet::new();
        for (name, server) in NAMES.into_iter().zip(&self.servers) {
            looking.spawn(look_at(name, server.stream_url(&stream_key(name))));
        }
        let mut outlets: Vec<Outlet> = looking.join_all().await.into_iter().collect::<anyhow::Result<_>>()?;
        outlets.sort_by_key(|outlet| NAMES.iter().position(|name| *name == outlet.name));
        Ok(outlets)
    }
}

async fn look_at(name: &'static str, url: String) -> anyhow::Result<Outlet> {
    let found = ffprobe(&url).await.with_context(|| format!("nothing to see at {name}"))?;
    if found.video().is_none() || found.audio().is_none() {
        bail!("{name} has no picture or no sound: {}", found.summary());
    }
    Ok(Outlet { name: name.to_owned(), url, found: found.summary() })
}

fn stream_key(name: &str) -> String {
    format!("demo-{}", name.to_lowercase())
}

/// Prints where the demonstration of the stack in `dir` can be watched.
pub fn announce(dir: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read(dir.join(FILE)) else { return Ok(()) };
    for outlet in serde_json::from_slice::<Vec<Outlet>>(&text)? {
        println!("  {:<10} {}   ({})", outlet.name, outlet.url, outlet.found);
    }
    Ok(())
}
