//! The configuration, from environment variables alone.

use secret::SecretString;
use service_kit::CommonConfig;

use crate::{
    crypto::{PRODUCTION_LOG_N, Passphrase, Weak},
    platforms::PlatformsConfig,
    unlock::Passphrases,
};

/// The cheapest derivation a test may choose; below it scrypt is no obstacle at all.
const LEAST_LOG_N: u8 = 10;

/// Everything the process is told from outside.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "The vault: stream keys, ingest keys and platform accounts")]
pub struct Config {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonConfig,
    /// Postgres 15; the schema `credentials` is created and migrated at start.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The orchestrator's gRPC, `http://host:port`. Not needed to rotate.
    #[arg(long, env = "ORCHESTRATOR_URL")]
    pub orchestrator_url: Option<String>,
    /// The vault's key; in production at least 32 bytes.
    #[arg(long, env = "ENCRYPTION_KEY", hide_env_values = true)]
    pub encryption_key: Option<SecretString>,
    /// The key before it, while a rotation is under way.
    #[arg(long, env = "ENCRYPTION_KEY_PREVIOUS", hide_env_values = true)]
    pub encryption_key_previous: Option<SecretString>,
    /// log2 of scrypt's cost for a new key; production always takes 17.
    #[arg(long, env = "VAULT_SCRYPT_LOG_N", value_parser = clap::value_parser!(u8).range(i64::from(LEAST_LOG_N)..=20))]
    pub scrypt_log_n: Option<u8>,
    /// The platforms with an API.
    #[command(flatten)]
    pub platforms: PlatformsConfig,
    /// What to do; serve when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Re-encrypt everything with ENCRYPTION_KEY, while ENCRYPTION_KEY_PREVIOUS stays readable. Safe beside running
    /// instances, and safe to run again after an interruption.
    Rotate,
}

/// Why the process refuses to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No `ENCRYPTION_KEY`.
    #[error("ENCRYPTION_KEY is not set: give it at least 32 random bytes, for example from `openssl rand -base64 32`")]
    NoKey,
    /// Not fit for production.
    #[error("ENCRYPTION_KEY is not fit for production: {0}; take one from `openssl rand -base64 32`")]
    Weak(Weak),
    /// A secret that everybody can read.
    #[error("a secret is not fit for production")]
    Sample(#[from] service_kit::SampleSecret),
    /// Serving needs the orchestrator.
    #[error("ORCHESTRATOR_URL is not set")]
    NoOrchestrator,
}

impl Config {
    /// The keys, checked for the environment. The previous one may be weak: it is on its way out.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Weak`] and [`Error::Sample`].
    pub fn passphrases(&self) -> Result<Passphrases, Error> {
        self.common.refuse_samples(&[])?;
        let given = |text: &Option<SecretString>| text.clone().and_then(Passphrase::new);
        let current = given(&self.encryption_key).ok_or(Error::NoKey)?;
        match current.weakness() {
            Some(weak) if self.common.is_production() => return Err(Error::Weak(weak)),
            Some(weak) => tracing::warn!(%weak, "ENCRYPTION_KEY is weak; production refuses it"),
            None => {}
        }
        Ok(Passphrases { current, previous: given(&self.encryption_key_previous) })
    }

    /// scrypt's cost for new keys.
    pub fn log_n(&self) -> u8 {
        let chosen = self.scrypt_log_n.filter(|_| !self.common.is_production());
        chosen.unwrap_or(PRODUCTION_LOG_N)
    }

    /// The cheapest derivation of a stored key that is accepted.
    pub fn least_log_n(&self) -> u8 {
        if self.common.is_production() { PRODUCTION_LOG_N } else { LEAST_LOG_N }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const GOOD: &str = "q8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa";

    fn config(args: &[&str]) -> Config {
        let fixed = ["credentials", "--internal-token", "0123456789abcdef", "--database-url", "postgres://u:p@h/d"];
        Config::try_parse_from([&fixed, args].concat()).expect("parses")
    }

    fn check(environment: &str, key: Option<&str>, expected: Result<(), Error>) {
        let mut args = vec!["--exprsn-env", environment];
        args.extend(key.iter().flat_map(|key| ["--encryption-key", key]));
        assert_eq!(config(&args).passphrases().map(drop), expected, "{environment} {key:?}");
    }

    #[test]
    fn production_refuses_missing_short_and_example_keys() {
        for environment in ["production", "development"] {
            check(environment, None, Err(Error::NoKey));
            check(environment, Some(""), Err(Error::NoKey));
            check(environment, Some(GOOD), Ok(()));
        }
        let example = "your-secret-encryption-key-32-bytes";
        check("production", Some("short"), Err(Error::Weak(Weak::Short)));
        check("production", Some(example), Err(Error::Weak(Weak::Example)));
        check("development", Some("short"), Ok(()));
        check("development", Some(example), Ok(()));
    }

    #[test]
    fn the_cost_is_lower_only_outside_production() {
        assert_eq!(config(&["--scrypt-log-n", "14"]).log_n(), 14);
        assert_eq!(config(&[]).log_n(), PRODUCTION_LOG_N);
        let production = config(&["--exprsn-env", "production", "--scrypt-log-n", "14"]);
        assert_eq!((production.log_n(), production.least_log_n()), (PRODUCTION_LOG_N, PRODUCTION_LOG_N));
    }

    #[test]
    fn shows_no_secret() {
        let config = config(&["--encryption-key", GOOD, "--encryption-key-previous", GOOD]);
        let shown = format!("{config:?}");
        assert!(!shown.contains(&GOOD[..5]) && !shown.contains("u:p"), "{shown}");
    }

    #[test]
    fn rotate_is_a_command() {
        assert_eq!(config(&["rotate"]).command, Some(Command::Rotate));
        assert_eq!(config(&[]).command, None);
    }
}
