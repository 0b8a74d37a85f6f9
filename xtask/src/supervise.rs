//! Owning a stack: start it, say where it is, wait for the order to stop, end it. In the foreground, or as the process
//! that stays behind `--detach`.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use testkit::{
    Stack, proc,
    stack::{self, file},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{cargo, demo::Demo, detach, report, setup};

/// What a caller may change of a stack by environment variables, beside the logs. Addresses and secrets are the stack's.
const TUNABLE: [&str; 20] = [
    "ALLOW_PRIVATE_DESTINATIONS",
    "CORS_ORIGINS",
    "EVENT_STREAMS_MAX",
    "EVENT_STREAMS_PER_TENANT",
    "FFMPEG_MEMORY_MB",
    "FFMPEG_PATH",
    "FFMPEG_THREADS",
    "HTTP_MAX_CONNECTIONS",
    "LEASE_TTL_MS",
    "MAX_DESTINATIONS_PER_STREAM",
    "MAX_DESTINATIONS_PER_TENANT",
    "MAX_STREAMS_PER_TENANT",
    "RATE_ADDRESS_BURST",
    "RATE_ADDRESS_PER_SECOND",
    "RATE_TENANT_BURST",
    "RATE_TENANT_PER_SECOND",
    "RELAY_TAKEOVER",
    "RTMPS_CA_FILE",
    "WORKER_CAPACITY",
    "WORKER_THREADS",
];

/// The vault's variables that a caller of `./x up` may set: a platform with an id of its own is the real one (or whatever
/// its base URLs say), the others are simulated. The demo signs in by itself, so there all are simulated.
const PLATFORMS: [&str; 6] = ["YOUTUBE_", "GOOGLE_", "TWITCH_", "FACEBOOK_", "CLOUDFLARE_", "OAUTH_REQUIRE_STATE"];

const OWNER: &str = "supervisor.json";
/// What an earlier stack may have left in the directory. Measurements in `bench` stay.
const LEFTOVERS: [&str; 7] = ["logs", "ready", "nats", "redis", "postgres", "demo", "secrets.json"];

/// What to own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Just the stack.
    Up,
    /// With RTMP servers, a source and a running simulcast.
    Demo,
}

/// The shape of a stack.
#[derive(Clone, Debug, clap::Args)]
pub struct StackArgs {
    /// Return when everything is ready; `./x down` ends it
    #[arg(long)]
    pub detach: bool,
    /// Encoder workers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Relays
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub relays: u16,
    /// Orchestrator replicas
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub orchestrators: u16,
    /// First of the ports (the gateway's); free ones are drawn when not given
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    pub port_base: Option<u16>,
    /// Where logs, data and stack.json go [default: .run]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// Optimised binaries
    #[arg(long)]
    pub release: bool,
}

/// A process that can be told from a later one with the same pid.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// In clock ticks since boot.
    start_time: u64,
}

impl Identity {
    fn of(pid: u32) -> Option<Self> {
        proc::start_time(pid).map(|start_time| Self { pid, start_time })
    }

    /// Is it still there, and still that process?
    pub fn alive(&self) -> bool {
        proc::start_time(self.pid) == Some(self.start_time)
    }
}

/// Who owns the stack of a directory, and what it has started.
#[derive(Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The supervisor.
    #[serde(flatten)]
    pub supervisor: Identity,
    /// Services and servers, once they are ready.
    pub children: Vec<Identity>,
}

impl Owner {
    /// What is written in `dir`, alive or not.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(OWNER)).ok()?).ok()
    }

    /// The living owner of the stack in `dir`.
    pub fn of(dir: &Path) -> Option<Self> {
        Self::read(dir).filter(|owner| owner.supervisor.alive())
    }

    fn write(dir: &Path, children: &[u32]) -> anyhow::Result<()> {
        let supervisor = Identity::of(std::process::id()).context("no /proc")?;
        let children = children.iter().filter_map(|pid| Identity::of(*pid)).collect();
        file::write_atomically(&dir.join(OWNER), &serde_json::to_vec(&Self { supervisor, children })?)
    }
}

/// `./x up` and `./x demo`.
pub fn up(kind: Kind, args: StackArgs) -> anyhow::Result<()> {
    setup::ensure()?;
    cargo::build_services(args.release)?;
    let args = StackArgs { dir: Some(cargo::stack_dir(args.dir.as_deref())), ..args };
    if args.detach { detach::start(kind, &args) } else { own(kind, &args, false) }
}

/// Owns a stack until told to stop. `args.dir` is absolute.
pub fn own(kind: Kind, args: &StackArgs, detached: bool) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(own_async(kind, args, detached))
}

async fn own_async(kind: Kind, args: &StackArgs, detached: bool) -> anyhow::Result<()> {
    let dir = args.dir.clone().context("no directory")?;
    let _claim = claim(&dir)?;
    let mut stopping = std::pin::pin!(told_to_stop()?);
    let outcome = tokio::select! {
        outcome = run(kind, args, &dir, detached) => outcome,
        () = &mut stopping => Ok(None),
    };
    // Ctrl-C while starting drops a half-started stack, which ends what there is.
    let (running, mut report) = match outcome {
        Ok(Some(running)) => running,
        Ok(None) => return forget(&dir),
        Err(error) => {
            forget(&dir)?;
            return Err(error);
        }
    };
    tokio::select! {
        () = report.follow(&running.stack, running.demo.as_ref()) => {}
        () = &mut stopping => {}
    }
    if !detached {
        println!("\nstopping");
    }
    let outcome = running.stop().await;
    forget(&dir)?;
    outcome
}

struct Running {
    stack: Stack,
    demo: Option<Demo>,
}

impl Running {
    async fn stop(self) -> anyhow::Result<()> {
        if let Some(demo) = self.demo {
            demo.stop(&self.stack).await;
        }
        self.stack.stop().await
    }
}

async fn run(
    kind: Kind,
    args: &StackArgs,
    dir: &Path,
    detached: bool,
) -> anyhow::Result<Option<(Running, report::Report)>> {
    println!("starting NATS, Redis, Postgres and the services in {}", dir.display());
    let stack = Stack::start_with(options(kind, args, dir)).await?;
    let demo = match kind {
        Kind::Up => None,
        Kind::Demo => Some(Demo::start(&stack).await?),
    };
    Owner::write(dir, &stack.pids())?;
    stack.describe().write(dir)?;
    let report = report::Report::new(!detached, std::io::stdout().is_terminal());
    if !detached {
        report::announce(dir)?;
    }
    Ok(Some((Running { stack, demo }, report)))
}

fn options(kind: Kind, args: &StackArgs, dir: &Path) -> stack::Options {
    let mut env = stack::Service::ALL.map(|service| (service, tuned())).into_iter().collect::<HashMap<_, _>>();
    if kind == Kind::Up {
        env.entry(stack::Service::Credentials).or_default().extend(platforms());
    }
    stack::Options {
        dir: Some(dir.to_path_buf()),
        workers: usize::from(args.workers),
        relays: usize::from(args.relays),
        orchestrators: usize::from(args.orchestrators),
        port_base: args.port_base,
        durable: true,
        platform_sim: true,
        bin_dir: args.release.then(|| cargo::root().join("target/release")),
        log_filter: std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()),
        log_format: std::env::var("LOG_FORMAT").unwrap_or_else(|_| "json".to_owned()),
        env,
        ..stack::Options::default()
    }
}

/// The caller's own values of [`TUNABLE`]. A service ignores what it does not know.
fn tuned() -> Vec<(String, String)> {
    TUNABLE.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// The caller's own values of [`PLATFORMS`].
fn platforms() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| PLATFORMS.iter().any(|prefix| name.starts_with(prefix))).collect()
}

/// Makes the directory ours for as long as the returned lock lives.
fn claim(dir: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
    let lock = File::create(dir.join("supervisor.lock"))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("a stack runs in {} already: `./x down` ends it", dir.display());
    }
    forget(dir)?;
    for name in LEFTOVERS {
        let path = dir.join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Owner::write(dir, &[])?;
    Ok(lock)
}

/// Removes what says that a stack runs here.
pub fn forget(dir: &Path) -> anyhow::Result<()> {
    for name in [file::NAME, OWNER] {
        let path = dir.join(name);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Resolves on Ctrl-C, SIGTERM or SIGHUP; a second one ends us at once, and the kernel ends our children.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (told, wait) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut told = Some(told);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            match told.take() {
                Some(told) => drop(told.send(())),
                None => std::process::exit(130),
            }
        }
    });
    Ok(async move {
        let _ = wait.await;
    })
}
