//! `--detach`: leave a supervisor behind in a session of its own and return when its stack is ready.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use testkit::stack::file;

use crate::{
    report,
    supervise::{Kind, Owner, StackArgs},
};

const LOG: &str = "supervisor.log";
const POLL: Duration = Duration::from_millis(50);
/// Every part of a start has its own, shorter deadline; this one is for a supervisor that hangs.
const READY: Duration = Duration::from_secs(300);

/// Starts the supervisor and waits for `stack.json`. Ctrl-C while waiting ends it again.
pub fn start(kind: Kind, args: &StackArgs) -> anyhow::Result<()> {
    let dir = args.dir.clone().context("no directory")?;
    std::fs::create_dir_all(&dir)?;
    if Owner::of(&dir).is_some() {
        bail!("a stack runs in {} already: `./x down` ends it", dir.display());
    }
    println!("starting NATS, Redis, Postgres and the services in {}", dir.display());
    let mut child = spawn(kind, args, &dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ready = runtime.block_on(async {
        tokio::select! {
            ready = wait(&mut child, &dir) => ready,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    if let Err(error) = ready {
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let _ = child.wait();
        return Err(error);
    }
    report::announce(&dir)
}

fn spawn(kind: Kind, args: &StackArgs, dir: &Path) -> anyhow::Result<Child> {
    let log = File::create(dir.join(LOG))?;
    let kind = if kind == Kind::Demo { "demo" } else { "up" };
    let mut command = Command::new("setsid");
    command.arg(std::env::current_exe()?).args(["supervise", kind, "--dir"]).arg(dir);
    for (name, value) in
        [("--workers", args.workers), ("--relays", args.relays), ("--orchestrators", args.orchestrators)]
    {
        command.args([name, &value.to_string()]);
    }
    if let Some(base) = args.port_base {
        command.args(["--port-base", &base.to_string()]);
    }
    if args.release {
        command.arg("--release");
    }
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok(child)
}

async fn wait(child: &mut Child, dir: &Path) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    while !(dir.join(file::NAME).exists() && Owner::of(dir).is_some_and(|owner| owner.supervisor.pid == child.id())) {
        if child.try_wait()?.is_some() {
            let log = std::fs::read_to_string(dir.join(LOG)).unwrap_or_default();
            bail!("the stack did not start:\n{}", log.trim());
        }
        if began.elapsed() > READY {
            bail!("the stack is not ready after {READY:?}: see {}", dir.join(LOG).display());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
