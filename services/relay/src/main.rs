//! RTMP ingest with GOP cache, inner HTTP-FLV and the fence.

use clap::Parser;
use relay::{Config, Service};
use service_kit::{Shutdown, Telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    let config = Config::parse();
    let telemetry = Telemetry::init("relay", &config.common)?;
    let shutdown = Shutdown::on_signals(config.common.shutdown_grace());
    let service = Service::bind(config.options()?).await?;
    service.ready_file().publish(&config.common)?;
    service.run(shutdown.clone()).await;
    shutdown.drained().await;
    telemetry.shutdown();
    Ok(())
}
