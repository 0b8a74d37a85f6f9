//! The part of the configuration that all services share. Environment variables alone are enough.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secret::{ExposeSecret, SecretString};

/// How every sample secret of the documentation and the compose file begins.
pub const SAMPLE_PREFIX: &str = "development-";
/// The shortest internal token that is taken.
pub const MIN_TOKEN_BYTES: usize = 16;

/// Flatten it into a service's own `clap::Parser`.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonConfig {
    /// Where HTTP listens; port 0 takes a free one.
    #[arg(long, env = "HTTP_LISTEN", default_value = "127.0.0.1:0")]
    pub http_listen: SocketAddr,
    /// Where gRPC listens (services that have it).
    #[arg(long, env = "GRPC_LISTEN", default_value = "127.0.0.1:0")]
    pub grpc_listen: SocketAddr,
    /// The bearer token of internal gRPC, the same in all services; at least 16 bytes.
    #[arg(long, env = "INTERNAL_TOKEN", hide_env_values = true, value_parser = internal_token)]
    pub internal_token: SecretString,
    /// `production` refuses weak secrets.
    #[arg(long = "exprsn-env", env = "EXPRSN_ENV", value_enum, default_value_t = Environment::Development)]
    pub environment: Environment,
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,
    /// OTLP (gRPC) collector of traces; none when empty. The other `OTEL_*` variables hold as the standard says.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// How long a soft shutdown may take before the hard one.
    #[arg(long, env = "SHUTDOWN_GRACE_MS", default_value_t = 10_000)]
    pub shutdown_grace_ms: u64,
    /// Where to write the bound addresses as JSON when ready.
    #[arg(long, env = "READY_FILE")]
    pub ready_file: Option<PathBuf>,
}

/// Where this runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// Weak secrets are refused.
    Production,
    /// A developer's machine or a test.
    Development,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For eyes.
    Human,
}

/// What everybody can read guards nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a published sample value: production needs a random one")]
pub struct SampleSecret(pub &'static str);

impl CommonConfig {
    /// In production, refuses the internal token and these secrets (by the names of their variables) when they are
    /// published samples.
    ///
    /// # Errors
    /// The first one that is.
    pub fn refuse_samples(&self, secrets: &[(&'static str, &SecretString)]) -> Result<(), SampleSecret> {
        let own = [("INTERNAL_TOKEN", &self.internal_token)];
        let mut all = own.iter().chain(secrets).filter(|_| self.is_production());
        let sample = all.find(|(_, secret)| secret.expose_secret().starts_with(SAMPLE_PREFIX));
        sample.map_or(Ok(()), |(name, _)| Err(SampleSecret(name)))
    }

    /// How long a soft shutdown may take.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }

    /// Whether weak secrets are refused.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// The collector, if one was named. An empty variable counts as none.
    pub fn otlp_endpoint(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty())
    }
}

fn internal_token(text: &str) -> Result<SecretString, String> {
    let token = SecretString::from(text.to_owned());
    let usable = token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() < MIN_TOKEN_BYTES || !usable {
        return Err(format!("must be at least {MIN_TOKEN_BYTES} printable ASCII characters without blanks"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        common: CommonConfig,
    }

    #[test]
    fn production_refuses_what_is_published() {
        let own = ["--internal-token", "0123456789abcdef"];
        let sample = ["--internal-token", "development-internal-token"];
        let ticket = SecretString::from("development-ticket-key");
        let production = parse(&[&own[..], &["--exprsn-env", "production"]].concat()).unwrap();
        assert_eq!(production.refuse_samples(&[]), Ok(()));
        assert_eq!(production.refuse_samples(&[("RELAY_TICKET_KEY", &ticket)]), Err(SampleSecret("RELAY_TICKET_KEY")));
        let weak = parse(&[&sample[..], &["--exprsn-env", "production"]].concat()).unwrap();
        assert_eq!(weak.refuse_samples(&[]), Err(SampleSecret("INTERNAL_TOKEN")));
        assert_eq!(parse(&sample).unwrap().refuse_samples(&[("RELAY_TICKET_KEY", &ticket)]), Ok(()));
    }

    fn parse(args: &[&str]) -> Result<CommonConfig, String> {
        Config::try_parse_from([&["service"], args].concat()).map(|c| c.common).map_err(|e| e.to_string())
    }

    #[test]
    fn takes_defaults() {
        let common = parse(&["--internal-token", "0123456789abcdef"]).expect("parses");
        assert_eq!(common.http_listen.port(), 0);
        assert!(!common.is_production());
        assert_eq!(common.shutdown_grace(), Duration::from_secs(10));
        assert!(!format!("{common:?}").contains("0123456789"), "{common:?}");
    }

    #[test]
    fn an_empty_collector_is_none() {
        let common = parse(&["--internal-token", "0123456789abcdef", "--otlp-endpoint", " "]).expect("parses");
        assert_eq!(common.otlp_endpoint(), None);
    }

    #[test]
    fn refuses_a_short_or_blank_token() {
        for token in ["", "short", "with a blank in it", "0123456789abcde\u{e9}"] {
            let error = parse(&["--internal-token", token]).expect_err("refused");
            assert!(error.contains("at least 16 printable"), "{error}");
        }
    }
}
