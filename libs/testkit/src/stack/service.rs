//! The five services: their names, what each listens on and which part of the configuration each is given.

use std::fmt;

use super::{
    plan::{Instance, Plan},
    secrets::Secrets,
};

/// One of the product's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Public REST.
    Gateway,
    /// The vault.
    Credentials,
    /// Desired state and assignments.
    Orchestrator,
    /// RTMP ingest.
    Relay,
    /// Sessions.
    EncoderWorker,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Credentials, Self::Orchestrator, Self::Relay, Self::EncoderWorker];

    /// The name of its package and binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Credentials => "credentials",
            Self::Orchestrator => "orchestrator",
            Self::Relay => "relay",
            Self::EncoderWorker => "encoder-worker",
        }
    }

    /// Has a gRPC listener.
    pub(super) fn has_grpc(self) -> bool {
        matches!(self, Self::Credentials | Self::Orchestrator)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The environment of one instance. Each service gets what it needs and nothing else: a worker has no Postgres address,
/// only the vault has the encryption key.
pub(super) fn environment(instance: &Instance, plan: &Plan, secrets: &Secrets) -> Vec<(String, String)> {
    let mut env = common(instance, plan, secrets);
    env.extend(match instance.service {
        Service::Gateway => gateway(plan, secrets),
        Service::Credentials => credentials(plan, secrets),
        Service::Orchestrator => orchestrator(plan, secrets),
        Service::Relay => relay(instance, plan, secrets),
        Service::EncoderWorker => worker(instance, plan),
    });
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

type Env = Vec<(&'static str, String)>;

fn common(instance: &Instance, plan: &Plan, secrets: &Secrets) -> Env {
    let mut env = vec![
        ("HTTP_LISTEN", instance.http.addr().to_string()),
        ("INTERNAL_TOKEN", secrets.internal_token.clone()),
        ("EXPRSN_ENV", "development".to_owned()),
        ("LOG_FORMAT", plan.log_format.clone()),
        ("RUST_LOG", plan.log_filter.clone()),
        ("RUST_BACKTRACE", "1".to_owned()),
        ("READY_FILE", instance.ready_file.display().to_string()),
        ("SHUTDOWN_GRACE_MS", plan.grace.as_millis().to_string()),
        // The next replica for the next instance, so that several orchestrators share the callers.
        ("ORCHESTRATOR_URL", plan.grpc_url(Service::Orchestrator, instance.number)),
        ("CREDENTIALS_URL", plan.grpc_url(Service::Credentials, instance.number)),
    ];
    if let Some(port) = &instance.grpc {
        env.push(("GRPC_LISTEN", port.addr().to_string()));
    }
    env
}

fn gateway(plan: &Plan, secrets: &Secrets) -> Env {
    vec![
        ("NATS_URL", plan.nats.clone()),
        ("JWT_HS256_SECRET", secrets.jwt.clone()),
        ("JWT_ISSUER", super::secrets::ISSUER.to_owned()),
        ("JWT_AUDIENCE", super::secrets::AUDIENCE.to_owned()),
        ("PUBLIC_INGEST_URL", plan.rtmp_ingest.clone()),
        ("ALLOW_PRIVATE_DESTINATIONS", "true".to_owned()),
    ]
}

fn credentials(plan: &Plan, secrets: &Secrets) -> Env {
    vec![
        ("NATS_URL", plan.nats.clone()),
        ("REDIS_URL", plan.redis.clone()),
        ("DATABASE_URL", plan.postgres.clone()),
        ("ENCRYPTION_KEY", secrets.encryption_key.clone()),
        // A key derivation that takes 50 ms instead of half a second. Refused in production.
        ("VAULT_SCRYPT_LOG_N", "14".to_owned()),
    ]
}

fn orchestrator(plan: &Plan, secrets: &Secrets) -> Env {
    vec![
        ("NATS_URL", plan.nats.clone()),
        ("REDIS_URL", plan.redis.clone()),
        ("DATABASE_URL", plan.postgres.clone()),
        ("RELAY_TICKET_KEY", secrets.ticket_key.clone()),
        ("PUBLIC_INGEST_URL", plan.rtmp_ingest.clone()),
        ("ALLOW_PRIVATE_DESTINATIONS", "true".to_owned()),
    ]
}

fn relay(instance: &Instance, plan: &Plan, secrets: &Secrets) -> Env {
    let mut env = vec![
        ("NATS_URL", plan.nats.clone()),
        ("REDIS_URL", plan.redis.clone()),
        ("RELAY_ID", format!("relay-{}", instance.number)),
        ("RELAY_TICKET_KEY", secrets.ticket_key.clone()),
    ];
    if let Some((rtmp, http)) = &instance.media {
        env.extend([
            ("RTMP_LISTEN", rtmp.addr().to_string()),
            ("RELAY_HTTP_LISTEN", http.addr().to_string()),
            ("RELAY_HTTP_ADVERTISE", format!("http://{}", http.addr())),
            ("RELAY_RTMP_ADVERTISE", format!("rtmp://{}/live", rtmp.addr())),
        ]);
    }
    env
}

fn worker(instance: &Instance, plan: &Plan) -> Env {
    let mut env = vec![
        ("NATS_URL", plan.nats.clone()),
        ("REDIS_URL", plan.redis.clone()),
        ("WORKER_ID", format!("w-{}", instance.number)),
        ("FFMPEG_PATH", plan.ffmpeg.display().to_string()),
        ("ALLOW_PRIVATE_DESTINATIONS", "true".to_owned()),
    ];
    env.extend(plan.worker_capacity.map(|sessions| ("WORKER_CAPACITY", sessions.to_string())));
    env
}
