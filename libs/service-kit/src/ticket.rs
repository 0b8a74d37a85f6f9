//! The relay's signed tickets: who may read or publish which stream, for which session and epoch, until when.
//!
//! Format: `base64url(json) "." base64url(hmac-sha256(json))`, unpadded. The orchestrator signs, the relay verifies;
//! both hold `RELAY_TICKET_KEY`. A ticket opens nothing but the relay, and only until it expires.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::ids::{Epoch, SessionId, StreamId};
use ring::hmac;
use secret::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The shortest key that is taken.
pub const MIN_KEY_BYTES: usize = 32;
/// The longest ticket that is looked at; real ones have about 270 characters.
const MAX_TICKET_BYTES: usize = 1024;

/// What a ticket is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Read a stream from the relay.
    Read,
    /// Publish a stream into the relay (a pulled source, a rendition).
    Publish,
}

/// What the signature vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The stream it opens.
    pub stream: StreamId,
    /// The session that uses it; the relay fences by it.
    pub session: SessionId,
    /// The session's epoch; the highest wins.
    pub epoch: Epoch,
    /// Read or publish.
    #[serde(rename = "use")]
    pub use_: Use,
    /// Milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// Why a ticket opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not in the format of a ticket.
    #[error("ticket is malformed")]
    Malformed,
    /// Not signed with this key.
    #[error("ticket has a wrong signature")]
    Signature,
    /// Its time is over.
    #[error("ticket has expired")]
    Expired,
}

/// The key is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ticket key must have at least 32 bytes")]
pub struct ShortKey;

/// Signs and verifies tickets. Its `Debug` doesn't show the key.
#[derive(Clone, Debug)]
pub struct TicketKey(hmac::Key);

impl TicketKey {
    /// A key from the configured secret.
    ///
    /// # Errors
    /// [`ShortKey`] below [`MIN_KEY_BYTES`].
    pub fn new(secret: &SecretString) -> Result<Self, ShortKey> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < MIN_KEY_BYTES {
            return Err(ShortKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The ticket's text.
    pub fn sign(&self, ticket: &Ticket) -> String {
        // Serializing a struct of ids and numbers to memory cannot fail.
        let json = serde_json::to_vec(ticket).unwrap_or_default();
        let tag = hmac::sign(&self.0, &json);
        format!("{}.{}", BASE64.encode(&json), BASE64.encode(tag))
    }

    /// The ticket, if this key signed it and it has not expired. Compares in constant time.
    ///
    /// # Errors
    /// [`TicketError`]; the signature is checked before anything else is believed.
    pub fn verify(&self, text: &str, now_ms: i64) -> Result<Ticket, TicketError> {
        let (json, tag) = decode(text).ok_or(TicketError::Malformed)?;
        hmac::verify(&self.0, &json, &tag).map_err(|_| TicketError::Signature)?;
        let ticket: Ticket = serde_json::from_slice(&json).map_err(|_| TicketError::Malformed)?;
        if ticket.expires_at_ms <= now_ms { Err(TicketError::Expired) } else { Ok(ticket) }
    }
}

fn decode(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (json, tag) = text.split_once('.').filter(|_| text.len() <= MAX_TICKET_BYTES)?;
    Some((BASE64.decode(json).ok()?, BASE64.decode(tag).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key(fill: char) -> TicketKey {
        TicketKey::new(&SecretString::from(fill.to_string().repeat(MIN_KEY_BYTES))).expect("long enough")
    }

    fn ticket() -> Ticket {
        Ticket {
            stream: StreamId(Uuid::from_u128(1)),
            session: SessionId(Uuid::from_u128(2)),
            epoch: Epoch(7),
            use_: Use::Read,
            expires_at_ms: 1_000,
        }
    }

    #[test]
    fn verifies_what_it_signed() {
        let text = key('a').sign(&ticket());
        assert_eq!(key('a').verify(&text, 999), Ok(ticket()));
        assert_eq!(key('a').verify(&text, 1_000), Err(TicketError::Expired));
        assert_eq!(key('b').verify(&text, 0), Err(TicketError::Signature));
        assert!(text.len() < MAX_TICKET_BYTES / 2, "{}", text.len());
    }

    #[test]
    fn refuses_a_short_key_and_hides_a_good_one() {
        assert!(TicketKey::new(&SecretString::from("a".repeat(MIN_KEY_BYTES - 1))).is_err());
        assert!(!format!("{:?}", key('q')).contains("qqqq"));
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["", ".", "a.b", "!!.??", &"A".repeat(5_000), &format!("{}.", key('a').sign(&ticket()))] {
            assert!(key('a').verify(text, 0).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_passes(at in 0usize..1024, by in 1u8..=255) {
            let mut bytes = key('a').sign(&ticket()).into_bytes();
            let at = at % bytes.len();
            bytes[at] = bytes[at].wrapping_add(by);
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(key('a').verify(&text, 0).is_err());
            }
        }

        #[test]
        fn survives_any_text(text in "\\PC{0,200}") {
            prop_assert!(key('a').verify(&text, 0).is_err());
        }
    }
}
