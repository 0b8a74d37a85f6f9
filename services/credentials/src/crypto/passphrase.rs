//! Which `ENCRYPTION_KEY` is fit for use.

use secret::{ExposeSecret, SecretString};

/// The shortest that production takes.
pub const MIN_PASSPHRASE_BYTES: usize = 32;
/// Fewer different characters than this are a pattern, not a key.
const MIN_DIFFERENT: usize = 8;
/// Pieces of keys that stand in documentation and example files, ours and others'.
const EXAMPLES: [&str; 8] = [
    "your-secret",
    "your_secret",
    "encryption-key",
    "encryption_key",
    "changeme",
    "change-me",
    "example",
    "placeholder",
];

/// Why a key is not fit for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Below [`MIN_PASSPHRASE_BYTES`].
    #[error("it is shorter than 32 bytes")]
    Short,
    /// It stands in a manual.
    #[error("it is an example out of the documentation")]
    Example,
    /// Such as one character over and over.
    #[error("it repeats too few different characters")]
    Pattern,
}

/// What `ENCRYPTION_KEY` holds. Not empty.
#[derive(Clone, Debug)]
pub struct Passphrase(SecretString);

impl Passphrase {
    /// `None` for an empty one, which an orchestration tool may set for "none".
    pub fn new(text: SecretString) -> Option<Self> {
        (!text.expose_secret().trim().is_empty()).then_some(Self(text))
    }

    /// Why it is not fit for production, if so.
    pub fn weakness(&self) -> Option<Weak> {
        let text = self.0.expose_secret();
        let lower = secret::Zeroizing::new(text.to_ascii_lowercase());
        if EXAMPLES.iter().any(|example| lower.contains(example)) {
            Some(Weak::Example)
        } else if text.len() < MIN_PASSPHRASE_BYTES {
            Some(Weak::Short)
        } else if different(text) < MIN_DIFFERENT {
            Some(Weak::Pattern)
        } else {
            None
        }
    }

    /// The text, for the derivation.
    pub fn expose(&self) -> &SecretString {
        &self.0
    }
}

fn different(text: &str) -> usize {
    let mut seen = [false; 256];
    text.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    seen.into_iter().filter(|seen| *seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Weak>) {
        let passphrase = Passphrase::new(SecretString::from(text.to_owned())).expect("not empty");
        assert_eq!(passphrase.weakness(), expected, "{text}");
        assert!(!format!("{passphrase:?}").contains(text));
    }

    #[test]
    fn weak_keys_are_named() {
        check("q8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1Pa", None);
        check("4c1f8e2ab7d9035566f0e1d2c3b4a598", None);
        check("q8Zt3mWx0Lr7Yc2Vb5Nk9Hs4Df6Gj1P", Some(Weak::Short));
        check("your-secret-encryption-key-32-bytes", Some(Weak::Example));
        check("CHANGEME-CHANGEME-CHANGEME-CHANGEME", Some(Weak::Example));
        check("0123456701234567012345670123456701234567", None);
        check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Some(Weak::Pattern));
    }

    #[test]
    fn blank_is_none() {
        assert!(Passphrase::new(SecretString::from(" ".to_owned())).is_none());
    }
}
