//! `./x test [filter]`: builds the services, runs the tests and looks for processes that are left.
//!
//! We make ourselves the subreaper of everything the tests start: a process whose parent has died comes to us instead of
//! to init. So when the tests are over, our children are exactly what they left behind.

use std::{
    process::Child,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, waitpid};
use testkit::proc;

use crate::{cargo, setup};

/// A process that was told to end may take so long.
const GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

/// Which tests.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Parts of test names, and options for the test runner; everything when empty
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Runs them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let began = Instant::now();
    setup::ensure()?;
    build(args)?;
    set_child_subreaper(Some(getpid())).context("can't become a subreaper")?;
    let mut runner = runner(args);
    let mut child = runner.spawn().context("can't run cargo")?;
    let passed = wait(&mut child)?;
    let left = leftovers();
    let seconds = began.elapsed().as_secs();
    if !left.is_empty() {
        bail!("after {seconds} s, left behind by the tests: {}", left.join(", "));
    }
    if !passed {
        bail!("tests failed ({seconds} s); no process left");
    }
    println!("\ntests passed in {seconds} s; no process left");
    Ok(())
}

/// The services must be there before the tests that start them. Built together with the tests, cargo chooses the same
/// features for both and compiles every dependency once.
fn build(args: &Args) -> anyhow::Result<()> {
    if names_packages(args) {
        return cargo::build_services(false);
    }
    println!("building services and tests");
    let mut command = cargo::command();
    command.env("SQLX_OFFLINE", "true");
    cargo::run(command.args(["build", "--quiet", "--workspace", "--bins", "--tests"]))
}

fn names_packages(args: &Args) -> bool {
    args.rest.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

fn runner(args: &Args) -> std::process::Command {
    let mut cargo = cargo::command();
    cargo.env("SQLX_OFFLINE", "true").env("RUST_BACKTRACE", "1");
    if has_nextest() {
        cargo.args(["nextest", "run"]);
        if !names_packages(args) {
            cargo.arg("--workspace");
        }
        if std::env::var_os("CI").is_some() {
            cargo.args(["--profile", "ci"]);
        }
        if !args.rest.is_empty() {
            // A filter may match in one package only.
            cargo.arg("--no-tests=warn");
        }
        cargo.args(&args.rest);
    } else {
        println!("cargo-nextest is missing: `cargo test` runs the tests, slower and with less isolation");
        cargo.args(["test", "--workspace", "--quiet", "--", "--test-threads=2"]).args(&args.rest);
    }
    cargo
}

fn has_nextest() -> bool {
    cargo::command().args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Waits for the runner, and reaps orphans meanwhile: a test that looks for zombies must not find those we inherited.
fn wait(child: &mut Child) -> anyhow::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        reap(Some(child.id()));
        std::thread::sleep(POLL);
    }
}

fn leftovers() -> Vec<String> {
    let deadline = Instant::now() + GRACE;
    loop {
        reap(None);
        let left = proc::children(std::process::id());
        if left.is_empty() {
            return Vec::new();
        }
        if Instant::now() > deadline {
            let names = left.iter().map(|pid| format!("{} (pid {pid})", proc::name(*pid))).collect();
            left.iter().flat_map(|pid| proc::tree(*pid)).for_each(|pid| proc::signal(pid, Signal::KILL));
            return names;
        }
        std::thread::sleep(POLL);
    }
}

/// Collects the ended children that were not ours from the start.
fn reap(except: Option<u32>) {
    for pid in proc::children(std::process::id()).into_iter().filter(|pid| Some(*pid) != except) {
        let _ = waitpid(i32::try_from(pid).ok().and_then(Pid::from_raw), WaitOptions::NOHANG);
    }
}
