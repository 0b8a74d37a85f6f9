//! Real servers on private ports, RTMP sinks, fault proxy and fake FFmpeg for tests.
//!
//! Everything here starts processes of its own, listens on 127.0.0.1 only, draws its ports from [`ports`] and ends what
//! it started when it is dropped or when the test process dies.

#![allow(clippy::disallowed_methods, reason = "this is the edge: it starts the processes, reads the clock and waits")]

pub mod api;
pub mod ffprobe;
pub mod http;
pub mod link;
pub mod live_source;
pub mod nats;
pub mod nginx_rtmp;
pub mod ports;
pub mod postgres;
pub mod proc;
pub mod procfs;
pub mod proxy;
pub mod redis;
pub mod sink;
pub mod stack;
pub mod temp;
pub mod tools;
pub mod wait;

pub use api::Api;
pub use ffprobe::{ffprobe, ffprobe_bytes};
pub use live_source::LiveSource;
pub use nats::Nats;
pub use nginx_rtmp::NginxRtmp;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use redis::Redis;
pub use sink::Sink;
pub use stack::Stack;
