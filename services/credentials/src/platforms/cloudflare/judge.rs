//! What is known of a live input, put into words and steps. Viewers see it when `/lifecycle` says so (or, without
//! recording, when media arrives); why not, tells the input's status.

use std::time::Duration;

use domain::fault::{Blame, Fault, Retry};

use super::model::LiveInput;
use crate::platforms::{Judgement, Repair, State, Truth};

/// Between looks at what is live: 12 calls in five minutes of the account's 1200.
pub(super) const LIVE: Duration = Duration::from_secs(25);
/// Until it is live; then with less hope. The first looks ask only what is asked without the token.
const SOON: [(i64, Duration); 4] = [
    (PATIENCE_MS, Duration::from_millis(500)),
    (30_000, Duration::from_secs(2)),
    (120_000, Duration::from_secs(4)),
    (i64::MAX, Duration::from_secs(10)),
];
/// Media takes so long to show up; after that it is worth a sentence, and calls to find it.
pub(super) const PATIENCE_MS: i64 = 15_000;
/// Cloudflare sees nothing of what we publish: a new connection may help.
const RECONNECT_MS: i64 = 60_000;

/// What was seen.
pub(super) struct Seen<'a> {
    /// `None`: it is gone.
    pub input: Option<&'a LiveInput>,
    /// `/lifecycle`, if it could be asked.
    pub live: Option<bool>,
    /// How long it has not been shown.
    pub absent_ms: i64,
}

impl Seen<'_> {
    /// Whether viewers see it. Without recording nothing can be played back, so that media arrives is all there is.
    pub fn is_shown(&self) -> bool {
        self.input.is_some_and(|input| {
            let connected = input.status.is_connected();
            input.enabled && if input.records() { self.live.unwrap_or(connected) } else { connected }
        })
    }
}

/// The truth about it.
pub(super) fn judge(seen: &Seen<'_>) -> Truth {
    let Some(input) = seen.input else {
        let message = "The live input was deleted at Cloudflare. A new one is made by itself.";
        return ended(Repair::Renew, Retry::Transient, message);
    };
    if !input.enabled {
        let message = "The live input was disabled at Cloudflare, which ends the broadcast. Start the destination again \
                       to enable it.";
        return ended(Repair::Ask, Retry::Permanent, message);
    }
    let connected = input.status.is_connected();
    let shown = seen.is_shown();
    let complaint = input.status.error.as_deref().map(complaint);
    let mut truth = Truth {
        state: if shown { State::Live } else { State::Waiting },
        health: if connected { Judgement::Good } else { Judgement::Bad },
        again: Some(if shown { LIVE } else { soon(seen.absent_ms) }),
        ..Truth::default()
    };
    if let Some(fault) = complaint {
        truth.health = Judgement::Bad;
        truth.issues.push(fault.message.clone());
        if !connected {
            (truth.repair, truth.fault) = (Some(Repair::Ask), Some(fault));
        }
        return truth;
    }
    let word = input.status.word.as_deref();
    if connected {
        if !shown && seen.absent_ms > PATIENCE_MS {
            truth.issues.push("Cloudflare receives the stream and does not show it yet.".to_owned());
        }
    } else if seen.absent_ms > PATIENCE_MS || (shown && word.is_some()) {
        truth.issues.push(sentence(word));
        if !shown && seen.absent_ms > RECONNECT_MS {
            let message = format!("{} The connection is made anew.", sentence(word));
            truth.repair = Some(Repair::Reconnect);
            truth.fault = Some(Fault::new(Blame::Platform, Retry::Transient, "platform_rejects_stream", message));
        }
    } else {
        truth.health = Judgement::Unknown;
    }
    truth
}

fn ended(repair: Repair, retry: Retry, message: &str) -> Truth {
    let fault = Fault::new(Blame::Platform, retry, "broadcast_ended", message);
    let (repair, again) = (Some(repair), Some(LIVE));
    Truth { state: State::Ended, repair, fault: Some(fault), again, ..Truth::default() }
}

pub(super) fn soon(absent_ms: i64) -> Duration {
    let step = SOON.iter().find(|(until, _)| absent_ms < *until);
    step.map_or(LIVE, |(_, step)| *step)
}

/// A status word for people. Source: the enumeration in Cloudflare's OpenAPI file.
fn sentence(word: Option<&str>) -> String {
    let text = match word {
        None => "Cloudflare has not seen our stream yet.",
        Some("reconnecting") => "Cloudflare has lost our stream and waits for it to come back.",
        Some("client_disconnect") => "Cloudflare says that our connection was closed.",
        Some("ttl_exceeded") => "Cloudflare ended the connection because it lasted as long as one may.",
        Some("failed_to_connect") => "Cloudflare could not take our stream in.",
        Some("failed_to_reconnect") => "Cloudflare waited for our stream to come back, in vain.",
        Some(_) => "Cloudflare does not receive our stream properly.",
    };
    text.to_owned()
}

/// What Cloudflare has against the stream. Source: the notifications' `live_input_errored.error.code`.
fn complaint(code: &str) -> Fault {
    let (stable, text) = match code {
        "ERR_GOP_OUT_OF_RANGE" => (
            "platform_rejects_stream",
            "Cloudflare wants a keyframe every 2 to 10 seconds: set the encoder's keyframe interval to 2 s.",
        ),
        "ERR_UNSUPPORTED_VIDEO_CODEC" => {
            ("platform_rejects_stream", "Cloudflare takes H.264 video only: change the encoder's codec.")
        }
        "ERR_UNSUPPORTED_AUDIO_CODEC" => {
            ("platform_rejects_stream", "Cloudflare takes AAC audio only: change the encoder's codec.")
        }
        "ERR_STORAGE_QUOTA_EXHAUSTED" => (
            "platform_refused",
            "The storage of the Cloudflare account is used up: delete recordings, buy more, or switch recording off.",
        ),
        "ERR_MISSING_SUBSCRIPTION" => {
            ("platform_refused", "The Cloudflare account has no Stream subscription: its operator must add one.")
        }
        "ERR_UNHEALTHY" => (
            "platform_rejects_stream",
            "Cloudflare finds the stream unhealthy: check that it arrives steadily, with video and audio.",
        ),
        _ => ("platform_rejects_stream", "Cloudflare does not take the stream as it is: check the encoder's settings."),
    };
    Fault::new(Blame::Platform, Retry::Permanent, stable, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line(input: Value, live: Option<bool>, absent_ms: i64) -> String {
        let input: Option<LiveInput> = serde_json::from_value(input).unwrap();
        let truth = judge(&Seen { input: input.as_ref(), live, absent_ms });
        let fault = truth.fault.map(|fault| fault.code).unwrap_or_default();
        format!("{:?} {:?} {:?} issues={} {fault}", truth.state, truth.health, truth.repair, truth.issues.len())
    }

    #[test]
    fn what_is_seen_decides() {
        let input = |status: &str, mode: &str| json!({"uid": "u", "recording": {"mode": mode}, "status": status});
        let check = |got: String, expected: &str| assert_eq!(got.trim_end(), expected);
        let (recorded, plain) = (input("connected", "automatic"), input("connected", "off"));
        check(line(recorded.clone(), Some(true), 1_000), "Live Good None issues=0");
        check(line(recorded.clone(), Some(false), 1_000), "Waiting Good None issues=0");
        check(line(recorded.clone(), Some(false), 20_000), "Waiting Good None issues=1");
        check(line(recorded, None, 1_000), "Live Good None issues=0");
        check(line(plain, Some(false), 1_000), "Live Good None issues=0");
        let lost = input("reconnecting", "automatic");
        check(line(lost.clone(), Some(true), 0), "Live Bad None issues=1");
        check(line(lost.clone(), Some(false), 1_000), "Waiting Unknown None issues=0");
        check(line(lost, Some(false), 61_000), "Waiting Bad Some(Reconnect) issues=1 platform_rejects_stream");
        check(line(Value::Null, None, 1_000), "Ended Unknown Some(Renew) issues=0 broadcast_ended");
        let disabled = json!({"uid": "u", "enabled": false, "status": "connected"});
        check(line(disabled, Some(true), 1_000), "Ended Unknown Some(Ask) issues=0 broadcast_ended");
        let unfit = json!({"uid": "u", "recording": {"mode": "automatic"},
            "status": {"current": {"state": "failed_to_connect", "reason": "ERR_UNSUPPORTED_VIDEO_CODEC"}}});
        check(line(unfit, Some(false), 1_000), "Waiting Bad Some(Ask) issues=1 platform_rejects_stream");
    }

    proptest! {
        /// Whatever is seen: a repair has a reason, live needs none but a lost connection, and the next look is set.
        #[test]
        fn a_repair_has_a_reason(
            word in prop_oneof![Just(None), "[a-z_]{0,20}".prop_map(Some), Just(Some("connected".to_owned()))],
            error in prop_oneof![Just(None), "ERR_[A-Z_]{0,20}".prop_map(Some)],
            (enabled, recorded, is_there) in any::<(bool, bool, bool)>(),
            live in any::<Option<bool>>(),
            absent_ms in 0_i64..10_000_000,
        ) {
            let mode = if recorded { "automatic" } else { "off" };
            let status = json!({"current": {"state": word, "reason": error}});
            let input = json!({"uid": "u", "enabled": enabled, "recording": {"mode": mode}, "status": status});
            let input: Option<LiveInput> = is_there.then(|| serde_json::from_value(input).unwrap());
            let seen = Seen { input: input.as_ref(), live, absent_ms };
            let truth = judge(&seen);
            prop_assert_eq!(truth.repair.is_some(), truth.fault.is_some());
            prop_assert_eq!(truth.state == State::Live, seen.is_shown());
            prop_assert!(truth.state != State::Live || truth.repair != Some(Repair::Reconnect));
            prop_assert!(truth.again.is_some());
            prop_assert!(truth.fault.is_none_or(|fault| fault.message.ends_with('.')));
        }
    }
}
