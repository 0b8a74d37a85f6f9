//! The gateway's configuration: environment variables alone.

use std::time::Duration;

use axum::http::HeaderValue;
use domain::target::{RtmpUrl, TargetPolicy};
use jsonwebtoken::DecodingKey;
use secret::{ExposeSecret, SecretString};
use service_kit::{CommonConfig, HttpLimits};

use crate::{
    app::{MAX_PICTURE_BYTES, Options},
    auth::{Keys, MIN_SECRET_BYTES, jwks, token::Policy},
    rate::Rate,
};

/// Public REST, SSE and OpenAPI front of Exprsn Live.
#[derive(Debug, clap::Parser)]
#[command(name = "gateway", version)]
pub struct Config {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonConfig,
    /// The event bus.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: SecretString,
    /// The orchestrator's gRPC, `http://host:port`.
    #[arg(long, env = "ORCHESTRATOR_URL")]
    pub orchestrator_url: String,
    /// The vault's gRPC, `http://host:port`.
    #[arg(long, env = "CREDENTIALS_URL")]
    pub credentials_url: String,
    /// Secret of HS256 tokens, at least 32 bytes. Either this or `JWKS_URL`.
    #[arg(long, env = "JWT_HS256_SECRET", hide_env_values = true)]
    pub jwt_hs256_secret: Option<SecretString>,
    /// Public keys of RS256 and ES256 tokens. `https`, outside production also `http`.
    #[arg(long, env = "JWKS_URL")]
    pub jwks_url: Option<String>,
    /// What `iss` must be.
    #[arg(long, env = "JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// What `aud` must contain.
    #[arg(long, env = "JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
    /// What encoders publish to: `rtmp://host:port/live`.
    #[arg(long, env = "PUBLIC_INGEST_URL", default_value = "rtmp://127.0.0.1:1935/live")]
    pub public_ingest_url: String,
    /// Origins whose pages may call the API, comma-separated; `*` for any.
    #[arg(long, env = "CORS_ORIGINS", default_value = "")]
    pub cors_origins: String,
    /// Whether destinations and sources may be on private hosts and any port. For labs.
    #[arg(long, env = "ALLOW_PRIVATE_DESTINATIONS", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_private_destinations: bool,
    /// Requests per second of one tenant in the long run; 0: no limit.
    #[arg(long, env = "RATE_TENANT_PER_SECOND", default_value_t = 50)]
    pub rate_tenant_per_second: u32,
    /// Requests of one tenant at once.
    #[arg(long, env = "RATE_TENANT_BURST", default_value_t = 100)]
    pub rate_tenant_burst: u32,
    /// Requests per second from one address in the long run; 0: no limit.
    #[arg(long, env = "RATE_ADDRESS_PER_SECOND", default_value_t = 500)]
    pub rate_address_per_second: u32,
    /// Requests from one address at once.
    #[arg(long, env = "RATE_ADDRESS_BURST", default_value_t = 1_000)]
    pub rate_address_burst: u32,
    /// Open event streams of one tenant.
    #[arg(long, env = "EVENT_STREAMS_PER_TENANT", default_value_t = 50)]
    pub event_streams_per_tenant: usize,
    /// Open event streams in all.
    #[arg(long, env = "EVENT_STREAMS_MAX", default_value_t = 2_000)]
    pub event_streams_max: usize,
    /// Connections at a time.
    #[arg(long, env = "HTTP_MAX_CONNECTIONS", default_value_t = 4_096)]
    pub http_max_connections: usize,
    /// How long the services behind may take for one request.
    #[arg(long, env = "UPSTREAM_TIMEOUT_MS", default_value_t = 1_900)]
    pub upstream_timeout_ms: u64,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the two must be there, and only one.
    #[error("set exactly one of JWT_HS256_SECRET and JWKS_URL")]
    Keys,
    /// Too short.
    #[error("JWT_HS256_SECRET must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    /// A secret that everybody can read.
    #[error("a secret is not fit for production")]
    Sample(#[from] service_kit::SampleSecret),
    /// Not a URL that tokens may depend on.
    #[error("JWKS_URL must be an https URL (http only outside production)")]
    JwksUrl,
    /// The HTTP client can't be built.
    #[error("the client for JWKS_URL can't be built")]
    Client(#[source] reqwest::Error),
    /// No RTMP URL.
    #[error("PUBLIC_INGEST_URL must be an rtmp or rtmps URL such as rtmp://live.example.com/live")]
    IngestUrl,
    /// Not `scheme://host[:port]`.
    #[error("CORS_ORIGINS must be origins such as https://studio.example.com, separated by commas, or *")]
    CorsOrigins,
}

impl Config {
    /// The keys that tokens are checked with.
    ///
    /// # Errors
    /// Neither or both are configured, or what is configured is too weak.
    pub fn keys(&self) -> Result<Keys, Error> {
        // docker compose passes unset variables as empty ones.
        let secret = self.jwt_hs256_secret.as_ref().filter(|s| !s.expose_secret().is_empty());
        let url = self.jwks_url.as_ref().filter(|url| !url.is_empty());
        let guards: Vec<_> = secret.map(|secret| ("JWT_HS256_SECRET", secret)).into_iter().collect();
        self.common.refuse_samples(&guards)?;
        match (secret, url) {
            (Some(secret), None) if secret.expose_secret().len() < MIN_SECRET_BYTES => Err(Error::ShortSecret),
            (Some(secret), None) => {
                Ok(Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes()).into()))
            }
            (None, Some(url)) => self.issuer(url),
            _ => Err(Error::Keys),
        }
    }

    fn issuer(&self, url: &str) -> Result<Keys, Error> {
        let parsed = url::Url::parse(url).map_err(|_| Error::JwksUrl)?;
        let allowed = parsed.scheme() == "https" || (parsed.scheme() == "http" && !self.common.is_production());
        if !allowed {
            return Err(Error::JwksUrl);
        }
        let options = jwks::Options {
            url: url.to_owned(),
            max_age: Duration::from_secs(600),
            min_refresh: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            max_stale: Duration::from_secs(24 * 3_600),
        };
        jwks::Jwks::new(options).map(Keys::Issuer).map_err(Error::Client)
    }

    /// What every token must fit.
    pub fn policy(&self) -> Policy {
        let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        Policy { issuer: given(&self.jwt_issuer), audience: given(&self.jwt_audience) }
    }

    /// Bounds and choices of the application.
    ///
    /// # Errors
    /// The ingest URL is none.
    pub fn options(&self) -> Result<Options, Error> {
        let anywhere = TargetPolicy { allow_private: true };
        RtmpUrl::parse(&self.public_ingest_url, anywhere).map_err(|_| Error::IngestUrl)?;
        Ok(Options {
            public_ingest_url: self.public_ingest_url.clone(),
            target_policy: TargetPolicy { allow_private: self.allow_private_destinations },
            upstream_timeout: Duration::from_millis(self.upstream_timeout_ms),
            ..Options::default()
        })
    }

    /// Bounds of the listener. It lets a picture through; all other routes take far smaller bodies. The header limit lets a token of 64 kB arrive, so that it is answered with 401.
    pub fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            max_connections: self.http_max_connections,
            max_header_bytes: 96 * 1024,
            max_body_bytes: MAX_PICTURE_BYTES,
            ..HttpLimits::default()
        }
    }

    /// The limits of one tenant and of one address.
    pub fn rates(&self) -> (Rate, Rate) {
        (
            Rate { per_second: self.rate_tenant_per_second, burst: self.rate_tenant_burst },
            Rate { per_second: self.rate_address_per_second, burst: self.rate_address_burst },
        )
    }

    /// The origins whose pages may call the API.
    ///
    /// # Errors
    /// One of them is no origin.
    pub fn origins(&self) -> Result<Vec<HeaderValue>, Error> {
        self.cors_origins.split(',').map(str::trim).filter(|text| !text.is_empty()).map(origin).collect()
    }
}

fn origin(text: &str) -> Result<HeaderValue, Error> {
    let is_origin = url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    if text != "*" && !is_origin {
        return Err(Error::CorsOrigins);
    }
    HeaderValue::from_str(text).map_err(|_| Error::CorsOrigins)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn config(more: &[&str]) -> Config {
        let base = [
            "gateway",
            "--internal-token",
            "0123456789abcdef",
            "--nats-url",
            "nats://u:hunter22@x",
            "--orchestrator-url",
            "http://o",
            "--credentials-url",
            "http://c",
        ];
        Config::try_parse_from(base.iter().chain(more)).unwrap()
    }

    #[test]
    fn needs_exactly_one_kind_of_key() {
        let keys = |more: &[&str]| config(more).keys().map(|_| ()).map_err(|e| e.to_string());
        service_kit::install_crypto();
        assert!(keys(&["--jwt-hs256-secret", SECRET]).is_ok());
        assert!(keys(&["--jwt-hs256-secret", SECRET, "--jwks-url", ""]).is_ok());
        assert!(keys(&["--jwks-url", "https://id.example.com/keys"]).is_ok());
        assert!(keys(&["--jwks-url", "http://127.0.0.1/keys"]).is_ok());
        let production = ["--exprsn-env", "production", "--jwks-url", "http://id.example.com/keys"];
        for bad in [
            &[][..],
            &["--jwt-hs256-secret", SECRET, "--jwks-url", "https://id.example.com/keys"],
            &["--jwt-hs256-secret", &SECRET[1..]],
            &["--jwks-url", "file:///etc/keys"],
            &production,
        ] {
            let error = keys(bad).expect_err("refused");
            assert!(!error.contains(&SECRET[1..]), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", config(&["--jwt-hs256-secret", SECRET]));
        assert!(!shown.contains("0123456789") && !shown.contains("hunter22"), "{shown}");
    }

    #[test]
    fn origins_are_exact() {
        let origins = |text: &str| config(&["--cors-origins", text]).origins().map(|o| o.len()).ok();
        assert_eq!(origins(""), Some(0));
        assert_eq!(origins("https://a.example, http://127.0.0.1:3000"), Some(2));
        assert_eq!(origins("*"), Some(1));
        for bad in ["https://a.example/", "a.example", "https://*.example/x", "null"] {
            assert_eq!(origins(bad), None, "{bad}");
        }
        assert!(config(&["--public-ingest-url", "http://x"]).options().is_err());
    }
}
