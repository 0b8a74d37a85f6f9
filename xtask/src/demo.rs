//! The demonstration: a generated live source goes live on four (simulated) platforms, through the real sign-in, and at
//! one real RTMP server.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::{Api, LiveSource, NginxRtmp, Stack, ffprobe, live_source, nginx_rtmp, stack::file::write_atomically};

/// Who signs in.
const PERSON: &str = "alice";
/// The platforms with a sign-in, and what the destinations are called.
const LINKED: [(&str, &str); 3] = [("youtube", "YouTube"), ("twitch", "Twitch"), ("facebook", "Facebook")];
const SERVER: &str = "Own server";
const KEY: &str = "demo-own-server";
const LIVE: Duration = Duration::from_secs(40);
const FILE: &str = "demo/demo.json";

/// A running demonstration.
#[derive(Debug)]
pub struct Demo {
    stream: String,
    source: LiveSource,
    server: NginxRtmp,
}

/// What can be watched.
#[derive(Debug, Serialize, Deserialize)]
struct Outlet {
    name: String,
    url: String,
    found: String,
}

impl Demo {
    /// Starts server and source, signs in, goes live and looks at what arrives.
    pub async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let dir = stack.dir().join("demo");
        let api = stack.api();
        let stream = api.create_stream("Demo").await.context("can't create the stream")?;
        println!("starting an RTMP server");
        let options =
            nginx_rtmp::Options { dir: Some(dir.join("server")), no_recording: true, ..nginx_rtmp::Options::default() };
        let server = NginxRtmp::start_with(options).await?;
        api.create_destination(&stream.id, SERVER, &server.url(), KEY, json!({})).await?;
        sign_in(&api, &stream.id).await?;
        println!("publishing a generated source (1280x720, 30 fps, 2.5 Mbps) and going live");
        let options = live_source::Options {
            encode_live: true,
            log: Some(dir.join("source.log")),
            ..live_source::Options::default()
        };
        let source = LiveSource::start_with(&stream.publish_url(), &options)?;
        let demo = Self { stream: stream.id, source, server };
        api.start(&demo.stream).await.context("can't go live")?;
        let status = api.wait_destinations(&demo.stream, LIVE, &["live"]).await?;
        let outlets = demo.look(&status).await?;
        write_atomically(&stack.dir().join(FILE), &serde_json::to_vec_pretty(&outlets)?)?;
        Ok(demo)
    }

    /// The demonstration's stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Ends the simulcast and the source. The stack ends whatever this could not.
    pub async fn stop(self, stack: &Stack) {
        let api = stack.api();
        if let Err(error) = api.stop(&self.stream).await {
            eprintln!("x: {error:#}");
        }
        self.source.finish();
        // The platforms' broadcasts are ended, too, before the services go.
        if let Err(error) = api.wait_destinations(&self.stream, LIVE, &["ended", "error"]).await {
            eprintln!("x: not everything was ended: {error:#}");
        }
    }

    async fn look(&self, status: &Value) -> anyhow::Result<Vec<Outlet>> {
        let url = self.server.stream_url(KEY);
        let found = ffprobe(&url).await.context("nothing to see at the RTMP server")?;
        if found.video().is_none() || found.audio().is_none() {
            bail!("the RTMP server has no picture or no sound: {}", found.summary());
        }
        let mut outlets = vec![Outlet { name: SERVER.to_owned(), url, found: found.summary() }];
        for one in status["destinations"].as_array().into_iter().flatten() {
            let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
            if text("platform") != "rtmp_custom" {
                let found = "live, says the simulated platform".to_owned();
                outlets.push(Outlet { name: text("name"), url: text("playback_url"), found });
            }
        }
        Ok(outlets)
    }
}

/// Links the accounts as a person would, and makes the destinations.
async fn sign_in(api: &Api, stream: &str) -> anyhow::Result<()> {
    for (platform, name) in LINKED {
        println!("signing in to {name} (simulated) as {PERSON}");
        api.link(platform, PERSON, stream, name).await.with_context(|| format!("can't sign in to {name}"))?;
    }
    api.create_on("cloudflare", stream, "Cloudflare", json!({})).await.context("can't add Cloudflare")?;
    Ok(())
}

/// Prints where the demonstration of the stack in `dir` can be watched.
pub fn announce(dir: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read(dir.join(FILE)) else { return Ok(()) };
    for outlet in serde_json::from_slice::<Vec<Outlet>>(&text)? {
        println!("  {:<10} {}   ({})", outlet.name, outlet.url, outlet.found);
    }
    Ok(())
}
