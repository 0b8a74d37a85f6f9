//! The text files of the repository.

use std::{fs, path::Path};

use anyhow::Context;

use crate::cargo;

/// Directories that are not ours to judge.
const SKIPPED: [&str; 4] = ["target", ".git", ".run", "node_modules"];

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tests may be long and may do what services must not.
    pub(super) fn is_test(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || file == "tests.rs"
            || file.ends_with("_tests.rs")
    }

    /// The text up to the test module, if it has one at its end.
    pub(super) fn product_code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
    }
}

pub(super) fn load() -> anyhow::Result<Vec<Source>> {
    let mut all = Vec::new();
    walk(&cargo::root(), &cargo::root(), &mut all)?;
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn walk(root: &Path, dir: &Path, all: &mut Vec<Source>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("can't read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, all)?;
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            all.push(Source { path, text });
        }
    }
    Ok(())
}
