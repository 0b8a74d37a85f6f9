//! The handshake (section 5.2), both sides, sans-IO.
//!
//! The server side answers digests too (what Flash-like clients and FFmpeg offer) through `scuffle-rtmp`; the client
//! side is the plain one, which OBS uses against every platform.

use std::io::Cursor;

use bytes::{Buf, BufMut, BytesMut};
use scuffle_rtmp::handshake::HandshakeServer;

const VERSION: u8 = 3;
const PACKET: usize = 1536;

/// The peer does not speak RTMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Its first byte is not version 3 (an HTTP request, a TLS hello, RTMPE).
    #[error("not RTMP: the first byte is {0:#04x}")]
    Version(u8),
    /// Its packets cannot be answered.
    #[error("invalid handshake")]
    Invalid,
}

/// Whether the handshake is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Waiting,
    /// What is left in the input belongs to the chunk stream.
    Done,
}

/// The answering side.
#[derive(Default)]
pub struct Server {
    inner: HandshakeServer,
    answered: bool,
}

impl Server {
    /// Takes what it needs from `input` and appends answers to `out`. Call again with more input while waiting.
    ///
    /// # Errors
    /// [`HandshakeError`]: close the connection.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Progress, HandshakeError> {
        if !self.answered {
            if let Some(version) = input.first().filter(|v| **v != VERSION) {
                return Err(HandshakeError::Version(*version));
            }
            if input.len() < 1 + PACKET {
                return Ok(Progress::Waiting);
            }
            self.step(input, 1 + PACKET, out)?;
            self.answered = true;
        }
        if input.len() < PACKET {
            return Ok(Progress::Waiting);
        }
        self.step(input, PACKET, out)?;
        Ok(Progress::Done)
    }

    fn step(&mut self, input: &mut BytesMut, count: usize, out: &mut BytesMut) -> Result<(), HandshakeError> {
        let mut cursor = Cursor::new(input.split_to(count).freeze());
        let mut answer = Vec::new();
        self.inner.handshake(&mut cursor, &mut answer).map_err(|_| HandshakeError::Invalid)?;
        out.put_slice(&answer);
        Ok(())
    }
}

/// The calling side.
#[derive(Default)]
pub struct Client {
    answered: bool,
}

impl Client {
    /// Appends C0 and C1. `seed` makes the filler bytes; it needs no secrecy.
    pub fn start(seed: u64, out: &mut BytesMut) -> Self {
        out.reserve(1 + PACKET);
        out.put_u8(VERSION);
        out.put_u64(0); // time 0, and the 4 zero bytes that say "no digest"
        let mut state = seed | 1;
        for _ in 0..(PACKET - 8) / 8 {
            // xorshift64 (Marsaglia 2003): any filler will do (5.2.3)
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            out.put_u64(state);
        }
        Self { answered: false }
    }

    /// Takes S0, S1 and S2 from `input`; appends C2 as soon as S1 is there.
    ///
    /// # Errors
    /// [`HandshakeError::Version`]: the peer is no RTMP server.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Progress, HandshakeError> {
        if !self.answered {
            if let Some(version) = input.first().filter(|v| **v != VERSION) {
                return Err(HandshakeError::Version(*version));
            }
            if input.len() < 1 + PACKET {
                return Ok(Progress::Waiting);
            }
            input.advance(1);
            out.put_slice(&input.split_to(PACKET)); // C2 echoes S1
            self.answered = true;
        }
        if input.len() < PACKET {
            return Ok(Progress::Waiting);
        }
        input.advance(PACKET); // S2 echoes our filler; servers that use digests send other bytes, so it is not compared
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_and_server_agree_byte_by_byte() {
        let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
        let (mut server_in, mut client_in) = (BytesMut::new(), BytesMut::new());
        let mut client = Client::start(42, &mut to_server);
        let mut server = Server::default();
        let (mut client_done, mut server_done) = (false, false);
        for _ in 0..10_000 {
            if !to_server.is_empty() {
                server_in.put_u8(to_server.get_u8());
                server_done |= server.advance(&mut server_in, &mut to_client) == Ok(Progress::Done);
            }
            if !to_client.is_empty() && !client_done {
                client_in.put_u8(to_client.get_u8());
                client_done |= client.advance(&mut client_in, &mut to_server) == Ok(Progress::Done);
            }
        }
        assert!(client_done && server_done);
        assert!(to_server.is_empty() && to_client.is_empty() && server_in.is_empty() && client_in.is_empty());
    }

    #[test]
    fn other_protocols_are_refused_at_their_first_byte() {
        for first in [b'G', 0x16, 6] {
            let (mut input, mut out) = (BytesMut::from(&[first][..]), BytesMut::new());
            assert_eq!(Server::default().advance(&mut input, &mut out), Err(HandshakeError::Version(first)));
            assert!(out.is_empty());
        }
    }
}
