//! From a passphrase to the key-encryption key, slowly on purpose.

use std::fmt;

use ring::rand::SecureRandom;
use secret::{ExposeSecret, SecretString, Zeroizing};

use super::{Broken, cipher::KEY};

/// scrypt's cost in production: N = 2^17 with r = 8 takes 128 MiB and about 0.4 s (OWASP's recommendation).
pub const PRODUCTION_LOG_N: u8 = 17;
/// Block size; with the cost it fixes the memory.
const R: u32 = 8;
/// Parallelism.
const P: u32 = 1;
/// Bytes of salt.
pub(super) const SALT: usize = 16;

/// How a passphrase becomes a key. Stored beside the key check; none of it is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Random, one per key.
    pub salt: [u8; SALT],
    /// log2 of scrypt's N.
    pub log_n: u8,
}

impl Derivation {
    /// With a new random salt.
    ///
    /// # Errors
    /// [`Broken`] when the machine has no random bytes.
    pub fn fresh(log_n: u8, random: &dyn SecureRandom) -> Result<Self, Broken> {
        let mut salt = [0; SALT];
        random.fill(&mut salt).map_err(|_| Broken)?;
        Ok(Self { salt, log_n })
    }

    /// Blocks for a good part of a second: not on a runtime's thread.
    ///
    /// # Errors
    /// [`Broken`] when the cost is out of scrypt's range.
    pub fn derive(&self, passphrase: &SecretString) -> Result<Kek, Broken> {
        let params = scrypt::Params::new(self.log_n, R, P).map_err(|_| Broken)?;
        let mut key = Box::new(Zeroizing::new([0; KEY]));
        scrypt::scrypt(passphrase.expose_secret().as_bytes(), &self.salt, &params, key.as_mut_slice())
            .map_err(|_| Broken)?;
        Ok(Kek(key))
    }
}

/// A key-encryption key: wraps data keys, nothing else. Zeroized on drop, in one place on the heap.
pub struct Kek(Box<Zeroizing<[u8; KEY]>>);

impl Kek {
    pub(super) fn expose(&self) -> &[u8; KEY] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn of(byte: u8) -> Self {
        Self(Box::new(Zeroizing::new([byte; KEY])))
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_passphrase_salt_and_cost() {
        let derive = |passphrase: &str, salt: u8, log_n: u8| {
            let derivation = Derivation { salt: [salt; SALT], log_n };
            *derivation.derive(&SecretString::from(passphrase.to_owned())).expect("derives").expose()
        };
        let first = derive("a", 1, 4);
        assert_eq!(first, derive("a", 1, 4));
        assert_ne!(first, derive("b", 1, 4));
        assert_ne!(first, derive("a", 2, 4));
        assert_ne!(first, derive("a", 1, 5));
    }

    #[test]
    fn shows_nothing_and_refuses_an_absurd_cost() {
        assert_eq!(format!("{:?}", Kek::of(7)), "Kek(***)");
        let absurd = Derivation { salt: [0; SALT], log_n: 64 };
        assert!(absurd.derive(&SecretString::from("a".to_owned())).is_err());
    }
}
