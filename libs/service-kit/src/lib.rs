//! What every service needs and none should write twice: configuration, telemetry, health endpoints, two-stage
//! shutdown, a bounded HTTP server, clock, gRPC plumbing and the relay's signed tickets.

mod clock;
mod config;
mod crypto;
pub mod grpc;
mod http;
mod ops;
pub mod prometheus;
mod readiness;
mod ready_file;
mod shutdown;
pub mod telemetry;
pub mod ticket;
pub mod trace;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{CommonConfig, Environment, LogFormat, MIN_TOKEN_BYTES, SampleSecret};
pub use crypto::install_crypto;
pub use http::{HttpLimits, serve_http};
pub use ops::ops_router;
pub use readiness::Readiness;
pub use ready_file::ReadyFile;
pub use shutdown::Shutdown;
pub use telemetry::Telemetry;
pub use tokio_util::{sync::CancellationToken, task::TaskTracker};
