//! Generated gRPC and bus types, and their conversions to and from the domain.

/// The generated messages, clients and servers of `proto/exprsn/live/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, rust_2018_idioms)]
pub mod v1 {
    tonic::include_proto!("exprsn.live.v1");
}
