//! The system as its users meet it: real NATS, Redis, Postgres and FFmpeg, real sinks, real faults.

mod add_remove;
mod auto_start;
mod bad_key;
mod events;
mod input_source;
mod leaks;
mod mixed_settings;
mod outages;
mod sink_faults;
mod source_faults;
mod start_stop;
mod tenants;
mod worker_faults;
