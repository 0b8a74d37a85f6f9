//! `./x down`: ends the stack of a directory through its supervisor, and nothing else.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::bail;
use rustix::process::Signal;
use testkit::proc;

use crate::{
    cargo,
    supervise::{self, Identity, Owner},
};

/// Both shutdown waves of a stack with their grace, and a reserve.
const PATIENCE: Duration = Duration::from_secs(60);

/// For what a killed supervisor left.
const GRACE: Duration = Duration::from_secs(12);

/// Which stack.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack's directory [default: .run]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Asks the supervisor to end its stack, and waits. If the supervisor was killed, the kernel has told its children to
/// end with it; those that have not are ended here, each only if it is still the process that was started.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dir = cargo::stack_dir(args.dir.as_deref());
    let Some(owner) = Owner::read(&dir) else {
        println!("nothing runs in {}", dir.display());
        return if dir.exists() { supervise::forget(&dir) } else { Ok(()) };
    };
    if !end(&[owner.supervisor], Signal::TERM, PATIENCE) {
        bail!("the supervisor (pid {}) does not end; its log is in {}", owner.supervisor.pid, dir.display());
    }
    if !end(&owner.children, Signal::TERM, GRACE) && !end(&owner.children, Signal::KILL, GRACE) {
        let left = owner.children.iter().filter(|child| child.alive());
        let names: Vec<String> = left.map(|child| format!("{} (pid {})", proc::name(child.pid), child.pid)).collect();
        bail!("still there: {}", names.join(", "));
    }
    supervise::forget(&dir)?;
    println!("stopped");
    Ok(())
}

/// Signals those that are alive and waits for them.
fn end(all: &[Identity], signal: Signal, patience: Duration) -> bool {
    all.iter().filter(|one| one.alive()).for_each(|one| proc::signal(one.pid, signal));
    let deadline = Instant::now() + patience;
    while all.iter().any(Identity::alive) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
