//! The end of a stack: politely, in order, and with proof that nothing is left.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{Service, Stack};
use crate::{proc, temp};

/// Workers and gateway first: they need the others to say goodbye.
const FIRST: [Service; 2] = [Service::EncoderWorker, Service::Gateway];
/// Beyond the services' own grace.
const MARGIN: Duration = Duration::from_secs(3);
/// An FFmpeg may outlive its worker by so much.
const SURVIVOR_GRACE: Duration = Duration::from_secs(2);

impl Stack {
    /// Ends everything: SIGTERM to workers and gateway, then to the other services, then the servers.
    ///
    /// # Errors
    /// When a service had to be killed, or a process that the services started outlived them.
    pub async fn stop(self) -> anyhow::Result<()> {
        let (first, then): (Vec<usize>, Vec<usize>) =
            (0..self.processes.len()).partition(|index| FIRST.contains(&self.processes[*index].service()));
        let mut complaints = self.terminate(&first).await;
        complaints.extend(self.terminate(&then).await);
        complaints.extend(self.survivors().await);
        if !complaints.is_empty() {
            bail!("the stack did not stop cleanly: {}", complaints.join("; "));
        }
        Ok(())
    }

    async fn terminate(&self, which: &[usize]) -> Vec<String> {
        let wave: Vec<_> = which.iter().filter_map(|index| self.processes.get(*index)).collect();
        for process in &wave {
            process.resume();
            process.terminate();
        }
        let deadline = Instant::now() + self.plan.grace + MARGIN;
        while wave.iter().any(|process| process.proc().alive()) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut complaints = Vec::new();
        for process in wave.iter().filter(|process| process.proc().alive()) {
            process.kill();
            complaints.push(format!("{} ignored SIGTERM", process.proc().name()));
        }
        complaints
    }

    /// What is left in the sessions of the services after a grace.
    async fn survivors(&self) -> Vec<String> {
        let deadline = Instant::now() + SURVIVOR_GRACE;
        loop {
            let left: Vec<u32> = self.processes.iter().flat_map(|process| process.proc().survivors()).collect();
            if left.is_empty() || Instant::now() >= deadline {
                return left.into_iter().map(|pid| format!("{} is left (pid {pid})", proc::name(pid))).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The FFmpeg processes that the workers (also dead ones) have started and that still run.
    pub fn ffmpegs(&self) -> Vec<u32> {
        self.of(Service::EncoderWorker)
            .flat_map(|worker| worker.proc().survivors())
            .filter(|pid| proc::name(*pid).starts_with("ffmpeg"))
            .collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Signal all before waiting for the first, or each would take its own grace.
        for process in &self.processes {
            process.resume();
            process.terminate();
        }
        if std::thread::panicking() && self.temp.is_some() {
            match self.keep_logs() {
                Ok(kept) => eprintln!("the stack's logs are kept in {}", kept.display()),
                Err(error) => eprintln!("the stack's logs are lost: {error:#}"),
            }
        }
    }
}

impl Stack {
    /// Moves the logs out of the directory that vanishes with the stack.
    fn keep_logs(&self) -> anyhow::Result<PathBuf> {
        let name = self.dir.file_name().unwrap_or_default();
        let kept = temp::shared("kept-logs")?.join(name);
        std::fs::rename(self.dir.join("logs"), &kept)?;
        Ok(kept)
    }
}
