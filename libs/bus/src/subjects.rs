//! The subjects, in one place. Ids are single tokens: UUIDs, or worker ids that contain no `.`, `*`, `>` or blank.

use domain::ids::{DestinationId, StreamId, WorkerId};

use crate::EventKind;

/// Everything under it is a command for some worker.
pub const COMMANDS: &str = "live.cmd.>";
/// Everything under it is a word to one worker.
pub const CONTROL: &str = "live.control.>";
/// Everything under it is a worker's report.
pub const REPORTS: &str = "live.reports.>";
/// Everything under it is public.
pub const EVENTS: &str = "live.events.>";
/// Everything under it is public.
pub const METRICS: &str = "live.metrics.>";
/// What nobody could read or finish.
pub const DEAD: &str = "live.dead.>";

/// One subject per session, so that a newer command replaces the one nobody has taken yet.
pub fn run(session_id: &str) -> String {
    format!("live.cmd.run.{}", token(session_id))
}

/// A worker's own subject.
pub fn control(worker: &WorkerId) -> String {
    format!("live.control.{}", token(worker.as_str()))
}

/// A session's reports.
pub fn report(session_id: &str) -> String {
    format!("live.reports.{}", token(session_id))
}

/// A stream's events of one kind.
pub fn event(stream: StreamId, kind: EventKind) -> String {
    format!("live.events.{stream}.{}", kind.as_token())
}

/// All events of a stream.
pub fn events_of(stream: StreamId) -> String {
    format!("live.events.{stream}.>")
}

/// A destination's metrics.
pub fn metric(stream: StreamId, destination: DestinationId) -> String {
    format!("live.metrics.{stream}.{destination}")
}

/// All metrics of a stream.
pub fn metrics_of(stream: StreamId) -> String {
    format!("live.metrics.{stream}.>")
}

/// Where the dead letters of a JetStream stream go.
pub fn dead(stream_name: &str) -> String {
    format!("live.dead.{stream_name}")
}

/// Text as one token: what would split or widen a subject becomes `_`.
fn token(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let token: String = text.chars().map(safe).collect();
    if token.is_empty() { "_".to_owned() } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_never_becomes_more_than_one_token() {
        assert_eq!(control(&WorkerId("w-1".into())), "live.control.w-1");
        assert_eq!(control(&WorkerId("w.1.>*".into())), "live.control.w_1___");
        assert_eq!(report(""), "live.reports._");
    }
}
