//! Things that may be written in one place only, or nowhere.

use super::sources::Source;

/// The one file with `unsafe`.
const UNSAFE: &str = "libs/media/src/sys.rs";
/// File names that say nothing.
const VAGUE: [&str; 6] = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "manager.rs", "misc.rs"];
/// How a pure crate could read a clock.
const CLOCKS: [&str; 4] = ["SystemTime::now", "Instant::now", "now_utc()", "now_local()"];
/// How a process is started.
const SPAWNS: [&str; 3] = ["Command::new(", "CommandWrap::with_new(", "posix_spawn"];
/// Left-overs of work in progress, and paths of somebody's machine. Split, so that this file does not contain them.
const UNWANTED: [&str; 6] = [
    concat!("FIX", "ME"),
    concat!("XX", "X "),
    concat!("TO", "DO"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/home/", "user"),
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut objections = Vec::new();
    for source in sources {
        objections.extend(vague(source));
        objections.extend(unsafe_code(source));
        objections.extend(clock(source));
        objections.extend(unwanted(source));
    }
    objections.extend(spawns(sources));
    objections
}

fn vague(source: &Source) -> Option<String> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    VAGUE.contains(&file).then(|| format!("{}: a name that does not say what is inside", source.path))
}

fn unsafe_code(source: &Source) -> Option<String> {
    let found = source.is_rust()
        && source.path != UNSAFE
        && code_lines(&source.text).any(|line| {
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| line.contains(form))
                || line.contains(concat!("allow(un", "safe_code"))
        });
    // This file names the forms that it looks for.
    (found && source.path != "xtask/src/tidy/patterns.rs")
        .then(|| format!("{}: unsafe code belongs into {UNSAFE}", source.path))
}

fn clock(source: &Source) -> Option<String> {
    let pure = ["libs/domain/src/", "libs/ffmpeg/src/"].iter().any(|dir| source.path.starts_with(dir));
    let found = CLOCKS.iter().find(|clock| pure && code_lines(&source.text).any(|line| line.contains(**clock)))?;
    Some(format!("{}: a pure crate reads the clock ({found}); take `now` as a parameter", source.path))
}

fn unwanted(source: &Source) -> Vec<String> {
    let judged = source.path != "Cargo.lock" && !source.path.starts_with("deploy/");
    UNWANTED
        .iter()
        .filter(|word| judged && source.text.contains(**word))
        .map(|word| format!("{}: contains {word:?}", source.path))
        .collect()
}

/// All services together start child processes in one file, so that there is one place to look at for pipes, process
/// groups, limits and reaping.
fn spawns(sources: &[Source]) -> Option<String> {
    let places: Vec<&str> = sources
        .iter()
        .filter(|source| source.is_rust() && source.path.starts_with("services/") && !source.is_test())
        .filter(|source| code_lines(source.product_code()).any(|line| SPAWNS.iter().any(|form| line.contains(form))))
        .map(|source| source.path.as_str())
        .collect();
    (places.len() > 1).then(|| format!("child processes are started in more than one file: {}", places.join(", ")))
}

/// Lines without comments.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default())
}
