//! The worker's configuration: environment variables alone are enough.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser, builder::BoolishValueParser};
use domain::{ids::WorkerId, target::TargetPolicy};
use secret::SecretString;
use service_kit::CommonConfig;

/// Copy sessions that one core carries with room to spare: one takes about half a percent of it at 6 Mbit/s.
const SESSIONS_PER_CORE: u32 = 50;

/// Runs sessions: one FFmpeg and one publisher per destination.
#[derive(Debug, Parser)]
#[command(name = "encoder-worker", version)]
pub struct Config {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonConfig,
    /// NATS servers, comma-separated.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: SecretString,
    /// Redis.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// The orchestrator's gRPC: `http://host:port`.
    #[arg(long, env = "ORCHESTRATOR_URL")]
    pub orchestrator_url: String,
    /// The vault's gRPC: `http://host:port`.
    #[arg(long, env = "CREDENTIALS_URL")]
    pub credentials_url: String,
    /// The name of this process; drawn at random when left out.
    #[arg(long, env = "WORKER_ID", value_parser = worker_id)]
    pub worker_id: Option<WorkerId>,
    /// Sessions this worker takes; by the number of cores when left out.
    #[arg(long, env = "WORKER_CAPACITY", value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub capacity: Option<u32>,
    /// Threads that move bytes; by the number of cores when left out.
    #[arg(long, env = "WORKER_THREADS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: Option<u32>,
    /// The FFmpeg to start.
    #[arg(long, env = "FFMPEG_PATH", default_value = "ffmpeg")]
    pub ffmpeg_path: PathBuf,
    /// Threads of one encode; FFmpeg decides when left out.
    #[arg(long, env = "FFMPEG_THREADS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub ffmpeg_threads: Option<u32>,
    /// The most address space one FFmpeg may take, in MiB.
    #[arg(long, env = "FFMPEG_MEMORY_MB", default_value_t = 4096)]
    pub ffmpeg_memory_mb: u64,
    /// A lab: destinations may be private hosts on any port.
    #[arg(long, env = "ALLOW_PRIVATE_DESTINATIONS", default_value = "false",
          action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub allow_private_destinations: bool,
    /// One more certificate authority (PEM) that may vouch for RTMPS destinations.
    #[arg(long, env = "RTMPS_CA_FILE")]
    pub rtmps_ca_file: Option<PathBuf>,
    /// A lease that is not renewed for this long is up for another worker.
    #[arg(long, env = "LEASE_TTL_MS", default_value_t = 3_000)]
    pub lease_ttl_ms: u64,
}

impl Config {
    /// The configured id, or a random one.
    pub fn worker_id(&self) -> WorkerId {
        let drawn = || WorkerId(format!("w-{:08x}", uuid::Uuid::new_v4().as_u128() as u32));
        self.worker_id.clone().unwrap_or_else(drawn)
    }

    /// Sessions at most.
    pub fn capacity(&self) -> u32 {
        self.capacity.unwrap_or(u32::try_from(cores()).unwrap_or(1) * SESSIONS_PER_CORE)
    }

    /// Threads that move bytes: one for every four cores. A session takes a tenth of a percent of one, and every
    /// further thread costs wake-ups (FFmpeg, which does the work, has threads of its own).
    pub fn threads(&self) -> usize {
        self.threads.map_or(cores().div_ceil(4), |threads| threads as usize)
    }

    /// What a lab may do.
    pub fn target_policy(&self) -> TargetPolicy {
        TargetPolicy { allow_private: self.allow_private_destinations }
    }

    /// How long a lease lasts.
    pub fn lease_ttl(&self) -> Duration {
        Duration::from_millis(self.lease_ttl_ms)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A worker's id is a NATS token.
fn worker_id(text: &str) -> Result<WorkerId, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        Ok(WorkerId(text.to_owned()))
    } else {
        Err("must be 1 to 64 letters, digits, hyphens and underscores".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_tokens() {
        assert!(worker_id("w-1_a").is_ok());
        for bad in ["", "a.b", "a>b", "a b", "*"] {
            assert!(worker_id(bad).is_err(), "{bad}");
        }
    }
}
