//! The secrets of one stack, drawn when it starts, and the tokens signed with them.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Who issues the tokens of a stack.
pub const ISSUER: &str = "exprsn-live-dev";
/// Whom they are for.
pub const AUDIENCE: &str = "exprsn-live";
/// How long they last.
const TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
const FILE: &str = "secrets.json";

/// The secrets. Written to a file only its owner may read, so that `./x token` can sign for a stack that runs already.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub(super) internal_token: String,
    pub(super) jwt: String,
    pub(super) ticket_key: String,
    pub(super) encryption_key: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Draws new ones.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn draw() -> anyhow::Result<Self> {
        Ok(Self { internal_token: random()?, jwt: random()?, ticket_key: random()?, encryption_key: random()? })
    }

    /// Those of the stack in `dir`.
    ///
    /// # Errors
    /// When there is none.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(dir.join(FILE)).with_context(|| format!("no stack in {}", dir.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(super) fn save(&self, dir: &Path) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(FILE))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        Ok(())
    }

    /// A bearer token for the tenant `sub` that the stack's gateway takes.
    pub fn token(&self, sub: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires = (now + TOKEN_LIFE).as_secs();
        self.sign(&json!({"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "iat": now.as_secs(), "exp": expires}))
    }

    /// A token with exactly these claims, for tests of bad ones.
    pub fn sign(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.jwt.as_bytes());
        let tag = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// What the relay's tickets are signed with.
    pub fn ticket_key(&self) -> &str {
        &self.ticket_key
    }

    /// Every secret, for tests that search logs and stores for them.
    pub fn all(&self) -> [&str; 4] {
        [&self.internal_token, &self.jwt, &self.ticket_key, &self.encryption_key]
    }
}

/// 43 characters, 256 bits.
fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
