//! The environment.

use std::net::SocketAddr;

use domain::ids::RelayId;
use secret::SecretString;
use service_kit::{CommonConfig, grpc, ticket::TicketKey};

use crate::options::{Bounds, Options};

/// Configuration of a relay.
#[derive(Debug, clap::Parser)]
#[command(name = "relay", version, about)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub common: CommonConfig,
    /// This relay's name; a random one when not set.
    #[arg(long, env = "RELAY_ID")]
    pub relay_id: Option<String>,
    /// Where encoders publish.
    #[arg(long, env = "RTMP_LISTEN", default_value = "127.0.0.1:0")]
    pub rtmp_listen: SocketAddr,
    /// Where workers read (inner network only).
    #[arg(long, env = "RELAY_HTTP_LISTEN", default_value = "127.0.0.1:0")]
    pub relay_http_listen: SocketAddr,
    /// How workers reach `RELAY_HTTP_LISTEN`: `http://host:port`. The bound address when not set.
    #[arg(long, env = "RELAY_HTTP_ADVERTISE")]
    pub relay_http_advertise: Option<String>,
    /// How workers reach `RTMP_LISTEN`: `rtmp://host:port/live`. The bound address when not set.
    #[arg(long, env = "RELAY_RTMP_ADVERTISE")]
    pub relay_rtmp_advertise: Option<String>,
    /// Whether a second publisher with the same key replaces the first instead of being refused.
    #[arg(long, env = "RELAY_TAKEOVER", default_value_t = false, action = clap::ArgAction::Set)]
    pub relay_takeover: bool,
    /// The key of the tickets, shared with the orchestrator; at least 32 bytes.
    #[arg(long, env = "RELAY_TICKET_KEY", hide_env_values = true)]
    pub relay_ticket_key: SecretString,
    /// The orchestrator's gRPC address.
    #[arg(long, env = "ORCHESTRATOR_URL")]
    pub orchestrator_url: String,
    /// Redis: the directory of relays and sources.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
}

impl Config {
    /// What the service is built from.
    ///
    /// # Errors
    /// A ticket key that is too short, or an address that is none.
    pub fn options(&self) -> anyhow::Result<Options> {
        self.common.refuse_samples(&[("RELAY_TICKET_KEY", &self.relay_ticket_key)])?;
        let random = || format!("r-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        Ok(Options {
            relay: RelayId(self.relay_id.clone().unwrap_or_else(random)),
            ops_listen: self.common.http_listen,
            rtmp_listen: self.rtmp_listen,
            http_listen: self.relay_http_listen,
            http_advertise: self.relay_http_advertise.clone(),
            rtmp_advertise: self.relay_rtmp_advertise.clone(),
            takeover: self.relay_takeover,
            ticket_key: TicketKey::new(&self.relay_ticket_key)?,
            orchestrator: grpc::internal_channel(&self.orchestrator_url, &self.common.internal_token)?,
            redis_url: self.redis_url.clone(),
            bounds: Bounds::default(),
        })
    }
}
