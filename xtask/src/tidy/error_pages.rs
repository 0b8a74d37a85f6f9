//! Every stable error code has a page in `docs/errors/`, and every page a code.
//!
//! A code is a string literal in snake case
//! * in a constant of a file `codes.rs` or `fields.rs`: `pub const STREAM_NOT_FOUND: &str = "stream_not_found";`
//! * in an array called `CODES` or the result of a function `code`
//! * handed to one of [`CALLS`], or written right behind a blame or a retry: `(Blame::Us, "encoder_failed", …)`.

use std::collections::BTreeSet;

use super::sources::Source;

const PAGES: &str = "docs/errors/";
/// Calls that take a code, and which argument it is.
const CALLS: [(&str, usize); 5] =
    [("Fault::new(", 2), ("grpc::status(", 1), (" status(Code::", 1), ("Error::state(", 0), ("Error::field(", 0)];
/// What stands before a code in a tuple or an assignment.
const BEFORE: [&str; 6] = ["Blame::", "Retry::", "Transient", "Permanent", "error_code =", "error_code:"];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let product = |source: &&Source| {
        source.is_rust()
            && !source.is_test()
            && (source.path.starts_with("services/") || source.path.starts_with("libs/"))
    };
    let codes: BTreeSet<&str> = sources.iter().filter(product).flat_map(codes).collect();
    let pages: BTreeSet<&str> = sources.iter().filter_map(|source| page(&source.path)).collect();
    let given = |page: &str| sources.iter().filter(product).any(|source| source.text.contains(&format!("\"{page}\"")));
    let missing = codes.difference(&pages).map(|code| format!("error code {code} has no page {PAGES}{code}.md"));
    let stale = pages.iter().filter(|page| !given(page));
    missing.chain(stale.map(|page| format!("{PAGES}{page}.md describes a code that nothing gives"))).collect()
}

fn page(path: &str) -> Option<&str> {
    path.strip_prefix(PAGES)?.strip_suffix(".md").filter(|name| *name != "README")
}

fn codes(source: &Source) -> BTreeSet<&str> {
    let code = source.product_code();
    let mut found: Vec<&str> = Vec::new();
    for (call, index) in CALLS {
        let places = code.match_indices(call).map(|(at, _)| at).filter(|at| !inside_a_name(code, *at));
        found.extend(places.filter_map(|at| literal(code.get(at..)?, call, index)));
    }
    for before in BEFORE {
        found.extend(code.match_indices(before).filter_map(|(at, _)| literal_behind(code.get(at + before.len()..)?)));
    }
    if ["/codes.rs", "/fields.rs"].iter().any(|end| source.path.ends_with(end)) {
        found.extend(code.lines().filter_map(constant));
    }
    for (_, rest) in code.match_indices("fn code(").filter_map(|(at, _)| code.get(at..)?.split_once("-> &'static str"))
    {
        found.extend(rest.split("\n    }\n").next().unwrap_or_default().split("=> \"").skip(1).filter_map(until_quote));
    }
    if let Some(list) = code.split_once("const CODES: [&str").and_then(|(_, rest)| rest.split_once("];")) {
        found.extend(list.0.split('"').skip(1).step_by(2));
    }
    found.retain(|word| is_code(word));
    found.into_iter().collect()
}

fn until_quote(text: &str) -> Option<&str> {
    text.split('"').next()
}

/// The literal of `pub const NAME: &str = "code";`.
fn constant(line: &str) -> Option<&str> {
    let line = line.trim();
    line.contains("const ").then_some(())?;
    line.split_once(": &str = \"")?.1.strip_suffix("\";")
}

/// Does the name at `at` begin before it, as `ApiError::field` for `Error::field`?
fn inside_a_name(code: &str, at: usize) -> bool {
    code.get(..at).and_then(|before| before.chars().next_back()).is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The literal in `Us, "code"` or `, "code"`, right behind what [`BEFORE`] matched.
fn literal_behind(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let text = text.strip_prefix(',').unwrap_or(text).trim_start();
    text.strip_prefix('"')?.split('"').next()
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
                   pub const CODES: [&str; 2] = [\"one_code\", \"two_code\"];\n\
                   Fault::new(blame, retry, code, message);\n#[cfg(test)]\nmod tests { Fault::new(a, b, \"only_test\", c); }"
                .into(),
        };
        let found: Vec<&str> = codes(&source).into_iter().collect();
        assert_eq!(found, ["bad_key", "not_found", "one_code", "two_code"]);
    }
}
