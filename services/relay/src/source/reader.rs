//! A reader's end of a source: an HTTP body. No task and no queue of its own; hyper polls it when the socket has room.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use domain::source::SourceInfo;
use hyper::body::{Body, Frame};

use super::{
    Layout, Source,
    ring::{Cursor, Next},
};
use crate::{
    fence::{Cut, Pass},
    meters,
};

/// Why a body is aborted: the connection is closed without its end, so that the reader knows that this is not the end
/// of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// A later connection of the same session took over.
    #[error("fenced")]
    Fenced,
    /// The source goes on, but not here and now.
    #[error("source moved")]
    Moved,
    /// Audio or video came up after the header had been sent: the reader has to start anew.
    #[error("layout changed")]
    LayoutChanged,
}

/// The body. Dropping it lets the next one of its session in and frees its place.
pub(crate) struct Reader {
    source: Arc<Source>,
    pass: Pass,
    cursor: Cursor,
    layout: Layout,
    generation: u32,
    pending: Option<Bytes>,
    egress: metrics::Counter,
}

impl Reader {
    /// `None` when there is no keyframe to start with.
    pub(super) fn new(source: &Arc<Source>, pass: Pass) -> Option<Self> {
        let state = source.state();
        let (cursor, ts) = state.ring.join()?;
        let reader = Self {
            source: Arc::clone(source),
            cursor,
            layout: state.headers.layout(),
            generation: state.headers.generation(),
            pending: Some(state.headers.prelude(ts)),
            egress: meters::egress_bytes(),
            pass,
        };
        drop(state);
        source.reader_list().push(Arc::clone(reader.pass.cut()));
        meters::readers(1.0);
        Some(reader)
    }

    /// Fires when this reader has lost its right to read.
    pub(crate) fn cut(&self) -> &Arc<Cut> {
        self.pass.cut()
    }

    /// What the source is made of, for the response header.
    pub(crate) fn info(&self) -> SourceInfo {
        self.source.info()
    }

    fn next(&mut self) -> Poll<Option<Result<Bytes, ReadError>>> {
        if let Some(bytes) = self.pending.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let state = self.source.state();
        if state.headers.layout() != self.layout {
            return Poll::Ready(Some(Err(ReadError::LayoutChanged)));
        }
        match state.ring.next(&mut self.cursor) {
            Next::Batch(bytes) => return Poll::Ready(Some(Ok(bytes))),
            Next::Skipped(bytes, ts) => {
                meters::lag_skip();
                if std::mem::replace(&mut self.generation, state.headers.generation()) == state.headers.generation() {
                    return Poll::Ready(Some(Ok(bytes)));
                }
                self.pending = Some(bytes);
                return Poll::Ready(Some(Ok(state.headers.configurations(ts))));
            }
            Next::Lost | Next::Nothing => {}
        }
        match state.ended {
            Some(reason) if reason.is_clean() => Poll::Ready(None),
            Some(_) => Poll::Ready(Some(Err(ReadError::Moved))),
            None => Poll::Pending,
        }
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        // Registers the waker first: what happens after the look below wakes this task.
        if self.pass.cut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(ReadError::Fenced)));
        }
        self.next().map(|item| {
            item.map(|result| {
                result.map(|bytes| {
                    self.egress.increment(bytes.len() as u64);
                    Frame::data(bytes)
                })
            })
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        meters::readers(-1.0);
        self.source.reader_list().retain(|cut| !Arc::ptr_eq(cut, self.pass.cut()));
    }
}
