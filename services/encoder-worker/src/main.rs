//! Sessions: one FFmpeg and one publisher per destination.

use clap::Parser;
use encoder_worker::{config::Config, work::service::Worker};
use service_kit::{Shutdown, Telemetry, install_crypto};

fn main() -> anyhow::Result<()> {
    install_crypto();
    let config = Config::parse();
    // Worker threads, not `current_thread`: the thread that waits here has nothing else to do.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(config.threads()).enable_all().build()?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let telemetry = Telemetry::init("encoder-worker", &config.common)?;
    let shutdown = Shutdown::on_signals(config.common.shutdown_grace());
    let result = async { Worker::build(config).await?.run(shutdown).await }.await;
    if let Err(error) = &result {
        tracing::error!(error = error as &dyn std::error::Error, "encoder-worker stopped");
    }
    telemetry.shutdown();
    Ok(result?)
}
