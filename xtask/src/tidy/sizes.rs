//! Files stay small enough to be read in one go.

use super::sources::Source;

/// Lines of a Rust file, its tests included.
const LIMIT: usize = 400;
/// Longer ones, each with its reason.
const LONGER: [(&str, usize, &str); 0] = [];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().filter(|source| source.is_rust() && !source.is_test()).filter_map(objection).collect()
}

fn objection(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    let limit = LONGER.iter().find(|(path, ..)| *path == source.path).map_or(LIMIT, |(_, limit, _)| *limit);
    (lines > limit).then(|| format!("{} has {lines} lines, more than {limit}: look for the seam", source.path))
}
