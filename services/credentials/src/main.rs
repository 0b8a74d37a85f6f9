//! The vault: encryption, keys, accounts and platform calls.

use clap::Parser;
use credentials::{config::Config, run};
use service_kit::{Shutdown, Telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    let config = Config::parse();
    let telemetry = Telemetry::init("credentials", &config.common)?;
    let shutdown = Shutdown::on_signals(config.common.shutdown_grace());
    let outcome = Box::pin(run::run(config, shutdown)).await;
    telemetry.shutdown();
    Ok(outcome?)
}
