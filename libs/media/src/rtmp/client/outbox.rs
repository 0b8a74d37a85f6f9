//! Bytes on their way out, and how many of them the peer has.
//!
//! With TLS the kernel counts ciphertext. Each piece handed to TLS is flushed before the next, so at every such point
//! "this much plain text" equals "that much ciphertext"; in between we interpolate. The error is below one TLS record.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// What one write may carry: more than a burst at 20 Mbit/s. rustls takes four records of it, 64 KiB.
const PIECE: usize = 256 << 10;
/// Points kept; more means many MiB unacknowledged, and then only precision is lost.
const MAX_MARKS: usize = 1024;

/// A point where both counts are known.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    wire: u64,
    plain: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    pending: BytesMut,
    flushing: bool,
    written: u64,
    marks: VecDeque<Mark>,
    /// Everything up to here is acknowledged.
    base: Mark,
}

impl Outbox {
    /// Where messages are appended.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.pending
    }

    /// Bytes not yet handed to the kernel.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Nothing waits, neither here nor in TLS.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && !self.flushing
    }

    /// Bytes of RTMP written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes until nothing waits. `count` tells the bytes that the kernel has taken from `wire` so far.
    pub(crate) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        wire: &mut W,
        count: impl Fn(&W) -> u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.flushing {
                ready!(Pin::new(&mut *wire).poll_flush(cx))?;
                self.flushing = false;
                self.mark(count(wire));
            }
            if self.pending.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let piece = &self.pending[..self.pending.len().min(PIECE)];
            let taken = ready!(Pin::new(&mut *wire).poll_write(cx, piece))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(taken);
            self.written += taken as u64;
            self.flushing = true;
        }
    }

    /// Bytes of RTMP that are with the peer when it has acknowledged `wire` bytes of the connection.
    pub(crate) fn acked(&self, wire: u64) -> u64 {
        let mut before = self.base;
        for mark in &self.marks {
            if mark.wire > wire {
                let share = wire.saturating_sub(before.wire) * (mark.plain - before.plain);
                return before.plain + share / (mark.wire - before.wire).max(1);
            }
            before = *mark;
        }
        before.plain
    }

    /// Forgets the points below `wire` acknowledged bytes.
    pub(crate) fn forget(&mut self, wire: u64) {
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.wire <= wire) {
            self.base = mark;
        }
    }

    /// What went over the wire before the first RTMP byte: the TLS handshake.
    pub(crate) fn start_at(&mut self, wire: u64) {
        self.base = Mark { wire, plain: 0 };
    }

    fn mark(&mut self, wire: u64) {
        if self.marks.len() >= MAX_MARKS {
            self.marks.pop_back();
        }
        self.marks.push_back(Mark { wire, plain: self.written });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_ciphertext_becomes_plain_text() {
        let mut outbox = Outbox::default();
        outbox.start_at(500);
        for plain in [1_000, 17_000] {
            outbox.written = plain;
            outbox.mark(500 + plain + 22 * plain.div_ceil(16_000));
        }
        assert_eq!(outbox.acked(0), 0);
        assert_eq!(outbox.acked(500), 0);
        assert_eq!(outbox.acked(1_522), 1_000);
        assert_eq!(outbox.acked(1_522 + 8_011), 9_000);
        assert_eq!(outbox.acked(u64::MAX), 17_000);
        outbox.forget(1_522);
        assert_eq!(outbox.acked(1_522), 1_000);
        assert_eq!(outbox.marks.len(), 1);
    }
}
