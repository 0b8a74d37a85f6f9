//! JetStream subjects, envelopes, publishing and consuming.
//!
//! The bus carries commands and wakes people up; it holds no truth. Everything here works at least once, within a bound, or says
//! that it did not: whoever publishes repeats it, whoever consumes compares (epoch, sequence). No message holds a secret.
//!
//! * [`Bus`]: one connection, made again for ever.
//! * Publishing: [`Bus::publish_run`] and its siblings.
//! * Shared queues: [`Bus::run_commands`], [`Bus::reports`] → [`Delivery`]; what cannot be read or finished becomes a dead
//!   letter in [`streams::DEAD`] and the queue behind it flows.
//! * Feeds of one's own: [`Bus::control`], [`Bus::metrics`], [`Bus::events`].

mod address;
mod cloud_event;
mod commands;
mod connection;
mod delivery;
mod error;
mod event;
mod event_kind;
mod feed;
mod feeds;
mod meters;
mod metric_sample;
mod options;
mod publish;
pub mod streams;
pub mod subjects;
mod trace;

pub use commands::CommandPuller;
pub use connection::Bus;
pub use delivery::Delivery;
pub use error::Error;
pub use event::{Event, NotAnEvent, StoredEvent};
pub use event_kind::{EventKind, UnknownKind};
pub use feeds::MetricFilter;
pub use metric_sample::MetricSample;
pub use options::Options;
