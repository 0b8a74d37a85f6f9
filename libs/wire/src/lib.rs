//! Generated gRPC and bus types, and their conversions to and from the domain.
//!
//! Wire types stay at the edges: a service converts what it receives before it thinks, and what it has decided before it
//! sends. Converting into the domain can fail (the other side may be newer, older or broken), the way back cannot.

mod convert;
mod redacted;

pub use convert::Malformed;

/// The generated messages, clients and servers of `proto/exprsn/live/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, rust_2018_idioms)]
pub mod v1 {
    tonic::include_proto!("exprsn.live.v1");
}

/// The encoded descriptor set of [`v1`], for gRPC reflection.
pub const FILE_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
