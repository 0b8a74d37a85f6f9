//! The configuration, from environment variables alone.

use secret::SecretString;
use service_kit::CommonConfig;

/// Everything the process is told from outside.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Streams, destinations, desired state, reconciler, health and outbox")]
pub struct Config {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonConfig,
    /// NATS with JetStream, 2.10 or later.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: SecretString,
    /// Redis 7.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// Postgres 15; the schema `orchestrator` is created and migrated at start.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The credentials service, `http://host:port`.
    #[arg(long, env = "CREDENTIALS_URL")]
    pub credentials_url: String,
    /// Signs the relay's tickets; the same in all relays; at least 32 bytes.
    #[arg(long, env = "RELAY_TICKET_KEY", hide_env_values = true)]
    pub relay_ticket_key: SecretString,
    /// Lets destinations and sources be on private networks: a lab, never the open world.
    #[arg(long, env = "ALLOW_PRIVATE_DESTINATIONS", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_private_destinations: bool,
    /// Our own ingest, `rtmp://host[:port]/live`: refused as an external source.
    #[arg(long, env = "PUBLIC_INGEST_URL")]
    pub public_ingest_url: Option<String>,
    /// Copies of each JetStream stream.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1)]
    pub nats_replicas: usize,
    /// The lease's time to live, as the workers have it.
    #[arg(long, env = "LEASE_TTL_MS", default_value_t = 3_000)]
    pub lease_ttl_ms: u64,
    /// Streams one tenant may have.
    #[arg(long, env = "MAX_STREAMS_PER_TENANT", default_value_t = 100)]
    pub max_streams_per_tenant: i64,
    /// Destinations one tenant may have.
    #[arg(long, env = "MAX_DESTINATIONS_PER_TENANT", default_value_t = 500)]
    pub max_destinations_per_tenant: i64,
    /// Destinations one stream may have.
    #[arg(long, env = "MAX_DESTINATIONS_PER_STREAM", default_value_t = 50)]
    pub max_destinations_per_stream: i64,
    /// Connections to Postgres.
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,
}
