//! A platform's own words, made fit to be shown.

/// Longest quotation, characters.
const MOST: usize = 200;
/// A longer word may be a key or a token.
const WORD: usize = 40;
/// So may a longer run of letters and digits; no word of a sentence and no part of a scope's name is that long.
const RUN: usize = 20;

/// `text` without control characters, at most 200 characters long, and without anything that looks like a secret. It
/// ends without a full stop, so that it can be quoted in the midst of a sentence.
pub(super) fn quote(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if looks_secret(word) { "…" } else { word }).collect();
    let quoted: String = words.join(" ").chars().take(MOST).collect();
    quoted.trim_end_matches(['.', ' ', '!']).to_owned()
}

fn looks_secret(word: &str) -> bool {
    let longest_run = word.split(|c: char| !c.is_alphanumeric()).map(|run| run.chars().count()).max();
    word.chars().count() > WORD || longest_run.is_some_and(|run| run > RUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_hold_no_secret() {
        let check = |text: &str, quoted: &str| assert_eq!(quote(text), quoted);
        check("Missing scope: channel:read:stream_key", "Missing scope: channel:read:stream_key");
        check(" two\n\tlines. ", "two lines");
        check("bad token wvvsgdintwktcqvwbwitqeanjqpfhm.", "bad token …");
        check("bad key live_123456789_wvvsgdintwktcqvwbwitqeanjqpfhm", "bad key …");
        assert_eq!(quote(&"word ".repeat(100)).chars().count(), 199);
    }
}
