//! Every stable error code has a page in `docs/errors/`, and every page a code.
//!
//! A code is a string literal in snake case
//! * in a constant of a file `codes.rs`: `pub const STREAM_NOT_FOUND: &str = "stream_not_found";`
//! * that is handed to `Fault::new(blame, retry, "code", …)` or to `status(Code::X, "code", …)`.

use std::collections::BTreeSet;

use super::sources::Source;

const PAGES: &str = "docs/errors/";
/// Calls that take a code, and which argument it is.
const CALLS: [(&str, usize); 3] = [("Fault::new(", 2), ("grpc::status(", 1), (" status(Code::", 1)];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let product = |source: &&Source| {
        source.is_rust()
            && !source.is_test()
            && (source.path.starts_with("services/") || source.path.starts_with("libs/"))
    };
    let codes: BTreeSet<&str> = sources.iter().filter(product).flat_map(codes).collect();
    let pages: BTreeSet<&str> = sources.iter().filter_map(|source| page(&source.path)).collect();
    let missing = codes.difference(&pages).map(|code| format!("error code {code} has no page {PAGES}{code}.md"));
    let stale = pages.difference(&codes).map(|page| format!("{PAGES}{page}.md describes a code that nothing gives"));
    missing.chain(stale).collect()
}

fn page(path: &str) -> Option<&str> {
    path.strip_prefix(PAGES)?.strip_suffix(".md").filter(|name| *name != "README")
}

fn codes(source: &Source) -> Vec<&str> {
    let code = source.product_code();
    let mut found: Vec<&str> = Vec::new();
    for (call, index) in CALLS {
        found.extend(code.match_indices(call).filter_map(|(at, _)| literal(code.get(at..)?, call, index)));
    }
    if source.path.ends_with("/codes.rs") {
        found.extend(code.lines().filter_map(constant));
    }
    found.retain(|word| is_code(word));
    found
}

/// The literal of `pub const NAME: &str = "code";`.
fn constant(line: &str) -> Option<&str> {
    let line = line.trim();
    line.contains("const ").then_some(())?;
    line.split_once(": &str = \"")?.1.strip_suffix("\";")
}

/// The `index`th argument of a call that begins with `name(`, if it is a string literal.
fn literal<'a>(call: &'a str, name: &str, index: usize) -> Option<&'a str> {
    let open = name.find('(')? + 1;
    let (mut depth, mut argument, mut quoted, mut from) = (0_usize, 0, false, open);
    for (at, character) in call.get(open..)?.char_indices().map(|(at, character)| (at + open, character)) {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' | ',' if depth == 0 => {
                if argument == index {
                    return call.get(from..at)?.trim().strip_prefix('"')?.strip_suffix('"');
                }
                (argument, from) = (argument + 1, at + 1);
                if character != ',' {
                    return None;
                }
            }
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_code(word: &str) -> bool {
    word.len() > 3 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found() {
        let source = Source {
            path: "services/x/src/codes.rs".into(),
            text: "pub const NOT_FOUND: &str = \"not_found\";\nFault::new(Blame::Us,\n  Retry::Permanent, \"bad_key\", \"Text.\");\nstatus(f(1, 2), \"no_call\");\n\
                   Fault::new(blame, retry, code, message);\n#[cfg(test)]\nmod tests { Fault::new(a, b, \"only_test\", c); }"
                .into(),
        };
        assert_eq!(codes(&source), ["bad_key", "not_found"]);
    }
}
