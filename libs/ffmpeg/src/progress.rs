//! FFmpeg's `-progress` blocks: `key=value` lines, closed by `progress=continue` or `progress=end`.
//!
//! What counts as sent is never taken from here (FFmpeg's counters keep growing against a dead sink); these numbers say
//! how the *filter* does: speed, frames it dropped or doubled.

/// One block. What FFmpeg said `N/A` about, or did not say, is zero or `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Video frames written.
    pub frames: u64,
    /// Frames per second since the start.
    pub fps: f64,
    /// Media time written, microseconds. (`out_time_ms` is microseconds as well: FFmpeg's well-known slip.)
    pub out_time_us: i64,
    /// Frames doubled to hold the rate.
    pub duplicated_frames: u64,
    /// Frames dropped to hold the rate.
    pub dropped_frames: u64,
    /// Media time per wall time; 1.0 is real time.
    pub speed: Option<f64>,
    /// The last block of this process.
    pub end: bool,
}

/// Collects lines into blocks.
#[derive(Debug, Default)]
pub struct Parser {
    open: Progress,
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// Part of a block.
    Field,
    /// The line that closes a block.
    Block(Progress),
    /// Something else: a log line.
    Other,
}

impl Parser {
    /// Takes one line of stderr. Total: garbage is [`Line::Other`], an unreadable value leaves its field as it was.
    pub fn line(&mut self, line: &str) -> Line {
        let Some((key, value)) = line.split_once('=') else { return Line::Other };
        let value = value.trim();
        match key {
            "frame" => read(value, &mut self.open.frames),
            "fps" => read_float(value, &mut self.open.fps),
            "out_time_us" => read(value, &mut self.open.out_time_us),
            "dup_frames" => read(value, &mut self.open.duplicated_frames),
            "drop_frames" => read(value, &mut self.open.dropped_frames),
            "speed" => self.open.speed = speed(value),
            "progress" => {
                let block = Progress { end: value == "end", ..self.open };
                self.open = Progress { speed: None, ..self.open };
                return Line::Block(block);
            }
            _ if is_other_field(key) => {}
            _ => return Line::Other,
        }
        Line::Field
    }
}

fn read<T: std::str::FromStr>(value: &str, into: &mut T) {
    if let Ok(value) = value.parse() {
        *into = value;
    }
}

fn read_float(value: &str, into: &mut f64) {
    if let Some(value) = value.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0) {
        *into = value;
    }
}

fn speed(value: &str) -> Option<f64> {
    value.strip_suffix('x')?.trim().parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)
}

/// Fields nobody here asks about.
fn is_other_field(key: &str) -> bool {
    matches!(key, "bitrate" | "total_size" | "out_time_ms" | "out_time") || key.starts_with("stream_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As 5.1 and 9.0.2 write it.
    const BLOCK: &str = "frame=119\nfps=29.63\nstream_0_0_q=-1.0\nbitrate=3323.1kbits/s\ntotal_size=1661609\n\
        out_time_us=4000000\nout_time_ms=4000000\nout_time=00:00:04.000000\ndup_frames=2\ndrop_frames=1\nspeed=1.33x\n\
        progress=continue";

    fn blocks(text: &str) -> Vec<Progress> {
        let mut parser = Parser::default();
        text.lines()
            .filter_map(|line| match parser.line(line) {
                Line::Block(block) => Some(block),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_block_is_read() {
        let expected = Progress {
            frames: 119,
            fps: 29.63,
            out_time_us: 4_000_000,
            duplicated_frames: 2,
            dropped_frames: 1,
            speed: Some(1.33),
            end: false,
        };
        assert_eq!(blocks(BLOCK), [expected]);
    }

    #[test]
    fn not_available_keeps_what_was_known() {
        let text = format!("{BLOCK}\nframe=130\nfps=N/A\nout_time_us=N/A\nspeed=N/A\nprogress=end");
        let last = blocks(&text)[1];
        assert_eq!(
            (last.frames, last.fps, last.out_time_us, last.speed, last.end),
            (130, 29.63, 4_000_000, None, true)
        );
    }

    #[test]
    fn log_lines_are_no_fields() {
        let mut parser = Parser::default();
        for line in ["[error] x=1", "", "frame", "[flv @ 0x55] [warning] a=b", "Stream=1"] {
            assert_eq!(parser.line(line), Line::Other, "{line}");
        }
        assert_eq!(parser.line("speed=  1e400x"), Line::Field);
        assert_eq!(parser.line("fps=-3"), Line::Field);
        assert_eq!(parser.line("progress=continue"), Line::Block(Progress::default()));
    }

    proptest! {
        #[test]
        fn any_line_is_taken(lines in proptest::collection::vec("(frame|fps|speed|out_time_us|progress|x)?=?.{0,30}", 0..50)) {
            let mut parser = Parser::default();
            for line in &lines {
                if let Line::Block(block) = parser.line(line) {
                    prop_assert!(block.fps.is_finite() && block.fps >= 0.0);
                }
            }
        }
    }
}
