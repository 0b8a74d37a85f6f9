//! A request body with a bound on its bytes and on the time it takes.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{Full, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// Behind the bound the reader gets an error; too long is `http_body_util::LengthLimitError`, which axum's extractors
/// answer with 413.
pub(super) fn bounded(body: Incoming, max_bytes: usize, timeout: Duration) -> Body {
    if body.size_hint().lower() > max_bytes as u64 {
        // Refused by its announced length, without reading it.
        return Body::new(Limited::new(Full::from("too long"), 0));
    }
    Body::new(Limited::new(Timed { body, deadline: Box::pin(sleep(timeout)) }, max_bytes))
}

/// The client took too long for its body.
#[derive(Debug, thiserror::Error)]
#[error("the request body did not arrive in time")]
pub(super) struct TooSlow;

struct Timed {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        this.deadline.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
