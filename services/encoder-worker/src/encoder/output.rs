//! Takes FFmpeg's stdout: always, as fast as it comes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use futures::FutureExt;
use media::flv::{Decoder, Tag, TagKind};
use tokio::{io::AsyncReadExt, process::ChildStdout, time::sleep};

use crate::{
    session::{events::Events, state::Event},
    sink::outbox::Outbox,
};

/// What one read may bring: all that a pipe holds.
const READ: usize = 64 << 10;
/// FFmpeg writes a burst in blocks of 32 KiB, a fraction of a millisecond apart: so long after the first, the rest is
/// there, and one read, one hand-over and one write to the sink do for all.
const SETTLE: Duration = Duration::from_millis(4);
/// No such wait for so long after the start.
const EAGER: Duration = Duration::from_secs(2);

/// Moves tags from FFmpeg into the outbox until the pipe ends. `produced` counts bytes; `first` is told with the first
/// media. Not to be run inside a span (entering one costs more than a read); `span` is for what it logs.
pub async fn drain(
    mut stdout: ChildStdout,
    outbox: &Outbox,
    produced: &AtomicU64,
    first: (Events, Event),
    span: &tracing::Span,
) {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::new();
    let mut first = Some(first);
    let mut tags: Vec<Tag> = Vec::new();
    let began = Instant::now();
    loop {
        buffer.reserve(READ);
        let mut read = match stdout.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if began.elapsed() > EAGER {
            sleep(SETTLE).await;
            buffer.reserve(READ);
            // An end is found again by the next read.
            read += stdout.read_buf(&mut buffer).now_or_never().and_then(Result::ok).unwrap_or(0);
        }
        produced.fetch_add(read as u64, Ordering::Relaxed);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => {
                    span.in_scope(|| tracing::warn!(%error, "FFmpeg's output is no FLV"));
                    return;
                }
            }
        }
        let media = tags.iter().any(|tag| tag.kind != TagKind::Script && !tag.is_sequence_header());
        outbox.push(tags.drain(..));
        if let Some((events, event)) = first.take_if(|_| media) {
            events.send(event).await;
        }
    }
}
