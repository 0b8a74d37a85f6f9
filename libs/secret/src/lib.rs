//! Types that hold secrets and cannot print them.
//!
//! A secret never has `Display` or `Serialize`; its `Debug` prints `***`. Reading one takes an explicit `expose`, so a
//! reviewer finds every place where a secret leaves its box by searching for that word.

mod redacted_url;
mod stream_key;

pub use redacted_url::RedactedUrl;
pub use secrecy::{ExposeSecret, SecretBox, SecretString};
pub use stream_key::{InvalidKey, MAX_KEY_BYTES, StreamKey};
pub use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};
