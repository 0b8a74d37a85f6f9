//! The vault: encryption, keys, accounts and platform calls.

pub mod crypto;
pub mod ingest_key;
