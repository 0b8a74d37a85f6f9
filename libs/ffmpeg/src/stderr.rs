//! Log lines of FFmpeg with `-loglevel level+warning`: `[component @ 0x55…] [level] text`, in either order of brackets.

/// How bad FFmpeg thinks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Noted.
    Warning,
    /// Something was lost.
    Error,
    /// This process ends.
    Fatal,
}

/// One log line, without its brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// How bad. A line without a level is a warning: usage texts and crashes of libraries come so.
    pub level: Level,
    /// Which part of FFmpeg speaks (`flv`, `libx264`), or empty.
    pub component: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// Reads a log line. Total.
pub fn parse(line: &str) -> Log<'_> {
    let mut log = Log { level: Level::Warning, component: "", text: line.trim() };
    // At most two brackets are ours; what follows belongs to the text.
    for _ in 0..2 {
        let Some((inside, rest)) = log.text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { break };
        match inside {
            "panic" | "fatal" => log.level = Level::Fatal,
            "error" => log.level = Level::Error,
            "warning" | "info" | "verbose" | "debug" => log.level = Level::Warning,
            _ => log.component = inside.split(" @ ").next().unwrap_or(inside),
        }
        log.text = rest.trim_start();
    }
    log
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, level: Level, component: &str, text: &str) {
        assert_eq!(parse(line), Log { level, component, text });
    }

    #[test]
    fn both_generations_are_read() {
        check(
            "[fatal] pipe:0: could not find codec parameters",
            Level::Fatal,
            "",
            "pipe:0: could not find codec parameters",
        );
        check("[in#0/flv @ 0x5570] [error] Error opening input", Level::Error, "in#0/flv", "Error opening input");
        check("[libx264 @ 0x1] [warning] a [b] c", Level::Warning, "libx264", "a [b] c");
        check("Killed", Level::Warning, "", "Killed");
        check("[", Level::Warning, "", "[");
    }

    proptest! {
        #[test]
        fn any_line_is_taken(line in "\\PC{0,80}") {
            prop_assert!(parse(&line).text.len() <= line.len());
        }
    }
}
