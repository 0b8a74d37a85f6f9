//! `./x bench [name]`: measured figures beside their limits. Each measurement runs ours and a yardstick in one go on the
//! same work, prints a table and writes `.run/bench/NAME.json`.
#![allow(clippy::print_stdout, reason = "a command's output is its table")]

mod cpu;
mod failover;
mod platforms;
mod relay;
mod report;
mod scene;
mod sessions;
mod start;
mod tickets;
mod yardstick;

use std::process::ExitCode;

use anyhow::bail;

const ALL: [&str; 5] = ["start", "failover", "relay", "sessions", "platforms"];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    service_kit::install_crypto();
    let names: Vec<String> = std::env::args().skip(1).collect();
    let names = if names.is_empty() { ALL.map(str::to_owned).to_vec() } else { names };
    let mut pass = true;
    for name in names {
        let report = match name.as_str() {
            "start" => start::measure().await?,
            "failover" => failover::measure().await?,
            "relay" => relay::measure().await?,
            "sessions" => sessions::measure().await?,
            "platforms" => platforms::measure().await?,
            other => bail!("no measurement is called {other}: there are {}", ALL.join(", ")),
        };
        pass &= report.publish()?;
    }
    Ok(if pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
