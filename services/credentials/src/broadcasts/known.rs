//! What is known of a broadcast, and how one more look changes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platforms::{Failure, Repair, State, Truth};

/// So many looks in a row must fail before people are told that nothing is known.
const FAILURES_UNTIL_UNKNOWN: i32 = 3;
/// Where a failing platform's pauses begin.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two looks that we or a platform may ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Failures that only a person can end, whatever the broadcast does meanwhile.
const SIGN_IN_AGAIN: [&str; 3] = ["reauth_required", "account_not_linked", "account_not_found"];

/// The platform's last word, and when it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// What.
    #[serde(flatten)]
    pub truth: Truth,
    /// Ms since 1970; 0: never.
    pub seen_ms: i64,
    /// Whether it was live when the platform said something last.
    pub was_live: bool,
}

/// What a look has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) known: Known,
    /// Failures in a row.
    pub(super) failures: i32,
    /// Until the next look.
    pub(super) pause: Duration,
}

impl Known {
    /// Right after a preparation.
    pub(super) fn prepared(now_ms: i64) -> Self {
        Self::of(Truth { state: State::Waiting, ..Truth::default() }, now_ms)
    }

    /// After an end.
    pub(super) fn ended(now_ms: i64) -> Self {
        Self::of(Truth { state: State::Ended, ..Truth::default() }, now_ms)
    }

    fn of(truth: Truth, seen_ms: i64) -> Self {
        let was_live = truth.state == State::Live;
        Self { truth, seen_ms, was_live }
    }

    /// One more look at a broadcast that our media goes to, or not.
    pub(super) fn fold(self, failures: i32, look: Result<Truth, Failure>, is_publishing: bool, now_ms: i64) -> Folded {
        match look {
            Ok(truth) => {
                let pause = truth.again.unwrap_or_else(|| usual_pause(truth.state, is_publishing));
                // A platform that can't be asked for a while has not ended the show.
                let was_live = truth.state == State::Live || (truth.state == State::Unknown && self.was_live);
                let known = Self { was_live, ..Self::of(truth, now_ms) };
                Folded { known, failures: 0, pause: pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE) }
            }
            Err(failure) => self.without(failures.saturating_add(1), failure),
        }
    }

    /// The platform did not tell.
    fn without(mut self, failures: i32, failure: Failure) -> Folded {
        let pause = failure.after.unwrap_or_default().max(backoff(failures)).min(LONGEST_PAUSE);
        let sign_in_again = SIGN_IN_AGAIN.contains(&failure.code());
        if sign_in_again || failures >= FAILURES_UNTIL_UNKNOWN {
            self.truth.state = State::Unknown;
            self.truth.fault = Some(failure.fault);
            // What is live needs our media, not our token: a show that runs is not cut.
            self.truth.repair = (sign_in_again && !self.was_live).then_some(Repair::Ask);
        }
        Folded { known: self, failures, pause }
    }
}

/// For platforms that don't say when the next look is worth it.
fn usual_pause(state: State, is_publishing: bool) -> Duration {
    let seconds = match (state, is_publishing) {
        (State::Waiting, true) => 1,
        (State::Waiting, false) => 5,
        (State::Live | State::Unknown, _) => 10,
        (State::Ended, _) => 60,
    };
    Duration::from_secs(seconds)
}

fn backoff(failures: i32) -> Duration {
    let doublings = u32::try_from(failures - 1).unwrap_or_default().min(8);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(state: State) -> Truth {
        Truth { state, viewers: 7, ..Truth::default() }
    }

    fn away() -> Failure {
        Failure::transient("platform_unavailable", "x")
    }

    fn reauth() -> Failure {
        Failure::reauth(domain::platform::Platform::Twitch, "x")
    }

    fn known(state: State) -> Known {
        Known::of(truth(state), 1)
    }

    #[test]
    fn the_platforms_word_counts() {
        let folded = Known::default().fold(5, Ok(truth(State::Live)), true, 9);
        assert_eq!(folded.known, Known { truth: truth(State::Live), seen_ms: 9, was_live: true });
        assert_eq!((folded.failures, folded.pause), (0, Duration::from_secs(10)));
        let again = |again| {
            let truth = Truth { again: Some(again), ..truth(State::Live) };
            Known::default().fold(0, Ok(truth), true, 9).pause
        };
        assert_eq!(again(Duration::ZERO), SHORTEST_PAUSE);
        assert_eq!(again(Duration::from_secs(30)), Duration::from_secs(30));
        assert_eq!(again(Duration::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_few_failures_change_nothing_and_more_of_them_say_why() {
        let mut now = Folded { known: known(State::Live), failures: 0, pause: Duration::ZERO };
        for (state, pause) in [(State::Live, 1), (State::Live, 2), (State::Unknown, 4), (State::Unknown, 8)] {
            now = now.known.fold(now.failures, Err(away()), true, 5);
            assert_eq!((now.known.truth.state, now.pause), (state, Duration::from_secs(pause)));
            assert_eq!((now.known.truth.viewers, now.known.seen_ms, now.known.truth.repair), (7, 1, None));
        }
        assert_eq!(now.known.truth.fault, Some(away().fault));
        let slow = away().after(Some(Duration::from_secs(90)));
        assert_eq!(now.known.fold(1, Err(slow), true, 5).pause, Duration::from_secs(90));
    }

    #[test]
    fn a_dead_grant_asks_for_a_person_unless_it_is_live() {
        let asked = known(State::Waiting).fold(0, Err(reauth()), true, 5).known.truth;
        assert_eq!((asked.state, asked.repair), (State::Unknown, Some(Repair::Ask)));
        let mut live = known(State::Live);
        for failures in 0..5 {
            live = live.fold(failures, Err(reauth()), true, 5).known;
            assert_eq!((live.truth.state, live.truth.repair), (State::Unknown, None));
            assert_eq!(live.truth.fault.as_ref().map(|fault| fault.code.as_str()), Some("reauth_required"));
        }
    }

    #[test]
    fn it_is_stored_flat_and_unknown_fields_are_ignored() {
        let stored = serde_json::json!({"state": "live", "seen_ms": 3, "viewers": 2, "later": true});
        let read: Known = serde_json::from_value(stored).expect("reads");
        assert_eq!((read.truth.state, read.truth.viewers, read.seen_ms), (State::Live, 2, 3));
        assert_eq!(serde_json::from_value::<Known>(serde_json::json!({})).expect("reads"), Known::default());
        let written = serde_json::to_value(&read).expect("writes");
        assert_eq!(written["state"], "live");
    }
}
