//! The service kit through its public boundary, with real sockets.

#![allow(clippy::expect_used)] // helpers outside #[test] functions

mod fixture;
mod grpc;
