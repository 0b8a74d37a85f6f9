//! The one file that starts a child process.
//!
//! FFmpeg gets three pipes, an empty environment, a process group of its own and resource limits. It dies with this
//! process (also by SIGKILL), and is always reaped before anything is said about it.
//!
//! One thread that never ends forks them all: `PR_SET_PDEATHSIG` follows the thread that forked, and a fork waits until
//! the child has executed. Sixty of them at once on a busy machine would keep the runtime's thread from the pulse and
//! the leases for seconds.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Stdio,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use ffmpeg::diagnosis::Exit;
use media::sys::{ChildLimits, die_with_parent};
use rustix::{
    pipe::fcntl_setpipe_size,
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    sync::oneshot,
    time::timeout,
};

use super::output;

/// After its stdin was closed FFmpeg writes what it holds and ends. An encode holds half a second.
const PATIENCE: Duration = Duration::from_secs(1);
/// What waits for FFmpeg: a burst at 6 Mbit/s is 60 KB, and the default of 64 KiB may not be empty yet.
const INPUT_PIPE: usize = 128 << 10;
/// After SIGTERM.
const AFTER_TERM: Duration = Duration::from_secs(2);

/// A running FFmpeg. Dropping it kills its whole process group.
pub struct Encoder {
    child: Child,
    group: Option<Pid>,
}

/// Its three pipes.
pub struct Pipes {
    /// FLV goes in.
    pub stdin: ChildStdin,
    /// FLV comes out.
    pub stdout: ChildStdout,
    /// Log and progress.
    pub stderr: ChildStderr,
}

/// Starts `program`. Dropped before it is done, it leaves nothing behind.
///
/// # Errors
/// It can't be started: not there, no memory, out of descriptors.
pub async fn spawn(program: &Path, arguments: &[String], limits: ChildLimits) -> io::Result<(Encoder, Pipes)> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // One arena: a filter needs no more, and each of glibc's costs resident memory.
    command.env("MALLOC_ARENA_MAX", "1");
    die_with_parent(command.as_std_mut(), limits);
    let mut child = fork(command).await?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let encoder = Encoder { child, group };
    match pipes {
        (Some(stdin), Some(stdout), Some(stderr)) => {
            // Not granted (a user's pipes have a common limit): then a burst takes two writes.
            let _ = fcntl_setpipe_size(&stdin, INPUT_PIPE);
            let _ = fcntl_setpipe_size(&stdout, output::CAPACITY);
            Ok((encoder, Pipes { stdin, stdout, stderr }))
        }
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

struct Fork {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// What waits is bounded by the sessions: each waits for its own.
async fn fork(command: Command) -> io::Result<Child> {
    static FORKER: OnceLock<mpsc::Sender<Fork>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (forks, inbox) = mpsc::channel();
        // Without the thread the inbox is gone, and every fork says so.
        let _ = thread::Builder::new().name("forker".to_owned()).spawn(move || fork_all(inbox));
        forks
    });
    let (reply, child) = oneshot::channel();
    let gone = || io::Error::other("the forking thread is gone");
    forker.send(Fork { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

#[allow(clippy::disallowed_methods, reason = "this is the one file")]
fn fork_all(inbox: mpsc::Receiver<Fork>) {
    for Fork { mut command, runtime, reply } in inbox {
        let _runtime = runtime.enter();
        // Nobody waits any more: the child is dropped, which kills it.
        drop(reply.send(command.spawn()));
    }
}

impl Encoder {
    /// The process id, while it has not been reaped.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for it to end by itself. Cancel safe.
    pub async fn exited(&mut self) -> Exit {
        let status = self.child.wait().await;
        self.bury();
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, signal) => Exit::Signal(signal.unwrap_or(0)),
            },
            Err(_) => Exit::Signal(0),
        }
    }

    /// Ends it; its stdin must be closed already. Ladder: 1 s → SIGTERM → 2 s → SIGKILL to the group.
    pub async fn end(&mut self) -> Exit {
        if let Ok(exit) = timeout(PATIENCE, self.exited()).await {
            return exit;
        }
        self.signal(Signal::TERM);
        if let Ok(exit) = timeout(AFTER_TERM, self.exited()).await {
            return exit;
        }
        self.kill().await
    }

    /// Kills the group and reaps. SIGKILL also ends what is stopped.
    pub async fn kill(&mut self) -> Exit {
        metrics::counter!(crate::metric::FFMPEG_KILLS).increment(1);
        self.signal(Signal::KILL);
        self.exited().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Gone already is as good.
            let _ = kill_process_group(group, signal);
        }
    }

    /// The leader is reaped: whatever it left in its group goes too.
    fn bury(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
