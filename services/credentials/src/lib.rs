//! The vault: encryption, keys, accounts and platform calls. The only crate that decrypts.

pub mod api;
pub mod config;
pub mod crypto;
pub mod heartbeat;
pub mod ingest_key;
mod names;
pub mod owner;
pub mod platforms;
pub mod rotate;
pub mod run;
pub mod store;
pub mod unlock;
pub mod vault;
