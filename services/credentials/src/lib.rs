//! The vault: encryption, keys, accounts and platform calls. The only crate that decrypts.

pub mod accounts;
pub mod api;
pub mod broadcasts;
pub mod config;
pub mod crypto;
pub mod heartbeat;
pub mod http;
pub mod ingest_key;
mod names;
pub mod owner;
pub mod platforms;
pub mod quota;
pub mod rotate;
pub mod run;
pub mod services;
pub mod store;
pub mod unlock;
pub mod vault;
