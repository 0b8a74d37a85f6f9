//! What a live video's state means for us: a pure function of what Facebook shows and of what we do.

use std::time::Duration;

use super::{
    LONGEST_MS,
    object::{Complaint, Object, Status},
};
use crate::platforms::{Failure, Judgement, Repair, State, Truth, words::quote};

/// Facebook measures every two seconds; asking faster tells nothing (guide: streaming).
pub(super) const SOONEST: Duration = Duration::from_secs(2);
/// While it is live and all is well.
const CALM: Duration = Duration::from_secs(10);
/// While something is wrong.
const WORRIED: Duration = Duration::from_secs(4);
/// While a scheduled start, or a picture that does not come, is awaited.
const PATIENT: Duration = Duration::from_secs(15);
/// A picture that has not come for so long is asked for less and less often.
const HOPEFUL_MS: i64 = 60_000;
/// We publish for so long, and Facebook sees nothing: something is wrong.
const GRACE_MS: i64 = 15_000;
/// People are told so long before a broadcast's end.
const WARN_MS: i64 = 30 * 60_000;
/// A complaint is news for so long.
const NEWS_MS: i64 = 120_000;
/// Complaints shown.
const SHOWN: usize = 3;
/// The longest keyframe distance, ms (reference: encoder settings).
const LONGEST_GOP_MS: f64 = 4_000.0;
/// "Video signal lost".
const SIGNAL_LOST: i64 = 1_969_004;

/// What we do meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ours {
    pub now_ms: i64,
    /// Our media is acknowledged since; 0: it is not.
    pub publishing_ms: i64,
    /// Facebook saw media first.
    pub media_ms: Option<i64>,
    /// Announced for then.
    pub planned_ms: Option<i64>,
    /// The most used allowance, percent.
    pub percent: u64,
}

/// What is true, and whether it is time to go live.
pub(super) fn decide(object: &Object, ours: Ours) -> (Truth, bool) {
    if object.status.is_over() {
        return (over(object, ours), false);
    }
    let live = object.status == Status::Live;
    let lost = signal_lost(object, ours);
    let issues = issues(object, ours, lost);
    let truth = Truth {
        state: if live { State::Live } else { State::Waiting },
        viewers: if live { object.viewers } else { 0 },
        health: health(object, &issues, lost),
        repair: lost.then_some(Repair::Reconnect),
        fault: lost.then(|| lost_fault().fault),
        playback_url: object.permalink.clone(),
        again: Some(again(live, ours, !issues.is_empty())),
        issues: issues.into_iter().chain(live.then(|| warning(object, ours)).flatten()).collect(),
    };
    (truth, may_go_live(object, ours))
}

/// There is no such live video any more.
pub(super) fn gone() -> Truth {
    Truth {
        state: State::Ended,
        repair: Some(Repair::Renew),
        fault: Some(
            ended_fault("The live video is no longer on Facebook: it was deleted there, or never used in time.").fault,
        ),
        again: Some(PATIENT),
        ..Truth::default()
    }
}

fn over(object: &Object, ours: Ours) -> Truth {
    let claim = object.complaints.iter().find(|complaint| is_copyright(complaint));
    let (repair, failure) = match (claim, object.status) {
        (Some(claim), _) => (Repair::Ask, copyright(claim)),
        (None, Status::ScheduledCanceled) => {
            let text = "The scheduled live video was cancelled on Facebook. Start the destination again for a new one.";
            (Repair::Ask, Failure::permanent("broadcast_ended", text))
        }
        _ => (Repair::Renew, ended_fault("Facebook has ended the broadcast.")),
    };
    Truth {
        state: State::Ended,
        health: Judgement::Unknown,
        issues: news(object, ours),
        repair: Some(repair),
        fault: Some(failure.fault),
        playback_url: object.permalink.clone(),
        again: Some(PATIENT),
        ..Truth::default()
    }
}

fn ended_fault(text: &str) -> Failure {
    Failure::transient("broadcast_ended", text)
}

fn lost_fault() -> Failure {
    let text = "Facebook says that it lost the video signal, although it is sent. The connection is made anew.";
    Failure::transient("platform_rejects_stream", text)
}

fn copyright(claim: &Complaint) -> Failure {
    let text = format!(
        "Facebook has ended the broadcast for copyright reasons ({}). Remove that music or picture, then start the destination again.",
        quote(&claim.message)
    );
    Failure::permanent("platform_rejects_stream", text)
}

/// Unpublished, with a picture, and not announced for later.
fn may_go_live(object: &Object, ours: Ours) -> bool {
    let due = ours.planned_ms.is_none_or(|at| at <= ours.now_ms);
    let waits = matches!(object.status, Status::Unpublished | Status::ScheduledUnpublished);
    waits && due && object.has_picture()
}

fn publishes_long(ours: Ours) -> bool {
    ours.publishing_ms > 0 && ours.now_ms - ours.publishing_ms > GRACE_MS
}

/// Facebook complained lately, since we publish, and sees nothing. Complaints stay in its list: an old one and a blip of
/// its measurements must not cost the connection.
fn signal_lost(object: &Object, ours: Ours) -> bool {
    let is_news = |at: i64| at >= ours.publishing_ms && ours.now_ms - at <= NEWS_MS;
    let complained =
        |complaint: &Complaint| complaint.code == Some(SIGNAL_LOST) && complaint.at_ms.is_some_and(is_news);
    publishes_long(ours) && !object.has_picture() && object.complaints.iter().any(complained)
}

fn health(object: &Object, issues: &[String], lost: bool) -> Judgement {
    match object.has_picture() {
        _ if lost => Judgement::Bad,
        false if issues.is_empty() => Judgement::Unknown,
        true if issues.is_empty() => Judgement::Good,
        _ => Judgement::Bad,
    }
}

fn issues(object: &Object, ours: Ours, lost: bool) -> Vec<String> {
    let mut issues = Vec::new();
    if publishes_long(ours) && !object.has_picture() && !lost {
        issues.push("Facebook receives no picture, although it is sent.".to_owned());
    }
    if let Some(ingest) = object.ingest.filter(|_| object.has_picture()) {
        if let Some(gop) = ingest.gop_ms.filter(|gop| *gop > LONGEST_GOP_MS) {
            issues.push(format!(
                "Keyframes are {:.1} s apart; Facebook wants one every 2 s, 4 s at most.",
                gop / 1_000.0
            ));
        }
        if ingest.audio_bitrate == Some(0.0) && publishes_long(ours) {
            issues.push("Facebook receives no sound; it wants AAC audio.".to_owned());
        }
    }
    issues.extend(news(object, ours));
    issues
}

/// The latest complaints in Facebook's words. A lost signal that came back is none.
fn news(object: &Object, ours: Ours) -> Vec<String> {
    let is_news = |complaint: &&Complaint| {
        let is_old = complaint.at_ms.is_some_and(|at| ours.now_ms - at > NEWS_MS);
        let is_over = complaint.code == Some(SIGNAL_LOST) && object.has_picture();
        (is_copyright(complaint) || !is_old) && !is_over && complaint.code != Some(0) && !complaint.message.is_empty()
    };
    let mut said: Vec<String> = Vec::new();
    for complaint in object.complaints.iter().filter(is_news) {
        let sentence = format!("Facebook says: {}.", quote(&complaint.message));
        if !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    said.split_off(said.len().saturating_sub(SHOWN))
}

fn is_copyright(complaint: &Complaint) -> bool {
    complaint.kind.to_ascii_uppercase().contains("COPYRIGHT")
}

/// A broadcast ends after eight hours, without grace.
fn warning(object: &Object, ours: Ours) -> Option<String> {
    let told = object.seconds_left.and_then(|seconds| i64::try_from(seconds).ok()).map(|s| s.saturating_mul(1_000));
    let own = ours.media_ms.map(|since| LONGEST_MS - (ours.now_ms - since));
    let left = told.into_iter().chain(own).min()?;
    (left <= WARN_MS).then(|| {
        let minutes = (left / 60_000).max(0);
        format!("Facebook ends a broadcast after 8 hours: {minutes} minutes are left. A new live video is made then.")
    })
}

fn again(live: bool, ours: Ours, worried: bool) -> Duration {
    let until_planned = ours.planned_ms.and_then(|at| u64::try_from(at - ours.now_ms).ok()).map(Duration::from_millis);
    let wish = match (live, until_planned) {
        (false, Some(left)) => left.clamp(SOONEST, PATIENT),
        (false, None) => hope(ours),
        (true, _) if worried => WORRIED,
        (true, _) => CALM,
    };
    wish.max(spared(ours.percent, live))
}

fn hope(ours: Ours) -> Duration {
    match ours.now_ms - ours.publishing_ms {
        _ if ours.publishing_ms == 0 => PATIENT,
        ..=HOPEFUL_MS => SOONEST,
        waited if waited <= 5 * HOPEFUL_MS => SOONEST * 2,
        _ => PATIENT,
    }
}

/// The fuller the allowance, the longer the pause. Going live keeps a part of it.
fn spared(percent: u64, live: bool) -> Duration {
    Duration::from_secs(match (percent, live) {
        (0..=49, _) => 0,
        (50..=74, true) => 15,
        (75..=89, true) => 30,
        (90.., true) => 120,
        (75..=89, false) => 5,
        (90.., false) => 15,
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_795_435_200_000;

    fn ours() -> Ours {
        Ours { now_ms: NOW, publishing_ms: NOW - 60_000, media_ms: Some(NOW - 59_000), ..Ours::default() }
    }

    fn object(status: &str, bitrate: u64, more: Value) -> Object {
        let health = json!({"video_bitrate": bitrate, "audio_bitrate": 128_000, "video_gop_size": 2_000});
        let mut value = json!({"id": "1", "status": status, "live_views": 7, "permalink_url": "/1/videos/2/",
            "ingest_streams": [{"stream_health": health}]});
        value.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        Object::read(&value).unwrap()
    }

    fn lost(at: &str) -> Value {
        let one = json!({"error_code": 1_969_004, "error_type": "stream_error", "error_message": "Video signal lost", "creation_time": at});
        json!({"errors": {"data": [one]}})
    }

    /// `state viewers health repair/code go again`
    fn line(object: &Object, ours: Ours) -> String {
        let (truth, go) = decide(object, ours);
        let repair = truth.repair.map_or("-".to_owned(), |repair| format!("{repair:?}"));
        let code = truth.fault.map_or("-".to_owned(), |fault| fault.code);
        let again = truth.again.unwrap_or_default().as_secs();
        format!("{:?} {} {:?} {repair}/{code} {go} {again}s", truth.state, truth.viewers, truth.health)
    }

    #[test]
    fn what_is_true() {
        let early = Ours { planned_ms: Some(NOW + 8_000), ..ours() };
        let waiting = Ours { publishing_ms: NOW - 1_000, media_ms: None, ..ours() };
        let long = Ours { publishing_ms: NOW - 3_600_000, ..ours() };
        let late = "2026-11-23T11:59:50+0000"; // 10 s ago
        let before = "2026-11-23T11:58:00+0000"; // before we publish
        for (object, ours, expected) in [
            (object("UNPUBLISHED", 0, json!({})), waiting, "Waiting 0 Unknown -/- false 2s"),
            (object("UNPUBLISHED", 3_000_000, json!({})), waiting, "Waiting 0 Good -/- true 2s"),
            (object("LIVE_NOW", 3_000_000, json!({})), waiting, "Waiting 0 Good -/- false 2s"),
            (object("SCHEDULED_UNPUBLISHED", 3_000_000, json!({})), early, "Waiting 0 Good -/- false 8s"),
            (object("SCHEDULED_UNPUBLISHED", 3_000_000, json!({})), ours(), "Waiting 0 Good -/- true 2s"),
            (object("LIVE", 3_000_000, json!({})), ours(), "Live 7 Good -/- false 10s"),
            (object("LIVE", 0, json!({})), ours(), "Live 7 Bad -/- false 4s"),
            (object("LIVE", 0, lost(late)), ours(), "Live 7 Bad Reconnect/platform_rejects_stream false 4s"),
            (object("LIVE", 0, lost(before)), ours(), "Live 7 Bad -/- false 4s"),
            (object("LIVE", 0, lost("2026-11-23T11:30:00+0000")), long, "Live 7 Bad -/- false 4s"),
            (object("LIVE", 0, lost("some time")), long, "Live 7 Bad -/- false 4s"),
            (object("LIVE", 3_000_000, lost(late)), ours(), "Live 7 Good -/- false 10s"),
            (object("LIVE", 0, lost(late)), waiting, "Live 7 Bad -/- false 4s"),
            (object("VOD", 0, json!({})), ours(), "Ended 0 Unknown Renew/broadcast_ended false 15s"),
            (object("LIVE_STOPPED", 0, json!({})), ours(), "Ended 0 Unknown Renew/broadcast_ended false 15s"),
            (object("PROCESSING", 0, json!({})), ours(), "Ended 0 Unknown Renew/broadcast_ended false 15s"),
            (object("SCHEDULED_EXPIRED", 0, json!({})), ours(), "Ended 0 Unknown Renew/broadcast_ended false 15s"),
            (object("SCHEDULED_CANCELED", 0, json!({})), ours(), "Ended 0 Unknown Ask/broadcast_ended false 15s"),
        ] {
            assert_eq!(line(&object, ours), expected, "{object:?}");
        }
    }

    #[test]
    fn a_copyright_claim_is_told_and_asks_when_it_ended_the_broadcast() {
        let claim = json!({"errors": {"data": [{"error_code": "COPYRIGHT__LIVE_COPYRIGHT_VIOLATION", "error_message": "Song by X."}]}});
        let (truth, _) = decide(&object("LIVE", 1, claim.clone()), ours());
        assert_eq!((truth.repair, truth.issues), (None, vec!["Facebook says: Song by X.".to_owned()]));
        let (truth, _) = decide(&object("VOD", 0, claim), ours());
        assert_eq!(truth.repair, Some(Repair::Ask));
        assert!(truth.fault.unwrap().message.contains("copyright reasons (Song by X)"));
    }

    #[test]
    fn the_end_is_announced() {
        let told = |more: Value, ours: Ours| decide(&object("LIVE", 1, more), ours).0.issues;
        assert_eq!(told(json!({"seconds_left": 1_801}), ours()), [""; 0]);
        assert!(told(json!({"seconds_left": 1_800}), ours())[0].contains("30 minutes are left"));
        let long = Ours { media_ms: Some(NOW - LONGEST_MS + 60_000), ..ours() };
        assert!(told(json!({"seconds_left": 28_800}), long)[0].contains("1 minutes are left"));
    }

    #[test]
    fn what_facebook_measures_is_judged() {
        let health = |health: Value| json!({"ingest_streams": [{"stream_health": health}]});
        let (truth, _) = decide(
            &object("LIVE", 0, health(json!({"video_bitrate": 1, "audio_bitrate": 0, "video_gop_size": 5_500}))),
            ours(),
        );
        assert_eq!(truth.health, Judgement::Bad);
        assert_eq!(truth.issues.len(), 2, "{:?}", truth.issues);
        assert!(truth.issues[0].contains("5.5 s"));
        let (truth, _) = decide(&object("LIVE", 0, health(json!({"video_bitrate": 1}))), ours());
        assert_eq!(truth.health, Judgement::Good);
    }

    #[test]
    fn a_picture_that_does_not_come_is_asked_for_less_often() {
        let after = |s: i64| {
            let ours = Ours { publishing_ms: NOW - s * 1_000, media_ms: None, ..ours() };
            decide(&object("UNPUBLISHED", 0, json!({})), ours).0.again.unwrap().as_secs()
        };
        assert_eq!([-60, 0, 60, 61, 300, 301].map(after), [2, 2, 2, 4, 4, 15]);
    }

    #[test]
    fn a_full_allowance_slows_down() {
        let at = |percent, status| {
            decide(&object(status, 1, json!({})), Ours { percent, ..ours() }).0.again.unwrap().as_secs()
        };
        assert_eq!([0, 49, 50, 75, 90, 200].map(|percent| at(percent, "LIVE")), [10, 10, 15, 30, 120, 120]);
        assert_eq!([0, 50, 75, 90].map(|percent| at(percent, "LIVE_NOW")), [2, 2, 5, 15]);
    }
}
