//! What processes use: CPU time and memory, from `/proc`.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context;

/// CPU time of some processes between two looks, as a share of one core.
#[derive(Debug)]
pub struct Meter {
    pids: Vec<u32>,
    used: Duration,
    since: Instant,
}

impl Meter {
    /// Starts now.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn start(pids: Vec<u32>) -> anyhow::Result<Self> {
        let used = used(&pids)?;
        Ok(Self { pids, used, since: Instant::now() })
    }

    /// Share of one core since the start (1.0 = one core busy).
    ///
    /// # Errors
    /// When a process is gone.
    pub fn share(&self) -> anyhow::Result<f64> {
        let used = used(&self.pids)?.saturating_sub(self.used);
        Ok(used.as_secs_f64() / self.since.elapsed().as_secs_f64())
    }
}

/// Measures for so long.
///
/// # Errors
/// When a process is gone.
pub async fn share_over(pids: Vec<u32>, time: Duration) -> anyhow::Result<f64> {
    let meter = Meter::start(pids)?;
    tokio::time::sleep(time).await;
    meter.share()
}

fn used(pids: &[u32]) -> anyhow::Result<Duration> {
    pids.iter().map(|pid| used_by(*pid)).sum()
}

/// The scheduler's own account, in ns, of every thread: clock ticks of 10 ms would be coarser than what is compared.
/// Threads that ended in between take their share with them; neither our services nor FFmpeg end any while streaming.
fn used_by(pid: u32) -> anyhow::Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
    let mut sum = Duration::ZERO;
    for thread in threads {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        let ns = stat.split_whitespace().next().and_then(|field| field.parse().ok()).context("a schedstat line")?;
        sum += Duration::from_nanos(ns);
    }
    Ok(sum)
}

/// Proportional set size in MB: shared pages count once, divided among those who share them.
///
/// # Errors
/// When the process is gone.
pub fn pss_mb(pid: u32) -> anyhow::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(|| format!("process {pid}"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("a Pss line")?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kb / 1024.0)
}
