//! The vault's cryptography. Pure apart from the random bytes it draws.
//!
//! `ENCRYPTION_KEY` → scrypt → key-encryption key ([`Kek`]) → wraps a fresh data key per record → AES-256-GCM over the
//! value. What is sealed is bound to its [`Place`]: moved to another tenant, table, record or field it does not open.

mod cipher;
mod envelope;
mod kek;
mod keyring;
mod passphrase;
mod place;

pub use cipher::Broken;
pub use envelope::{KeyId, OpenError, key_id, open, seal};
pub use kek::{Derivation, Kek, PRODUCTION_LOG_N};
pub use keyring::Keyring;
pub use passphrase::{MIN_PASSPHRASE_BYTES, Passphrase, Weak};
pub use place::{Field, Place, Table};
