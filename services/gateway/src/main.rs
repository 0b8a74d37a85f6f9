//! Public REST, SSE and OpenAPI front.

use clap::Parser;
use gateway::{config::Config, serve};
use service_kit::{Shutdown, Telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    let config = Config::parse();
    let telemetry = Telemetry::init("gateway", &config.common)?;
    let outcome = serve::run(&config, Shutdown::on_signals(config.common.shutdown_grace())).await;
    if let Err(error) = &outcome {
        tracing::error!(error = error as &dyn std::error::Error, "the gateway could not run");
    }
    telemetry.shutdown();
    Ok(outcome?)
}
