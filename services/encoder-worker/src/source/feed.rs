//! Moves bytes from the relay into FFmpeg's stdin.
//!
//! Bytes are taken in bursts a few times a second instead of tag by tag: each wake of this task wakes FFmpeg and the
//! publisher as well, so this is what decides how many context switches a session costs. The first seconds run without
//! the pause, so that a start is not delayed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt,
    process::ChildStdin,
    time::{sleep, timeout},
};

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
    /// The pause between two bursts.
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
            pause: Duration::from_millis(40),
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
    loop {
        let mut chunk = match timeout(limits.idle, reader.next()).await {
            Ok(chunk) => Some(chunk),
            Err(_) => return FeedEnd::Broken,
        };
        while let Some(next) = chunk {
            match next {
                Chunk::Data(data) => match timeout(limits.write, stdin.write_all(&data)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return FeedEnd::Refused,
                    Err(_) => return FeedEnd::Hung,
                },
                Chunk::End => return FeedEnd::Ended,
                Chunk::Broken => return FeedEnd::Broken,
            }
            chunk = reader.more();
        }
        let out = produced.load(Ordering::Relaxed);
        if out != voice.0 {
            voice = (out, Instant::now());
        } else if voice.1.elapsed() > limits.mute {
            return FeedEnd::Hung;
        }
        if began.elapsed() > limits.eager {
            sleep(limits.pause).await;
        }
    }
}
