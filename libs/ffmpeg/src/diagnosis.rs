//! Why an FFmpeg process ended: its exit and its last words, as a [`Fault`].
//!
//! FFmpeg has no network here, so what can go wrong is the media (the source's fault) or this machine (ours).

use domain::fault::{Blame, Fault, Retry};

use crate::stderr::{Level, Log};

/// Longest line kept for the log, in bytes.
const KEEP: usize = 300;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started.
    NotStarted,
}

/// What is remembered of the log while a process runs.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    cause: Option<Cause>,
    last: Option<(Level, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    BadMedia,
    Unsupported,
    NoEncoder,
    OutOfMemory,
}

/// Phrases of 5.1 and 9.0.2, and what they mean. The first that is found in a line counts.
const PHRASES: [(&str, Cause); 12] = [
    ("Cannot allocate memory", Cause::OutOfMemory),
    ("Unknown encoder", Cause::NoEncoder),
    ("Encoder not found", Cause::NoEncoder),
    ("No such filter", Cause::NoEncoder),
    ("Unrecognized option", Cause::NoEncoder),
    ("not compatible with flv", Cause::Unsupported),
    ("not supported in FLV", Cause::Unsupported),
    ("Video codec not supported", Cause::Unsupported),
    ("could not find codec parameters", Cause::BadMedia),
    ("Invalid data found when processing input", Cause::BadMedia),
    ("matches no streams", Cause::BadMedia),
    ("does not contain any stream", Cause::BadMedia),
];

impl Diagnosis {
    /// Remembers a line. Bounded: the worst cause and one line of text.
    pub fn note(&mut self, log: Log<'_>) {
        if log.level < Level::Error {
            return;
        }
        let cause = PHRASES.iter().find(|(phrase, _)| log.text.contains(phrase)).map(|(_, cause)| *cause);
        self.cause = self.cause.max(cause);
        if self.last.as_ref().is_none_or(|(level, _)| log.level >= *level) {
            self.last = Some((log.level, cut(log.text)));
        }
    }

    /// The worst line so far, for our own log.
    pub fn last_line(&self) -> Option<&str> {
        self.last.as_ref().map(|(_, text)| text.as_str())
    }

    /// What the end of a process means that nobody had asked to end. Always transient: the next attempt may meet other
    /// media or another machine; whoever retries holds the budget.
    pub fn fault(&self, exit: Exit) -> Fault {
        let (blame, code, message) = match (self.cause, exit) {
            (Some(Cause::BadMedia), _) => (
                Blame::Source,
                "source_unreadable",
                "The stream that arrives from your encoder can't be read; check its video and audio settings.",
            ),
            (Some(Cause::Unsupported), _) => (
                Blame::Source,
                "codec_unsupported",
                "The codec of your stream can't be sent to this destination; use H.264 video and AAC audio.",
            ),
            (Some(Cause::OutOfMemory), _) | (_, Exit::Signal(9)) => (
                Blame::Us,
                "encoder_out_of_memory",
                "The encoder ran out of memory; it is started again. Lower the resolution if this repeats.",
            ),
            (Some(Cause::NoEncoder), _) | (_, Exit::NotStarted) => (
                Blame::Us,
                "encoder_unavailable",
                "The encoder could not be started on our side; it is tried again elsewhere.",
            ),
            _ => (Blame::Us, "encoder_failed", "The encoder stopped unexpectedly; it is started again."),
        };
        Fault::new(blame, Retry::Transient, code, message)
    }
}

fn cut(text: &str) -> String {
    let end = (0..=KEEP.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stderr::parse;

    fn check(lines: &[&str], exit: Exit, code: &str, blame: Blame) {
        let mut diagnosis = Diagnosis::default();
        for line in lines {
            diagnosis.note(parse(line));
        }
        let fault = diagnosis.fault(exit);
        assert_eq!((fault.code.as_str(), fault.blame, fault.is_transient()), (code, blame, true), "{lines:?}");
    }

    #[test]
    fn last_words_are_classified() {
        let media = "[fatal] pipe:0: could not find codec parameters";
        check(&[media], Exit::Code(1), "source_unreadable", Blame::Source);
        check(
            &["[error] pipe:0: Invalid data found when processing input"],
            Exit::Code(1),
            "source_unreadable",
            Blame::Source,
        );
        let codec = "[flv @ 0x1] [error] Video codec vp9 not compatible with flv";
        check(&[codec, "[fatal] Could not write header"], Exit::Code(1), "codec_unsupported", Blame::Source);
        check(&["[fatal] Unknown encoder 'libx264'"], Exit::Code(1), "encoder_unavailable", Blame::Us);
        check(&[media, "[error] Cannot allocate memory"], Exit::Code(1), "encoder_out_of_memory", Blame::Us);
        check(&[], Exit::Signal(9), "encoder_out_of_memory", Blame::Us);
        check(&[], Exit::Signal(11), "encoder_failed", Blame::Us);
        check(&["[warning] could not find codec parameters"], Exit::Code(1), "encoder_failed", Blame::Us);
        check(&[], Exit::NotStarted, "encoder_unavailable", Blame::Us);
    }

    #[test]
    fn the_worst_line_is_kept() {
        let mut diagnosis = Diagnosis::default();
        for line in ["[warning] w", "[error] first", "[fatal] worst", "[error] after"] {
            diagnosis.note(parse(line));
        }
        assert_eq!(diagnosis.last_line(), Some("worst"));
    }

    proptest! {
        #[test]
        fn memory_is_bounded(text in "\\PC{0,900}") {
            let mut diagnosis = Diagnosis::default();
            diagnosis.note(Log { level: Level::Fatal, component: "", text: &text });
            prop_assert!(diagnosis.last_line().unwrap().len() <= KEEP);
        }
    }
}
