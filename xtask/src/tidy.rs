//! `cargo xtask tidy`: the house rules that no compiler checks. One file per rule; each returns what it objects to.

mod dependencies;
mod error_pages;
mod licences;
mod metadata;
mod patterns;
mod sizes;
mod sources;
mod spdx;

use anyhow::bail;

/// Checks all rules and prints every objection.
pub fn run() -> anyhow::Result<()> {
    let metadata = metadata::load()?;
    let sources = sources::load()?;
    let mut objections = Vec::new();
    objections.extend(dependencies::check(&metadata));
    objections.extend(licences::check(&metadata));
    objections.extend(sizes::check(&sources));
    objections.extend(patterns::check(&sources));
    objections.extend(error_pages::check(&sources));
    for objection in &objections {
        eprintln!("tidy: {objection}");
    }
    if !objections.is_empty() {
        bail!("tidy: {} objections", objections.len());
    }
    Ok(())
}
