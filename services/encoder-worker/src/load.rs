//! How busy the machine is, and what follows for taking commands.
//!
//! Capacity says how many sessions fit; the load says who should take the next one. A busy worker waits a moment before
//! it asks for work, so that an idle one gets it; it never refuses below its capacity, because a session on a busy
//! worker is better than none.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Commands taken at once.
const MAX_BATCH: usize = 8;
/// Above this share of all cores a worker holds back.
const BUSY: f64 = 0.85;
/// How long it holds back at 100 %.
const HOLD_BACK: Duration = Duration::from_millis(300);

/// The machine's load, as last measured.
#[derive(Debug, Default)]
pub struct Load {
    cpu: AtomicU64,
}

impl Load {
    /// Share of all cores in use, 0 to 1.
    pub fn cpu(&self) -> f64 {
        f64::from_bits(self.cpu.load(Ordering::Relaxed))
    }

    /// A new measurement.
    pub fn set_cpu(&self, share: f64) {
        self.cpu.store(share.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }
}

/// How to ask for work now: after which wait, for how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many commands at most; zero: none.
    pub batch: usize,
    /// Wait so long first.
    pub wait: Duration,
}

/// What to ask for with `running` of `capacity` sessions and this share of the cores in use.
pub fn ask(capacity: u32, running: usize, cpu: f64) -> Ask {
    let free = (capacity as usize).saturating_sub(running);
    let excess = ((cpu - BUSY) / (1.0 - BUSY)).clamp(0.0, 1.0);
    // An idle worker takes its first sessions at once, whoever else keeps the machine busy.
    let wait = if running == 0 { Duration::ZERO } else { HOLD_BACK.mul_f64(excess) };
    Ask { batch: free.min(MAX_BATCH), wait }
}

/// Measures the load between two calls.
#[derive(Debug, Default)]
pub struct Sampler {
    last: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Sampler {
    /// Share of all cores in use since the last call; 0 at first or when the kernel doesn't say.
    pub async fn sample(&mut self) -> f64 {
        let text = tokio::fs::read_to_string("/proc/stat").await.unwrap_or_default();
        let Some(now) = parse(&text) else { return 0.0 };
        let before = self.last.replace(now);
        before.map_or(0.0, |before| share(before, now))
    }
}

/// The first line of `/proc/stat`, proc(5): user nice system idle iowait irq softirq steal guest guest_nice.
fn parse(stat: &str) -> Option<Times> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = line.split_whitespace().map_while(|n| n.parse().ok()).take(8).collect();
    let idle = times.get(3)? + times.get(4)?;
    Some(Times { idle, all: times.iter().sum() })
}

fn share(before: Times, now: Times) -> f64 {
    let all = now.all.saturating_sub(before.all);
    let idle = now.idle.saturating_sub(before.idle);
    if all == 0 { 0.0 } else { 1.0 - idle as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capacity: u32, running: usize, cpu: f64, batch: usize, wait_ms: u64) {
        assert_eq!(ask(capacity, running, cpu), Ask { batch, wait: Duration::from_millis(wait_ms) });
    }

    #[test]
    fn room_decides_and_load_delays() {
        check(100, 0, 0.0, 8, 0);
        check(100, 0, 1.0, 8, 0);
        check(100, 97, 0.5, 3, 0);
        check(100, 50, 1.0, 8, 300);
        check(100, 50, 0.925, 8, 150);
        check(100, 100, 0.0, 0, 0);
        check(100, 120, 0.0, 0, 0);
    }

    #[test]
    fn the_kernels_times_are_read() {
        let before = parse("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2").expect("parses");
        let now = parse("cpu  200 0 200 800 100 0 0 0 0 0").expect("parses");
        assert_eq!(before, Times { idle: 800, all: 1_000 });
        assert!((share(before, now) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(parse("nonsense"), None);
    }
}
