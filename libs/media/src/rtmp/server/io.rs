//! Bytes in and out of one connection. Cancel safe: what was read stays buffered, what was not written stays queued.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{Options, SessionError};
use crate::rtmp::{
    chunk::{Demuxer, Limits, Muxer},
    message::{self, Message, UserControl},
};

/// Peers may ask for very small windows; each acknowledgement costs a write.
const MIN_WINDOW: u64 = 4096;

pub(super) struct Wire<S> {
    io: S,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    demuxer: Demuxer,
    muxer: Muxer,
    read_buffer: usize,
    write_timeout: Duration,
    received: u64,
    acknowledged: u64,
    window: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(io: S, options: &Options) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            output: BytesMut::new(),
            demuxer: Demuxer::new(options.limits_before_publish),
            muxer: Muxer::new(),
            read_buffer: options.read_buffer,
            write_timeout: options.write_timeout,
            received: 0,
            acknowledged: 0,
            window: u64::from(options.window).max(MIN_WINDOW),
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.demuxer.set_limits(limits);
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn queue(&mut self, message: &Message) {
        self.muxer.write(message, &mut self.output);
    }

    pub(super) fn set_chunk_size(&mut self, size: u32) {
        self.queue(&Message::set_chunk_size(size));
        self.muxer.set_chunk_size(size);
    }

    /// The next message that is not the protocol's own business; those are obeyed here.
    pub(super) async fn message(&mut self, deadline: Instant) -> Result<Message, SessionError> {
        loop {
            while let Some(message) = self.demuxer.next(&mut self.input)? {
                if !self.obey(&message) {
                    return Ok(message);
                }
            }
            self.fill(deadline).await?;
        }
    }

    fn obey(&mut self, message: &Message) -> bool {
        match message.type_id {
            message::WINDOW_ACK_SIZE => {
                // 0 was seen from real peers and means nothing.
                if let Some(window) = message.as_number().filter(|w| *w > 0) {
                    self.window = u64::from(window).max(MIN_WINDOW);
                }
                true
            }
            message::USER_CONTROL => {
                if let Some(ping) = message.as_user_control().filter(|c| c.event == message::EVENT_PING_REQUEST) {
                    self.queue(&Message::user_control(UserControl { event: message::EVENT_PING_RESPONSE, ..ping }));
                }
                true
            }
            message::SET_CHUNK_SIZE | message::ABORT | message::ACKNOWLEDGEMENT | message::SET_PEER_BANDWIDTH => true,
            _ => false,
        }
    }

    /// Acknowledges, sends what is queued, then reads at least one byte.
    pub(super) async fn fill(&mut self, deadline: Instant) -> Result<(), SessionError> {
        if self.received - self.acknowledged >= self.window {
            self.acknowledged = self.received;
            self.queue(&Message::acknowledgement(self.received));
        }
        self.flush().await?;
        self.input.reserve(self.read_buffer);
        let read =
            timeout_at(deadline, self.io.read_buf(&mut self.input)).await.map_err(|_| SessionError::Timeout)??;
        if read == 0 {
            return Err(SessionError::Closed);
        }
        self.received += read as u64;
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), SessionError> {
        while self.output.has_remaining() {
            let write = self.io.write_buf(&mut self.output);
            let written = timeout(self.write_timeout, write).await.map_err(|_| SessionError::Timeout)??;
            if written == 0 {
                return Err(SessionError::Closed);
            }
        }
        Ok(())
    }

    /// Sends what is queued, ends our direction and swallows what the peer still sends, within `linger`.
    pub(super) async fn close(mut self, linger: Duration) {
        let ending = async {
            if self.flush().await.is_err() || self.io.shutdown().await.is_err() {
                return;
            }
            self.input = BytesMut::with_capacity(self.read_buffer);
            while self.io.read_buf(&mut self.input).await.is_ok_and(|read| read > 0) {
                self.input.clear();
            }
        };
        let _ = timeout(linger, ending).await;
    }
}
