//! Cuts a byte stream into lines without ever holding more than one bounded line.
//!
//! FFmpeg's stderr is drained for ever, whatever it writes: a flood of one endless line costs its cap in memory and a
//! flood of short lines costs the caller's rate limit, nothing more.

/// Splits bytes into lines at `\n` or `\r`; the tail of a line beyond the cap is dropped.
#[derive(Debug)]
pub struct Lines {
    cap: usize,
    line: Vec<u8>,
}

impl Lines {
    /// Lines of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { cap, line: Vec::new() }
    }

    /// Takes the next bytes and calls `each` for every line they finish. Empty lines are skipped; what is not UTF-8 is
    /// replaced.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|b| *b == b'\n' || *b == b'\r') {
            let (text, complete) = match part.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (part, false),
            };
            // A whole line within one read needs no copy.
            if complete && self.line.is_empty() {
                emit(&text[..text.len().min(self.cap)], &mut each);
                continue;
            }
            let room = self.cap - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if complete {
                emit(&self.line, &mut each);
                self.line.clear();
            }
        }
    }
}

fn emit(line: &[u8], each: &mut impl FnMut(&str)) {
    if !line.is_empty() {
        each(&String::from_utf8_lossy(line));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect(cap: usize, parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(cap);
        let mut out = Vec::new();
        for part in parts {
            lines.push(part, |line| out.push(line.to_owned()));
        }
        out
    }

    #[test]
    fn lines_cross_reads() {
        assert_eq!(collect(80, &[b"one\ntw", b"o\r\n\nthree", b"\nopen"]), ["one", "two", "three"]);
    }

    #[test]
    fn long_lines_lose_their_tail() {
        assert_eq!(collect(4, &[b"abcdefgh\nxy\n", b"123", b"4567\n"]), ["abcd", "xy", "1234"]);
        assert_eq!(collect(4, &[b"\xff\xfe\n"]), ["\u{fffd}\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn cutting_never_changes_the_lines(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
            let at = at.min(bytes.len());
            prop_assert_eq!(collect(50, &[&bytes[..at], &bytes[at..]]), collect(50, &[&bytes]));
        }

        #[test]
        fn memory_is_bounded(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..30)) {
            let mut lines = Lines::new(64);
            for part in &parts {
                lines.push(part, |line| assert!(line.len() <= 64 * 3));
            }
            prop_assert!(lines.line.capacity() <= 128);
        }
    }
}
