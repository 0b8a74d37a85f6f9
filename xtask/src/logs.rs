//! `./x logs [service]`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::cargo;

/// Which logs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A service or server, for example `relay`, `encoder-worker-1`, `nats`; all when not given
    service: Option<String>,
    /// Go on showing new lines
    #[arg(short, long)]
    follow: bool,
    /// How many lines of each
    #[arg(short = 'n', long, default_value_t = 40)]
    lines: u32,
    /// The stack's directory [default: .run]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Shows the end of each log.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dir = cargo::stack_dir(args.dir.as_deref());
    let mut files = Vec::new();
    for sub in ["logs", "nats", "redis", "postgres", "demo"] {
        files.extend(log_files(&dir.join(sub)));
    }
    files.push(dir.join("supervisor.log"));
    files.retain(|file| file.exists() && args.service.as_deref().is_none_or(|wanted| stem(file).starts_with(wanted)));
    files.sort();
    if files.is_empty() {
        bail!("no such log in {}", dir.display());
    }
    let mut tail = Command::new("tail");
    tail.arg("-n").arg(args.lines.to_string());
    if args.follow {
        tail.arg("-F");
    }
    tail.args(&files).status().context("can't run tail")?;
    Ok(())
}

fn log_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log")).collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
