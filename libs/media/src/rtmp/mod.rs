//! RTMP: sans-IO codec layers ([`chunk`], [`handshake`], [`amf`], [`message`]) and the tokio sessions on top of them.
//!
//! Protocol facts come from Adobe's "RTMP Chunk Stream" and "RTMP Commands Messages" (1.0, 2012); section numbers in
//! comments mean that paper.

pub mod amf;
pub mod chunk;
pub mod client;
pub mod handshake;
pub mod message;
pub mod player;
pub mod publisher;
pub mod server;
pub mod tls;
