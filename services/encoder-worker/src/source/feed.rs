//! Moves bytes from the relay into FFmpeg's stdin.
//!
//! Bytes are taken in bursts a few times a second instead of as they come: each wake of this task wakes FFmpeg and the
//! publisher as well, so this is what decides how many context switches and system calls a session costs. The bursts of
//! all sessions come on one beat, and between them the relay's connection is not in the reactor. The first seconds run
//! without, so that a start is not delayed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, process::ChildStdin, time::timeout};

use super::reader::{Read, Reader};
use crate::beat::{self, beat};

/// The bounds of feeding.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Silence of the relay that counts as broken. A relay ends a silent source itself, sooner than this.
    pub idle: Duration,
    /// FFmpeg takes nothing for so long: it hangs.
    pub write: Duration,
    /// FFmpeg takes bytes but brings none out for so long: it hangs.
    pub mute: Duration,
    /// The time from burst to burst.
    pub pause: Duration,
    /// No pauses for so long after the start.
    pub eager: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(12),
            write: Duration::from_secs(3),
            mute: Duration::from_secs(10),
            pause: beat::BURST,
            eager: Duration::from_secs(2),
        }
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
    let began = Instant::now();
    let mut voice = (produced.load(Ordering::Relaxed), began);
    let mut heard = began;
    let mut burst = Vec::new();
    loop {
        burst.clear();
        let Ok(read) = timeout(limits.idle, reader.read(&mut burst)).await else { return FeedEnd::Broken };
        if read == Read::Broken {
            return FeedEnd::Broken;
        }
        if !burst.is_empty() {
            heard = Instant::now();
            match timeout(limits.write, stdin.write_all(&burst)).await {
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
        if read == Read::End {
            return FeedEnd::Ended;
        }
        if heard.elapsed() > limits.idle {
            return FeedEnd::Broken;
        }
        if began.elapsed() > limits.eager {
            reader.by_clock();
            beat(limits.pause, Duration::ZERO).await;
        }
    }
}
