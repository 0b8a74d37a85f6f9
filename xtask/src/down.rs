//! `./x down`: ends the stack of a directory through its supervisor, and nothing else.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::bail;
use rustix::process::Signal;
use testkit::{proc, stack::file::StackFile};

use crate::{
    cargo,
    supervise::{self, Owner},
};

/// Both shutdown waves of a stack with their grace, and a reserve.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which stack.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack's directory [default: .run]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Asks the supervisor to end its stack, and waits. The supervisor alone knows its children for sure; if it was killed,
/// the kernel has ended them with it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dir = cargo::stack_dir(args.dir.as_deref());
    let processes = StackFile::read(&dir).ok().flatten().map(|file| file.processes).unwrap_or_default();
    let Some(owner) = Owner::of(&dir) else {
        println!("nothing runs in {}", dir.display());
        return if dir.exists() { supervise::forget(&dir) } else { Ok(()) };
    };
    let before: Vec<(u32, Option<u64>)> =
        processes.iter().map(|entry| (entry.pid, proc::start_time(entry.pid))).collect();
    proc::signal(owner.pid, Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    while owner.alive() {
        if Instant::now() > deadline {
            bail!("the supervisor (pid {}) does not end; its log is in {}", owner.pid, dir.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let left: Vec<String> = before
        .iter()
        .filter(|(pid, start)| start.is_some() && proc::start_time(*pid) == *start)
        .map(|(pid, _)| format!("{} (pid {pid})", proc::name(*pid)))
        .collect();
    if !left.is_empty() {
        bail!("still there: {}", left.join(", "));
    }
    supervise::forget(&dir)?;
    println!("stopped");
    Ok(())
}
