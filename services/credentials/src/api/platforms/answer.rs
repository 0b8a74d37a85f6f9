//! What is known and done, as it goes over the wire.

use std::time::Duration;

use domain::platform::Platform;
use wire::v1;

use crate::{
    broadcasts::{Finished, Prepared, Reference, Seen},
    platforms::{Failure, Judgement, Platforms, Repair, State},
};

/// Those that a person's account is linked for.
const WITH_ACCOUNTS: [Platform; 3] = [Platform::Youtube, Platform::Twitch, Platform::Facebook];

pub(super) fn platforms(platforms: &Platforms) -> v1::PlatformList {
    let info = |platform: Platform| v1::PlatformInfo {
        platform: v1::Platform::from(platform).into(),
        configured: platform == Platform::RtmpCustom || platforms.is_configured(platform),
        needs_account: WITH_ACCOUNTS.contains(&platform),
    };
    v1::PlatformList { platforms: Platform::ALL.into_iter().map(info).collect() }
}

pub(super) fn prepared(prepared: Prepared) -> v1::PrepareResponse {
    match prepared {
        Prepared::Ready { account, playback_url, notes } => {
            let account_id = account.map(|id| id.to_string()).unwrap_or_default();
            let ready = v1::Ready { account_id, playback_url, notes };
            v1::PrepareResponse { ready: Some(ready), ..Default::default() }
        }
        Prepared::Failed(failure) => v1::PrepareResponse {
            retry_after_ms: after_ms(&failure),
            fault: Some(failure.fault.into()),
            ..Default::default()
        },
        Prepared::Busy => v1::PrepareResponse { busy: true, ..Default::default() },
    }
}

pub(super) fn finished(finished: Finished) -> v1::FinishResponse {
    match finished {
        Finished::Done => v1::FinishResponse { done: true, ..Default::default() },
        Finished::Failed(failure) => v1::FinishResponse {
            retry_after_ms: after_ms(&failure),
            fault: Some(failure.fault.into()),
            ..Default::default()
        },
        Finished::Busy => v1::FinishResponse { busy: true, ..Default::default() },
    }
}

pub(super) fn truth(seen: Seen) -> v1::Truth {
    let (truth, seen_ms) = (seen.known.truth, seen.known.seen_ms);
    v1::Truth {
        broadcast: Some(broadcast(seen.reference)),
        state: state(truth.state).to_owned(),
        seen_ms,
        viewer_count: truth.viewers,
        health: health(truth.health).to_owned(),
        issues: truth.issues,
        repair: truth.repair.map_or("", repair).to_owned(),
        fault: truth.fault.map(v1::Fault::from),
        playback_url: seen.playback_url,
    }
}

fn broadcast(reference: Reference) -> v1::BroadcastRef {
    let Reference { destination, run_ms, take } = reference;
    v1::BroadcastRef { destination_id: destination.to_string(), run_ms, take }
}

/// The platform's own word on when to try again; 0 when it gave none.
fn after_ms(failure: &Failure) -> u32 {
    let after = failure.after.filter(|_| failure.is_transient()).unwrap_or(Duration::ZERO);
    u32::try_from(after.as_millis()).unwrap_or(u32::MAX)
}

fn state(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Live => "live",
        State::Ended => "ended",
        State::Unknown => "unknown",
    }
}

fn health(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Good => "good",
        Judgement::Ok => "ok",
        Judgement::Bad => "bad",
        Judgement::Unknown => "unknown",
    }
}

fn repair(repair: Repair) -> &'static str {
    match repair {
        Repair::Reconnect => "reconnect",
        Repair::Renew => "renew",
        Repair::Ask => "ask",
    }
}
