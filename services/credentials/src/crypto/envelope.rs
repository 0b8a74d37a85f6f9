//! A sealed value as it is stored.
//!
//! ```text
//! version 1 | key id 4 | wrap nonce 12 | data key 32 | wrap tag 16 | nonce 12 | value n | tag 16
//! ```
//!
//! The data key is random and used for this one value; it is wrapped with the key-encryption key that the key id names.
//! Both seals authenticate version, key id and [`Place`].

use std::fmt;

use ring::rand::SecureRandom;
use secret::Zeroizing;

use super::{
    Broken, Kek, Place,
    cipher::{self, KEY, NONCE, TAG},
};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4;
const WRAPPED: usize = KEY + TAG;
const SHORTEST: usize = HEADER + NONCE + WRAPPED + NONCE + TAG;
/// Keep the two uses of the place apart: a wrapped key can't stand for a value.
const DATA_KEY: &[u8] = b"exprsn-live vault data key";
const VALUE: &[u8] = b"exprsn-live vault value";

/// Names one key-encryption key of this vault; given by the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub i32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why stored bytes give no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be a sealed value.
    #[error("the sealed value is truncated")]
    Truncated,
    /// Sealed by a later version of the product.
    #[error("the sealed value has an unknown version")]
    Version,
    /// Sealed with a key that this process doesn't hold.
    #[error("the sealed value needs vault key {0}, which is not loaded")]
    UnknownKey(KeyId),
    /// Changed, or moved from another place, or sealed with another key.
    #[error("the sealed value is not authentic")]
    Forged,
}

/// Seals a value for its place, with a fresh data key and fresh nonces.
///
/// # Errors
/// [`Broken`] when the machine has no random bytes.
pub fn seal(kek: &Kek, id: KeyId, place: &Place, value: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, Broken> {
    let mut data_key = Zeroizing::new([0; KEY]);
    random.fill(data_key.as_mut_slice()).map_err(|_| Broken)?;
    let (wrap_nonce, nonce) = (fresh_nonce(random)?, fresh_nonce(random)?);
    let mut out = Vec::with_capacity(SHORTEST + value.len());
    out.push(VERSION);
    out.extend_from_slice(&id.0.to_be_bytes());
    let (wrap_aad, aad) = (aad(DATA_KEY, &out, place), aad(VALUE, &out, place));
    out.extend_from_slice(&wrap_nonce);
    out.extend_from_slice(&cipher::seal(kek.expose(), &wrap_nonce, &wrap_aad, data_key.as_slice())?);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&cipher::seal(&data_key, &nonce, &aad, value)?);
    Ok(out)
}

/// Which key a sealed value needs.
///
/// # Errors
/// [`OpenError::Truncated`] and [`OpenError::Version`].
pub fn key_id(sealed: &[u8]) -> Result<KeyId, OpenError> {
    Ok(parse(sealed)?.key_id)
}

/// The value, if it was sealed with this key for this place.
///
/// # Errors
/// [`OpenError`], apart from `UnknownKey`.
pub fn open(kek: &Kek, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let parts = parse(sealed)?;
    let wrap_aad = aad(DATA_KEY, parts.header, place);
    let data_key = cipher::open(kek.expose(), &parts.wrap_nonce, &wrap_aad, parts.wrapped).map_err(forged)?;
    let mut key = Zeroizing::new([0; KEY]);
    key.copy_from_slice(&data_key); // the tag vouched for its length
    cipher::open(&key, &parts.nonce, &aad(VALUE, parts.header, place), parts.value).map_err(forged)
}

fn forged(_: Broken) -> OpenError {
    OpenError::Forged
}

fn fresh_nonce(random: &dyn SecureRandom) -> Result<[u8; NONCE], Broken> {
    let mut nonce = [0; NONCE];
    random.fill(&mut nonce).map_err(|_| Broken)?;
    Ok(nonce)
}

fn aad(purpose: &[u8], header: &[u8], place: &Place) -> Vec<u8> {
    let mut aad = [purpose, header].concat(); // both of fixed length
    place.encode(&mut aad);
    aad
}

struct Parts<'a> {
    header: &'a [u8],
    key_id: KeyId,
    wrap_nonce: [u8; NONCE],
    wrapped: &'a [u8],
    nonce: [u8; NONCE],
    value: &'a [u8],
}

fn parse(sealed: &[u8]) -> Result<Parts<'_>, OpenError> {
    if sealed.first().is_some_and(|version| *version != VERSION) {
        return Err(OpenError::Version);
    }
    split(sealed).filter(|parts| parts.value.len() >= TAG).ok_or(OpenError::Truncated)
}

fn split(sealed: &[u8]) -> Option<Parts<'_>> {
    let (header, rest) = sealed.split_at_checked(HEADER)?;
    let (wrap_nonce, rest) = rest.split_first_chunk()?;
    let (wrapped, rest) = rest.split_at_checked(WRAPPED)?;
    let (nonce, value) = rest.split_first_chunk()?;
    let key_id = KeyId(i32::from_be_bytes(*header.last_chunk()?));
    Some(Parts { header, key_id, wrap_nonce: *wrap_nonce, wrapped, nonce: *nonce, value })
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
