//! `stack.json`: the contract with tools outside the repository. Fields are added, never renamed.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The file's name inside the stack's directory.
pub const NAME: &str = "stack.json";

/// Its content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StackFile {
    /// The public API, `http://host:port`.
    pub gateway: String,
    /// A bearer token that works.
    pub token: String,
    /// Where to publish: append `/KEY`.
    pub rtmp_ingest: String,
    /// The first relay's inner HTTP.
    pub relay_http: String,
    /// NATS.
    pub nats: String,
    /// Redis.
    pub redis: String,
    /// Postgres.
    pub postgres: String,
    /// The service processes.
    pub processes: Vec<ProcessEntry>,
    /// The stand-ins of the platforms, when they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_sim: Option<PlatformSim>,
}

/// One service process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessEntry {
    /// `encoder-worker`, …
    pub service: String,
    /// From 0.
    pub instance: usize,
    /// Process id.
    pub pid: u32,
    /// The Prometheus page.
    pub metrics: String,
}

/// The stand-ins of the platforms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlatformSim {
    /// Their HTTP API.
    pub url: String,
    /// Their RTMP ingest.
    pub rtmp: String,
}

impl StackFile {
    /// Reads the one in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// When it is not readable or not valid.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path)?;
        Ok(Some(serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?))
    }

    /// Writes it into `dir` in one step: a reader sees all of it or nothing. It holds a token: only its owner may read.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        write_atomically(&dir.join(NAME), &serde_json::to_vec_pretty(self)?)
    }
}

/// Writes a file (mode 0600) in one step.
///
/// # Errors
/// When it can't be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let half = path.with_extension(format!("part{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(content)?;
    fs::rename(&half, path)?;
    Ok(())
}
