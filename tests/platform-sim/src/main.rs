//! The simulated platforms as a process of their own, for `./x demo`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use platform_sim::{Options, Person, Sim, Timing};

/// Everything by environment variables.
#[derive(Clone, Debug, Parser)]
#[command(version, about = "YouTube, Twitch, Facebook and Cloudflare Stream on 127.0.0.1, simulated")]
struct Config {
    /// Where the bound addresses are written as JSON when everything listens.
    #[arg(long, env = "READY_FILE")]
    ready_file: Option<PathBuf>,
    /// Delays as in reality instead of short ones.
    #[arg(long, env = "SIM_REAL_TIMING")]
    real_timing: bool,
    /// Show consent pages instead of answering them at once.
    #[arg(long, env = "SIM_ASK_CONSENT")]
    ask_consent: bool,
    /// Offer RTMPS; the authority's certificate is written beside the ready file as `ca.pem`.
    #[arg(long, env = "SIM_RTMPS")]
    rtmps: bool,
    /// People with accounts, separated by commas.
    #[arg(long, env = "SIM_ACCOUNTS", value_delimiter = ',', default_value = "alice,bob")]
    accounts: Vec<String>,
    /// Repeats ids and tokens from run to run.
    #[arg(long, env = "SIM_SEED")]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = Config::parse();
    let options = Options {
        people: config.accounts.iter().map(|name| Person::new(name)).collect(),
        timing: if config.real_timing { Timing::real() } else { Timing::fast() },
        auto_consent: !config.ask_consent,
        rtmps: config.rtmps,
        seed: config.seed,
        ..Options::default()
    };
    let sim = Sim::start(options).await?;
    tracing::info!(http = sim.http(), rtmp = sim.rtmp(), rtmps = sim.rtmps(), "simulated platforms are listening");
    if let Some(path) = &config.ready_file {
        announce(&sim, path).with_context(|| format!("can't write {}", path.display()))?;
    }
    terminated().await?;
    sim.stop().await;
    Ok(())
}

/// Whole or not at all: readers poll for the file.
fn announce(sim: &Sim, path: &Path) -> anyhow::Result<()> {
    let mut ready = serde_json::json!({"http": sim.http(), "rtmp": sim.rtmp()});
    if let (Some(rtmps), Some(pem)) = (sim.rtmps(), sim.ca_pem()) {
        let ca = path.with_file_name("ca.pem");
        std::fs::write(&ca, pem)?;
        ready["rtmps"] = rtmps.into();
        ready["ca_file"] = ca.display().to_string().into();
    }
    let half = path.with_extension("part");
    std::fs::write(&half, ready.to_string())?;
    Ok(std::fs::rename(half, path)?)
}

async fn terminated() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
