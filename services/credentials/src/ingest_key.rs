//! The keys of our own ingest.

use ring::{digest, rand::SecureRandom};
use secret::{StreamKey, Zeroizing};

use crate::crypto::Broken;

/// Crockford's base 32, in lower case: no `i`, `l`, `o`, `u`, so it can be read out and typed.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 32 characters of 5 bits each.
const CHARACTERS: usize = 32;
/// A hyphen behind every so many characters.
const GROUP: usize = 8;

/// A new random key of 160 bits, such as `k3m9x7ab-…-…-…`.
///
/// # Errors
/// [`Broken`] when the machine has no random bytes.
pub fn generate(random: &dyn SecureRandom) -> Result<StreamKey, Broken> {
    let mut bytes = Zeroizing::new([0; CHARACTERS]);
    random.fill(bytes.as_mut_slice()).map_err(|_| Broken)?;
    let mut text = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every character is equally likely.
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    StreamKey::new(text).map_err(|_| Broken)
}

/// What the orchestrator compares a publisher's key with.
pub fn sha256(key: &StreamKey) -> Vec<u8> {
    digest::digest(&digest::SHA256, key.expose().as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn keys_are_readable_and_never_repeat() {
        let random = SystemRandom::new();
        let mut seen = HashSet::new();
        let mut used = HashSet::new();
        for _ in 0..1_000 {
            let key = generate(&random).expect("random");
            let text = key.expose().to_owned();
            assert_eq!(text.len(), 35);
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 8, 8, 8]);
            used.extend(text.chars().filter(|c| *c != '-'));
            assert!(seen.insert(text));
        }
        assert_eq!(used.len(), 32);
        assert!(used.iter().all(|c| ALPHABET.contains(&(*c as u8))));
    }

    #[test]
    fn digest_is_sha_256() {
        let key = StreamKey::new("abc".to_owned()).expect("a key");
        let hex = sha256(&key).iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
