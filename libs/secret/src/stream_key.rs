//! A stream key: the password of a publish, on a platform or at our own ingest.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

/// The longest key that is taken, in bytes. Platforms' keys are well below 200.
pub const MAX_KEY_BYTES: usize = 512;
/// Keys shorter than this show nothing in logs: four of a few characters would be most of the secret.
const MIN_MASKED_CHARS: usize = 12;
/// How much of a longer key logs show (product guide, "Secure Logging").
const SHOWN_CHARS: usize = 4;

/// A stream key that was checked to be usable. Zeroized on drop; `Debug` prints `***`.
#[derive(Clone)]
pub struct StreamKey(SecretString);

/// Why a text is no stream key. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing, or nothing but blanks.
    #[error("stream key is empty")]
    Empty,
    /// Above [`MAX_KEY_BYTES`].
    #[error("stream key is longer than 512 bytes")]
    TooLong,
    /// A control character, such as a line end that was pasted along.
    #[error("stream key contains a control character")]
    ControlCharacter,
}

impl StreamKey {
    /// Takes the text as it is (nothing is trimmed: a blank may be part of a key). A refused text is wiped.
    ///
    /// # Errors
    /// [`InvalidKey`], one variant per rule.
    pub fn new(mut key: String) -> Result<Self, InvalidKey> {
        match fault(&key) {
            None => Ok(Self(SecretString::from(key))),
            Some(invalid) => {
                key.zeroize();
                Err(invalid)
            }
        }
    }

    /// The key itself. For the wire and the vault only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What a log may show: the first four characters and `***`, or `***` alone for a short key.
    pub fn masked(&self) -> String {
        let key = self.expose();
        if key.chars().count() < MIN_MASKED_CHARS {
            return "***".to_owned();
        }
        let mut shown: String = key.chars().take(SHOWN_CHARS).collect();
        shown.push_str("***");
        shown
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn fault(key: &str) -> Option<InvalidKey> {
    if key.len() > MAX_KEY_BYTES {
        Some(InvalidKey::TooLong)
    } else if key.chars().any(char::is_control) {
        Some(InvalidKey::ControlCharacter)
    } else if key.trim().is_empty() {
        Some(InvalidKey::Empty)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<InvalidKey>) {
        assert_eq!(StreamKey::new(text.to_owned()).err(), expected, "{} bytes", text.len());
    }

    #[test]
    fn accepts_and_refuses() {
        check("live_123456_abcdef", None);
        check("a", None);
        check("name?with=query&parts", None);
        check("ключ-потока", None);
        check(&"k".repeat(MAX_KEY_BYTES), None);
        check("", Some(InvalidKey::Empty));
        check("  \u{a0}", Some(InvalidKey::Empty));
        check(&"k".repeat(MAX_KEY_BYTES + 1), Some(InvalidKey::TooLong));
        check("key\n", Some(InvalidKey::ControlCharacter));
        check("ke\0y", Some(InvalidKey::ControlCharacter));
        check("key\u{85}", Some(InvalidKey::ControlCharacter));
    }

    #[test]
    fn masks_by_the_guide() {
        let masked = |text: &str| StreamKey::new(text.to_owned()).map(|k| k.masked());
        assert_eq!(masked("live_123456_abcdef"), Ok("live***".to_owned()));
        assert_eq!(masked("12345678901"), Ok("***".to_owned()));
        assert_eq!(masked("ключ-потока-мой"), Ok("ключ***".to_owned()));
    }

    proptest! {
        #[test]
        fn never_prints_five_characters_of_a_key(text in "[!-)+-~]{5,64}") {
            let key = StreamKey::new(text.clone()).expect("printable text is a key");
            let shown = format!("{key:?} {key:#?} {}", key.masked());
            for piece in text.as_bytes().windows(5) {
                let piece = std::str::from_utf8(piece).expect("ascii");
                prop_assert!(!shown.contains(piece));
            }
        }
    }
}
