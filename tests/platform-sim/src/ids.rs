//! Ids, keys and tokens in the platforms' forms, all drawn from one seeded generator.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng, rngs::StdRng};

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Draws ids, and remembers every secret that was ever given out.
#[derive(Debug)]
pub(crate) struct Ids {
    random: StdRng,
    secrets: BTreeSet<String>,
}

impl Ids {
    pub fn new(seed: Option<u64>) -> Self {
        let random = seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self { random, secrets: BTreeSet::new() }
    }

    fn draw(&mut self, from: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(from[self.random.random_range(0..from.len())])).collect()
    }

    /// Letters and digits.
    pub fn text(&mut self, length: usize) -> String {
        self.draw(ALPHANUMERIC, length)
    }

    /// Lower-case hex.
    pub fn hex(&mut self, length: usize) -> String {
        self.draw(b"0123456789abcdef", length)
    }

    /// Decimal digits after a fixed first one.
    pub fn digits(&mut self, first: char, length: usize) -> String {
        format!("{first}{}", self.draw(b"0123456789", length - 1))
    }

    /// Remembers a secret, see [`Self::secrets`].
    pub fn secret(&mut self, secret: String) -> String {
        self.secrets.insert(secret.clone());
        secret
    }

    /// Everything secret that was given out: tokens, codes, keys.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.iter().cloned().collect()
    }
}
