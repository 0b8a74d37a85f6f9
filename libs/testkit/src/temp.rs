//! Directories: one that test processes of this user share (locks, caches), and private ones that vanish on drop.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Once,
};

use anyhow::{Context, bail};

/// `/tmp/exprsn-live-UID/NAME`, created when missing. Others may pass through it (Postgres runs as another user when
/// the tests run as root) but not list it.
///
/// # Errors
/// When it can't be created, or someone else owns it.
pub fn shared(name: &str) -> anyhow::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let root = std::env::temp_dir().join(format!("exprsn-live-{uid}"));
    for dir in [root.clone(), root.join(name)] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&dir)
            .with_context(|| format!("can't create {}", dir.display()))?;
        let owner = fs::symlink_metadata(&dir)?;
        if owner.uid() != uid || !owner.is_dir() {
            bail!("{} belongs to someone else", dir.display());
        }
    }
    Ok(root.join(name))
}

/// A private directory, removed when the value is dropped. Those of processes that were killed are removed by the next
/// one that asks.
///
/// # Errors
/// When it can't be created.
pub fn dir(name: &str) -> anyhow::Result<tempfile::TempDir> {
    static SWEPT: Once = Once::new();
    let home = shared("tmp")?;
    SWEPT.call_once(|| sweep(&home));
    let prefix = format!("{name}-{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(home)?)
}

/// Removes the directories (`NAME-PID-RANDOM`) of processes that are gone.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.rsplit('-').nth(1).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The given directory, created, or a private one (with the value that removes it).
///
/// # Errors
/// When it can't be created.
pub fn given_or_private(given: Option<PathBuf>, name: &str) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    match given {
        Some(dir) => {
            fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
            Ok((dir, None))
        }
        None => {
            let held = dir(name)?;
            Ok((held.path().to_path_buf(), Some(held)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_swept() {
        let home = tempfile::tempdir().unwrap();
        let mine = home.path().join(format!("nats-{}-abc", std::process::id()));
        let theirs = home.path().join("nats-4194305-abc"); // above any pid Linux gives
        let strange = home.path().join("something");
        for dir in [&mine, &theirs, &strange] {
            fs::create_dir(dir).unwrap();
        }
        sweep(home.path());
        assert!(mine.exists() && strange.exists() && !theirs.exists());
    }
}
