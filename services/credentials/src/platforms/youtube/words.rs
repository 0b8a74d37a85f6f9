//! YouTube's findings about a stream, in words for people who set up a stream.

use super::model::{Health, Issue};
use crate::platforms::{Judgement, words::quote};

/// Sentences that are passed on.
const MOST: usize = 10;

/// `noData` is no judgement: YouTube says so also of a good stream that has just begun.
pub(super) fn judgement(health: &Health) -> Judgement {
    match health.status.as_str() {
        "good" => Judgement::Good,
        "ok" => Judgement::Ok,
        "bad" => Judgement::Bad,
        _ => Judgement::Unknown,
    }
}

/// What YouTube warns of. Its hints of severity `info` are left out.
pub(super) fn sentences(health: &Health) -> Vec<String> {
    let issues = health.configuration_issues.iter().filter(|issue| issue.severity != "info");
    issues.map(sentence).filter(|sentence| !sentence.is_empty()).take(MOST).collect()
}

fn sentence(issue: &Issue) -> String {
    let known = match issue.kind.as_str() {
        "gopSizeOver" | "gopSizeLong" => "YouTube wants a keyframe every 4 seconds or less: set the interval to 2 s.",
        "gopSizeShort" => "Keyframes come too often for YouTube: set the interval to 2 s.",
        "openGop" => "YouTube wants closed GOPs.",
        "noAudioStream" => "YouTube finds no audio in the stream.",
        "noVideoStream" => "YouTube finds no video in the stream.",
        "multipleVideoStreams" => "YouTube finds more than one video in the stream.",
        "multipleAudioStreams" => "YouTube finds more than one audio track in the stream.",
        "videoIngestionStarved" => {
            "YouTube gets video too slowly: viewers see it stop. Lower the bitrate or check the network."
        }
        "videoIngestionFasterThanRealtime" => "YouTube gets video faster than real time.",
        "audioCodec" => "YouTube does not take this audio codec: use AAC.",
        "videoCodec" => "YouTube does not take this video codec: use H.264.",
        "interlacedVideo" => "YouTube wants progressive video, not interlaced.",
        "frameRateHigh" => "The frame rate is too high for YouTube: 60 fps at most.",
        "videoResolutionUnsupported" => "YouTube does not take this resolution.",
        _ => "",
    };
    if known.is_empty() { quoted(&issue.description) } else { known.to_owned() }
}

/// YouTube's own sentence.
fn quoted(description: &str) -> String {
    let said = quote(description);
    if said.is_empty() { said } else { format!("YouTube says: {said}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(kind: &str, severity: &str, description: &str) -> Issue {
        Issue { kind: kind.to_owned(), severity: severity.to_owned(), description: description.to_owned() }
    }

    #[test]
    fn warnings_become_sentences() {
        let issues = vec![
            issue("gopSizeLong", "error", "x"),
            issue("somethingNew", "warning", "Mind the gap."),
            issue("resolutionMismatch", "info", "not passed on"),
        ];
        let health = Health { status: "bad".to_owned(), configuration_issues: issues };
        assert_eq!(judgement(&health), Judgement::Bad);
        let expected = [
            "YouTube wants a keyframe every 4 seconds or less: set the interval to 2 s.",
            "YouTube says: Mind the gap.",
        ];
        assert_eq!(sentences(&health), expected);
    }
}
