//! Takes FFmpeg's stdout: always, as fast as it comes.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use media::flv::{Decoder, Tag, TagKind};
use tokio::{io::AsyncReadExt, process::ChildStdout};

use crate::{
    session::{events::Events, state::Event},
    sink::outbox::Outbox,
};

/// What one read may bring: all that a pipe holds.
const READ: usize = 64 << 10;

/// Moves tags from FFmpeg into the outbox until the pipe ends. `produced` counts bytes; `first` is told with the first
/// media.
pub async fn drain(mut stdout: ChildStdout, outbox: &Outbox, produced: &AtomicU64, first: (Events, Event)) {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::new();
    let mut first = Some(first);
    let mut tags: Vec<Tag> = Vec::new();
    loop {
        buffer.reserve(READ);
        match stdout.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => produced.fetch_add(read as u64, Ordering::Relaxed),
        };
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "FFmpeg's output is no FLV");
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
