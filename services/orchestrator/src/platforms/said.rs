//! What a platform said, from the wire, and whether it is news. Pure.

use domain::{fault::Fault, lifecycle::Truth};
use wire::v1;

use super::answer;
use crate::{rows::DestinationRow, rows::signed, store::broadcasts::Said};

/// What a platform wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Publish anew to the same address.
    Reconnect,
    /// Make a new broadcast.
    Renew,
    /// A person must act.
    Ask,
}

impl Repair {
    /// The label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Renew => "renew",
            Self::Ask => "ask",
        }
    }

    /// From the wire; words that are none of ours ask for nothing.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Reconnect, Self::Renew, Self::Ask].into_iter().find(|r| r.as_str() == word)
    }
}

/// One truth, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub said: Said,
    pub repair: Option<Repair>,
    pub fault: Option<Fault>,
}

pub(super) fn read(truth: v1::Truth) -> Read {
    let state: Truth = truth.state.parse().unwrap_or_default();
    let health = ["good", "ok", "bad"].into_iter().find(|h| *h == truth.health).unwrap_or("unknown");
    let fault = answer::fault(truth.fault);
    let said = Said {
        state: state.as_str().to_owned(),
        seen_ms: truth.seen_ms,
        viewers: signed(truth.viewer_count),
        health: health.to_owned(),
        issues: truth.issues,
        fault: fault.clone(),
        playback_url: truth.playback_url,
    };
    Read { said, repair: Repair::read(&truth.repair), fault }
}

/// How much of it is new. The time alone is none: it changes with every look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    None,
    /// Figures alone: nobody's state depends on them.
    Viewers,
    /// Something that people see as a state, an issue or a link.
    State,
}

pub(super) fn news(row: &DestinationRow, said: &Said) -> News {
    let known = &row.broadcast;
    let same = known.platform_state == said.state
        && known.platform_health == said.health
        && known.platform_issues.0 == said.issues
        && known.platform_fault.as_ref().map(|f| &f.0) == said.fault.as_ref()
        && (said.playback_url.is_empty() || row.playback_url == said.playback_url);
    match same {
        false => News::State,
        true if row.viewer_count != said.viewers => News::Viewers,
        true => News::None,
    }
}

/// The fault, when it has just come up that a person must sign in again and nothing else is done about it.
pub(super) fn sign_in_again<'a>(row: &DestinationRow, read: &'a Read) -> Option<&'a Fault> {
    let fault = read.fault.as_ref().filter(|f| f.code == "reauth_required" && read.repair.is_none())?;
    let known = row.broadcast.platform_fault.as_ref().is_some_and(|f| f.code == fault.code);
    (!known).then_some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_none_of_ours_say_nothing() {
        let truth =
            v1::Truth { state: "on_fire".into(), health: "so_so".into(), repair: "pray".into(), ..Default::default() };
        let read = read(truth);
        assert_eq!((read.said.state.as_str(), read.said.health.as_str(), read.repair), ("unknown", "unknown", None));
        for repair in [Repair::Reconnect, Repair::Renew, Repair::Ask] {
            assert_eq!(Repair::read(repair.as_str()), Some(repair));
        }
    }
}
