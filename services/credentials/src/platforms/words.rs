//! A platform's own words, made fit to be shown.

/// Longest quotation, characters.
const MOST: usize = 200;
/// A longer word may be a key or a token; no word of a sentence is (the longest scope of Twitch has 36).
const WORD: usize = 40;

/// `text` without control characters, at most 200 characters long, and without anything that looks like a secret. It
/// ends without a full stop, so that it can be quoted in the midst of a sentence.
pub(super) fn quote(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if looks_secret(word) { "…" } else { word }).collect();
    let quoted: String = words.join(" ").chars().take(MOST).collect();
    quoted.trim_end_matches(['.', ' ', '!']).to_owned()
}

/// Long, or long enough with digits in it.
fn looks_secret(word: &str) -> bool {
    let length = word.chars().count();
    length > WORD || (length > WORD / 2 && word.chars().any(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_hold_no_secret() {
        let check = |text: &str, quoted: &str| assert_eq!(quote(text), quoted);
        check("Missing scope: channel:read:stream_key", "Missing scope: channel:read:stream_key");
        check(" two\n\tlines. ", "two lines");
        check("bad key live_123456789_QWERTYqwerty", "bad key …");
        assert_eq!(quote(&"word ".repeat(100)).chars().count(), 199);
    }
}
