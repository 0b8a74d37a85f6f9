//! Moves bytes from the relay into FFmpeg's stdin.
//!
//! The relay sends in bursts, about forty a second. Each burst wakes this task, FFmpeg and the publisher once, which is
//! what decides how many context switches a session costs; nothing is held back here on top of it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, process::ChildStdin, time::timeout};

use super::reader::{Chunk, Reader};

/// The bounds of feeding.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Silence of the relay that counts as broken. A relay ends a silent source itself, sooner than this.
    pub idle: Duration,
    /// FFmpeg takes nothing for so long: it hangs.
    pub write: Duration,
    /// FFmpeg takes bytes but brings none out for so long: it hangs.
    pub mute: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(12), write: Duration::from_secs(3), mute: Duration::from_secs(10) }
    }
}

/// Why feeding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEnd {
    /// The source ended.
    Ended,
    /// The relay broke off or went silent.
    Broken,
    /// FFmpeg closed its stdin: it is about to exit.
    Refused,
    /// FFmpeg hangs.
    Hung,
}

/// Feeds until something ends. `produced` is what FFmpeg has brought out so far, in bytes.
pub async fn feed(reader: &mut Reader, stdin: &mut ChildStdin, produced: &AtomicU64, limits: Limits) -> FeedEnd {
    let mut voice = (produced.load(Ordering::Relaxed), Instant::now());
    loop {
        let data = match timeout(limits.idle, reader.next()).await {
            Ok(Chunk::Data(data)) => data,
            Ok(Chunk::End) => return FeedEnd::Ended,
            Ok(Chunk::Broken) | Err(_) => return FeedEnd::Broken,
        };
        match timeout(limits.write, stdin.write_all(&data)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return FeedEnd::Refused,
            Err(_) => return FeedEnd::Hung,
        }
        let out = produced.load(Ordering::Relaxed);
        if out != voice.0 {
            voice = (out, Instant::now());
        } else if voice.1.elapsed() > limits.mute {
            return FeedEnd::Hung;
        }
    }
}
