//! Streams, destinations, desired state, reconciler, health and outbox.

use clap::Parser;
use orchestrator::{app, config::Config};
use service_kit::{Shutdown, Telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    let config = Config::parse();
    let telemetry = Telemetry::init("orchestrator", &config.common)?;
    let shutdown = Shutdown::on_signals(config.common.shutdown_grace());
    let outcome = app::run(config, shutdown).await;
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "ended by an error");
    }
    telemetry.shutdown();
    outcome
}
