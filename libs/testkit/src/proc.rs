//! Child processes of tests and stacks: started in a session of their own, ended by pid, never left behind.
//!
//! * The session (`setsid`) keeps the terminal's Ctrl-C away from them (their owner ends them in order) and marks all
//!   that descends from them: also an FFmpeg whose worker was killed, and which nobody's list of children has any more.
//! * `setpriv --pdeathsig` makes the kernel end the child when its parent dies, even by SIGKILL. The signal follows the
//!   *thread* that forked, so every child is forked by one thread that lives as long as the process.
//! * The `Child` stays unreaped until we are done with it: its pid can't be reused by a stranger under our hands.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

pub use crate::procfs::{all_stopped, children, name, session_members, signal, start_time, tree};

/// How long a polite end may take before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long the threads of a stopped process may take to stand.
const STANDSTILL: Duration = Duration::from_secs(1);
/// How much of a log an error shows.
const LOG_TAIL: u64 = 2_000;

/// What to run. Cloneable, so that a server can be started again exactly as before.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What people call it.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Added to (or, with [`Spec::clear_env`], instead of) our own environment.
    pub env: Vec<(String, String)>,
    /// Start from an empty environment.
    pub clear_env: bool,
    /// Working directory.
    pub dir: Option<PathBuf>,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    /// Run as this user (only possible as root).
    pub user: Option<String>,
    /// The signal that ends it, on drop and when our process dies.
    pub end: End,
}

/// How a process is ended when nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL: for servers without children of their own.
    Kill,
    /// SIGTERM: for services that drain.
    Term,
    /// SIGQUIT: Postgres' immediate shutdown, which takes its backends along.
    Quit,
}

impl End {
    fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Term => Signal::TERM,
            Self::Quit => Signal::QUIT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Quit => "QUIT",
        }
    }
}

impl Spec {
    /// `program` with nothing set, logging to `log`.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            clear_env: false,
            dir: None,
            log: log.into(),
            user: None,
            end: End::Kill,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    fn command(&self) -> anyhow::Result<Command> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("can't write {}", self.log.display()))?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig").arg(self.end.name());
        if let Some(user) = &self.user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.args(["--", "setsid"]).arg(&self.program).args(&self.args);
        if self.clear_env {
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

/// A running (or ended, but not forgotten) child. Dropping it ends it.
#[derive(Debug)]
pub struct Proc {
    spec: Spec,
    child: Mutex<Child>,
}

impl Proc {
    /// Starts it.
    ///
    /// # Errors
    /// When the log can't be written or the process can't be started.
    pub fn spawn(spec: Spec) -> anyhow::Result<Self> {
        let child = fork(spec.command()?).with_context(|| format!("can't start {}", spec.name))?;
        Ok(Self { spec, child: Mutex::new(child) })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its process id; of the last run when it has ended.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Its standard output and error.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The last lines it wrote.
    pub fn log_tail(&self) -> String {
        tail(&self.spec.log).unwrap_or_default()
    }

    /// Is it still running? (A stopped process is.)
    pub fn alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// SIGKILL to it alone, as the kernel's OOM killer would; returns when it is reaped.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.reap(GRACE);
    }

    /// SIGTERM; does not wait.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it stays, with all its sockets, and does nothing. Returns when all its threads stand: the signal alone
    /// leaves them running for a moment, long enough to answer a request.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        stand(&[self.pid()]);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGSTOP to it and everything below it; returns when all of it stands, as [`Proc::pause`].
    pub fn pause_tree(&self) {
        self.signal_tree(Signal::STOP);
        stand(&tree(self.pid()));
    }

    /// SIGCONT to it and everything below it.
    pub fn resume_tree(&self) {
        self.signal_tree(Signal::CONT);
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&child), signal);
        }
    }

    /// Waits until it ends; `None` when it is still there after `deadline`. Blocks the thread.
    pub fn reap(&self, deadline: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it the way its [`End`] says, by SIGKILL after a grace, and what is left in its session. Idempotent. Blocks
    /// the thread.
    pub fn end(&self) {
        if self.alive() {
            self.resume_tree();
            self.signal(self.spec.end.signal());
            if self.reap(GRACE).is_none() {
                self.kill();
            }
        }
        for pid in self.survivors() {
            signal(pid, Signal::KILL);
        }
    }

    /// Its descendants that are still there (zombies are not counted), whoever their parent is now.
    pub fn survivors(&self) -> Vec<u32> {
        let leader = self.pid();
        session_members(leader).into_iter().filter(|pid| *pid != leader).collect()
    }

    /// Ends what is left of it and starts it again, same arguments, same log.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn respawn(&self) -> anyhow::Result<()> {
        self.end();
        let child = fork(self.spec.command()?).with_context(|| format!("can't start {}", self.spec.name))?;
        *self.child() = child;
        Ok(())
    }

    /// Waits until `ready` says true.
    ///
    /// # Errors
    /// At once when the process ends first; after `deadline` otherwise. Both show the end of its log.
    pub async fn ready(&self, deadline: Duration, mut ready: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !ready().await {
            if let Some(status) = self.exit_status() {
                bail!("{} ended before it was ready ({status}):\n{}", self.spec.name, self.log_tail());
            }
            if began.elapsed() >= deadline {
                bail!("{} is not ready after {deadline:?}:\n{}", self.spec.name, self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn signal_tree(&self, signal: Signal) {
        if !self.alive() {
            return;
        }
        for pid in tree(self.pid()) {
            self::signal(pid, signal);
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until every thread of these processes stands still, or they are gone.
fn stand(pids: &[u32]) {
    let until = Instant::now() + STANDSTILL;
    let moving = |pid: &u32| start_time(*pid).is_some() && !all_stopped(*pid);
    while pids.iter().any(moving) && Instant::now() < until {
        std::thread::yield_now();
    }
}

struct Job {
    command: Command,
    reply: mpsc::Sender<std::io::Result<Child>>,
}

/// Forks on the one thread that never ends.
fn fork(command: Command) -> anyhow::Result<Child> {
    static FORKER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for mut job in inbox {
                let _ = job.reply.send(job.command.spawn());
            }
        });
        jobs
    });
    let (reply, answer) = mpsc::channel();
    forker.send(Job { command, reply }).map_err(|_| anyhow!("the forking thread is gone"))?;
    Ok(answer.recv()??)
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
