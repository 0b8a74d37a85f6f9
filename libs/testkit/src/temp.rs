//! Directories: one that test processes of this user share (locks, caches), and private ones that vanish on drop.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::PathBuf,
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

/// A private directory, removed when the value is dropped.
///
/// # Errors
/// When it can't be created.
pub fn dir(name: &str) -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(shared("tmp")?)?;
    Ok(dir)
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
