//! `./x lint`: everything that can be said about the code without running it.

use anyhow::bail;

use crate::{cargo, tidy};

type Step = fn() -> anyhow::Result<()>;

/// Runs every check, also after one has failed, and fails if any did.
pub fn run() -> anyhow::Result<()> {
    let steps: [(&str, Step); 5] =
        [("fmt", format), ("tidy", tidy::run), ("clippy", clippy), ("doc", doc), ("deny", deny)];
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("lint: {name}");
        if let Err(error) = step() {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    println!("lint passed");
    Ok(())
}

fn format() -> anyhow::Result<()> {
    cargo::run(cargo::command().args(["fmt", "--all", "--check"]))
}

fn clippy() -> anyhow::Result<()> {
    let mut command = cargo::command();
    command.env("SQLX_OFFLINE", "true");
    cargo::run(command.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn doc() -> anyhow::Result<()> {
    let mut command = cargo::command();
    command.env("SQLX_OFFLINE", "true").env("RUSTDOCFLAGS", "-D warnings");
    cargo::run(command.args(["doc", "--workspace", "--no-deps", "--quiet"]))
}

/// Licences and banned crates are checked by `tidy` in any case; advisories need cargo-deny and its database.
fn deny() -> anyhow::Result<()> {
    let present = cargo::command().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if !present {
        eprintln!("!!! cargo-deny is not installed: SECURITY ADVISORIES WERE NOT CHECKED");
        eprintln!("!!! `cargo install --locked cargo-deny` installs it; licences and bans were checked by tidy");
        return Ok(());
    }
    cargo::run(cargo::command().args(["deny", "--all-features", "check"]))
}
