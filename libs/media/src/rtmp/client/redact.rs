//! Servers like to repeat the stream key in their refusals; what they say goes to logs and to people.

/// Longest text of a peer that is kept, in characters.
const MAX_TEXT: usize = 200;
/// Pieces of this many bytes or more of a secret do not survive.
const PIECE: usize = 5;

/// `text` without control characters, shortened, and with every piece of `secret` of 5 bytes or more (the whole of a
/// shorter secret) replaced by `***`.
pub(crate) fn redact(text: &str, secret: &str) -> String {
    let piece = PIECE.min(secret.len());
    if piece == 0 {
        return clean(text);
    }
    let bytes = text.as_bytes();
    let pieces: std::collections::HashSet<&[u8]> = secret.as_bytes().windows(piece).collect();
    let mut hidden = vec![false; bytes.len()];
    for (at, window) in bytes.windows(piece).enumerate() {
        if pieces.contains(window) {
            hidden[at..at + piece].fill(true);
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut in_secret = false;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        if hidden[at..end].contains(&true) {
            if !in_secret {
                shown.push_str("***");
            }
            in_secret = true;
        } else {
            shown.push(character);
            in_secret = false;
        }
    }
    clean(&shown)
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::redact;

    #[test]
    fn hides_the_key_and_its_pieces() {
        let key = "live_123456_abcdef";
        assert_eq!(redact("stream live/live_123456_abcdef busy", key), "stream live/*** busy");
        assert_eq!(redact("key 123456_abc is bad", key), "key *** is bad");
        assert_eq!(redact("Already publishing", key), "Already publishing");
        assert_eq!(redact("two\r\nlines", key), "two  lines");
        assert_eq!(redact("ключ-потока занят", "ключ-потока"), "*** занят");
        assert_eq!(redact("abc is bad", "abc"), "*** is bad");
    }

    proptest! {
        #[test]
        fn never_keeps_five_bytes_of_a_key(secret in "[a-z0-9]{5,40}", before in ".{0,30}", from in 0usize..40, after in ".{0,30}") {
            let piece = &secret[from.min(secret.len() - 5)..];
            let shown = redact(&format!("{before}{piece}{after}"), &secret);
            for window in secret.as_bytes().windows(5) {
                prop_assert!(!shown.as_bytes().windows(5).any(|seen| seen == window));
            }
        }
    }
}
