//! gRPC between our own services: channels with deadlines, mutual trust by one internal token, trace context in and
//! out, and errors with a stable code.

mod auth;
mod channel;
mod server;
mod status;
mod trace_layer;

pub use auth::{InternalAuth, RequireInternal, require_internal};
pub use channel::{InternalChannel, InvalidUrl, channel, deadline, internal_channel};
pub use server::{Router, Server, serve, server};
pub use status::{ERROR_CODE, ERROR_FIELD, error_code, error_field, is_unreachable, status};
pub use trace_layer::TraceLayer;
