//! SPDX licence expressions, as far as crates use them: `OR` (also written `/`), `AND`, brackets, `WITH`.

/// May we use it, if we may use every licence of which `one` says so?
pub(super) fn allows(expression: &str, one: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, one };
    !words.is_empty() && parser.any() && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
    one: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    /// `all OR all …`
    fn any(&mut self) -> bool {
        let mut good = self.all();
        while self.take("OR") {
            good |= self.all();
        }
        good
    }

    /// `term AND term …`
    fn all(&mut self) -> bool {
        let mut good = self.term();
        while self.take("AND") {
            good &= self.term();
        }
        good
    }

    fn term(&mut self) -> bool {
        if self.take("(") {
            let good = self.any();
            return self.take(")") && good;
        }
        let Some(name) = self.next() else { return false };
        if self.take("WITH") {
            let exception = self.next().unwrap_or_default();
            return (self.one)(&format!("{name} WITH {exception}"));
        }
        (self.one)(name)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.first() == Some(&word);
        if there {
            self.next();
        }
        there
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        let check = |expression: &str, expected: bool| {
            let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
            assert_eq!(allows(expression, &|one| allowed.contains(&one)), expected, "{expression}");
        };
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0/MIT", true);
        check("GPL-3.0 AND MIT", false);
        check("(GPL-3.0 OR ISC) AND MIT", true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true);
        check("Apache-2.0", false);
        check("", false);
        check("MIT MIT", false);
    }
}
