//! YouTube, Twitch, Facebook and Cloudflare Stream on 127.0.0.1, simulated (docs below are completed at the end).

mod accounts;
mod clock;
mod cloudflare;
pub mod contract;
mod control;
mod facebook;
mod faults;
mod front;
mod http;
mod ids;
mod ingest;
mod journal;
mod oauth;
mod options;
mod redact;
mod route;
mod rtmp;
mod server;
mod sim;
mod tls;
mod twitch;
mod viewers;
mod world;
mod youtube;

pub use control::Action;
pub use faults::{Fault, Reset};
pub use ingest::{Measured, Owner, Publish};
pub use journal::JournalEntry;
pub use options::{App, Flags, Limits, Options, Person, Timing};
pub use sim::{Consent, Sim};
