//! What processes use: CPU time and memory, from `/proc`.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context;

/// `sysconf(_SC_CLK_TCK)`: 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of some processes between two looks, as a share of one core.
#[derive(Debug)]
pub struct Meter {
    pids: Vec<u32>,
    ticks: u64,
    since: Instant,
}

impl Meter {
    /// Starts now.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn start(pids: Vec<u32>) -> anyhow::Result<Self> {
        let ticks = ticks(&pids)?;
        Ok(Self { pids, ticks, since: Instant::now() })
    }

    /// Share of one core since the start (1.0 = one core busy).
    ///
    /// # Errors
    /// When a process is gone.
    pub fn share(&self) -> anyhow::Result<f64> {
        let used = ticks(&self.pids)?.saturating_sub(self.ticks);
        #[allow(clippy::cast_precision_loss, reason = "ticks of a measurement are few")]
        Ok(used as f64 / TICKS_PER_SECOND / self.since.elapsed().as_secs_f64())
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

fn ticks(pids: &[u32]) -> anyhow::Result<u64> {
    pids.iter().map(|pid| ticks_of(*pid)).sum()
}

fn ticks_of(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    // After the name in parentheses: fields 14 and 15 of proc(5) are utime and stime.
    let rest = stat.rsplit_once(')').context("a stat line")?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|field| field.parse::<u64>().ok()).context("a stat line");
    Ok(next()? + next()?)
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
