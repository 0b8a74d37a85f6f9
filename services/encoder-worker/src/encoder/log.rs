//! Takes FFmpeg's stderr: log lines and progress, always drained, never believed in any amount.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ffmpeg::{
    diagnosis::Diagnosis,
    lines::Lines,
    progress::{Line, Parser, Progress},
    stderr,
};
use tokio::{io::AsyncReadExt, process::ChildStderr};

use crate::metric;

/// Longest line kept.
const LINE: usize = 1_024;
/// Bytes read in one second before the rest of that second is thrown away unread; FFmpeg writes less than 1 KiB.
const BYTES_A_SECOND: usize = 256 << 10;
/// Lines that reach our own log in one second.
const LINES_A_SECOND: u32 = 5;
/// What one read may bring.
const READ: usize = 16 << 10;

/// What FFmpeg says about itself.
#[derive(Debug, Default)]
pub struct Report {
    diagnosis: Mutex<Diagnosis>,
    speed: AtomicU64,
}

impl Report {
    /// Media time over wall time between the last two progress blocks; 0 before.
    pub fn speed(&self) -> f64 {
        f64::from_bits(self.speed.load(Ordering::Relaxed))
    }

    /// What was noted of its log.
    pub fn diagnosis(&self) -> Diagnosis {
        self.diagnosis.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, line: &str) {
        self.diagnosis.lock().unwrap_or_else(PoisonError::into_inner).note(stderr::parse(line));
    }
}

/// Reads until the pipe ends. Not to be run inside a span; `span` is for what it logs.
pub async fn drain(mut stderr: ChildStderr, report: &Report, span: &tracing::Span) {
    let mut buffer = vec![0; READ];
    let mut lines = Lines::new(LINE);
    let mut parser = Parser::default();
    let mut second = Second::new(Instant::now());
    let mut pace = Pace::default();
    loop {
        let read = match stderr.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let now = Instant::now();
        if !second.admits(read, now) {
            metrics::counter!(metric::STDERR_DISCARDED).increment(read as u64);
            continue;
        }
        lines.push(&buffer[..read], |line| match parser.line(line) {
            Line::Field => {}
            Line::Block(block) => {
                if let Some(speed) = pace.speed(&block, now) {
                    report.speed.store(speed.to_bits(), Ordering::Relaxed);
                }
            }
            Line::Other => {
                report.note(line);
                span.in_scope(|| second.log(line));
            }
        });
    }
}

/// What was taken in the current second.
struct Second {
    began: Instant,
    bytes: usize,
    logged: u32,
}

impl Second {
    fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0, logged: 0 }
    }

    fn admits(&mut self, bytes: usize, now: Instant) -> bool {
        if now.duration_since(self.began) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.bytes += bytes;
        self.bytes <= BYTES_A_SECOND
    }

    fn log(&mut self, line: &str) {
        self.logged += 1;
        if self.logged <= LINES_A_SECOND {
            tracing::debug!(target: "ffmpeg", line);
        }
    }
}

/// FFmpeg's own `speed` is an average since its start and hides a slow-down for minutes; this is the last step's.
#[derive(Default)]
struct Pace {
    last: Option<(Instant, i64)>,
}

impl Pace {
    fn speed(&mut self, block: &Progress, now: Instant) -> Option<f64> {
        let (at, media) = self.last.replace((now, block.out_time_us))?;
        let wall = now.duration_since(at).as_secs_f64();
        let media = (block.out_time_us - media).max(0) as f64 / 1e6;
        (wall > 0.1).then(|| (media / wall * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_the_last_step() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let block = |seconds: f64| Progress { out_time_us: (seconds * 1e6) as i64, ..Progress::default() };
        assert_eq!(pace.speed(&block(2.0), start), None);
        assert_eq!(pace.speed(&block(3.0), start + Duration::from_secs(1)), Some(1.0));
        assert_eq!(pace.speed(&block(3.5), start + Duration::from_secs(2)), Some(0.5));
        assert_eq!(pace.speed(&block(0.0), start + Duration::from_secs(3)), Some(0.0));
    }

    #[test]
    fn a_flood_is_thrown_away_and_the_next_second_is_read() {
        let start = Instant::now();
        let mut second = Second::new(start);
        assert!(second.admits(BYTES_A_SECOND, start));
        assert!(!second.admits(1, start));
        assert!(second.admits(100, start + Duration::from_secs(1)));
    }
}
