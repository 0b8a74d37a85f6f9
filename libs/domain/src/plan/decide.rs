//! The decision, session by session.

use std::collections::BTreeMap;

use super::{Aim, GiveUp, Job, Lease, Plan, Run, Session, Snapshot, Wait};
use crate::{
    ids::{Epoch, SessionId},
    lifecycle::{Phase, Wish},
};

/// How long a placement may stay unclaimed before it is made again. A worker pulls within milliseconds; what takes
/// longer was lost (JetStream's store deleted, a worker killed between pull and claim) or finds no room.
pub const CLAIM_PATIENCE_MS: i64 = 2_000;
/// The longest such pause, while there is no room for a long time.
const CLAIM_PATIENCE_MAX_MS: i64 = 5_000;
/// Unclaimed for so long means that no worker has room.
pub const STARVED_MS: i64 = 5_000;
/// A stop or refresh is said again after this long.
const REPEAT_MS: i64 = 500;
/// A session that was told to stop and is wanted again is replaced after this long, closed or not: the higher epoch
/// fences it. Before that its end is awaited, so that the sink sees one publisher.
const STOP_BEFORE_START_MS: i64 = 2_000;
/// So many placements in a row may fail at once; then each waits longer than the last.
const FREE_PLACEMENTS: u32 = 3;
/// The longest pause between two placements of a session that keeps breaking its worker.
const PLACEMENT_PAUSE_MAX_MS: i64 = 8_000;
/// A publish that follows the last one within this time is the same visit: it does not undo a stop.
pub const AUTO_START_QUIET_MS: i64 = 5_000;

/// What to do next for one stream.
///
/// Total and pure: the order of rows is irrelevant, a session is never both run and stopped, and carrying the plan
/// out leads to a snapshot whose plan is empty.
pub fn plan(snapshot: &Snapshot, now_ms: i64) -> Plan {
    let mut plan = Plan { end: must_end(snapshot, now_ms), ..Plan::default() };
    if plan.end {
        return plan;
    }
    plan.begin = begins(snapshot);
    if !plan.begin.is_empty() {
        return plan;
    }
    let wanted = wanted(snapshot, &mut plan);
    let sessions: BTreeMap<SessionId, &Session> = snapshot.sessions.iter().map(|s| (s.id, s)).collect();
    let mut ids: Vec<SessionId> = wanted.keys().chain(sessions.keys()).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let session = sessions.get(&id).copied();
        let step = match wanted.get(&id) {
            Some(want) => keep(want, session, now_ms),
            None => end(session, now_ms),
        };
        note(&mut plan, snapshot.next_epoch, id, wanted.get(&id), session, step);
    }
    plan
}

/// Whether a session has waited for a worker for so long that there must be no room.
pub fn is_starved(phase: Phase, unclaimed_since_ms: i64, now_ms: i64) -> bool {
    phase == Phase::Placed && now_ms - unclaimed_since_ms >= STARVED_MS
}

struct Want {
    job: Job,
    spec_version: u64,
    stale: Option<Epoch>,
}

enum Step {
    Nothing,
    Stop,
    Forget,
    Refresh,
    Run,
    Wait(i64),
}

fn must_end(s: &Snapshot, now_ms: i64) -> bool {
    let gone = s.source.gone_since_ms.is_some_and(|at| now_ms - at >= s.auto.end_grace_ms);
    s.wish == Wish::Running && s.auto.started && !s.source.connected && gone
}

fn begins(s: &Snapshot) -> Vec<crate::ids::DestinationId> {
    if s.wish == Wish::Running || !s.source.connected || s.source.epoch <= s.auto.handled {
        return Vec::new();
    }
    let mut ids: Vec<_> = s.destinations.iter().filter(|d| d.enabled && d.auto_start).map(|d| d.id).collect();
    ids.sort_unstable();
    ids
}

/// The sessions that shall run, and the destinations that shall not any more.
fn wanted(s: &Snapshot, plan: &mut Plan) -> BTreeMap<SessionId, Want> {
    let mut wanted = BTreeMap::new();
    if s.wish == Wish::Stopped {
        return wanted;
    }
    if s.pull {
        wanted.insert(SessionId(s.stream.0), Want { job: Job::Pull, spec_version: 0, stale: None });
    }
    for d in s.destinations.iter().filter(|d| d.enabled && d.attached) {
        match &d.gave_up {
            Some(code) => plan.give_up.push(GiveUp { destination: d.id, code: code.clone() }),
            // Without a prepared platform there is nowhere to send it; a session of an earlier run ends.
            None if !d.ready => {}
            None => {
                let want = Want { job: Job::Deliver(d.id), spec_version: d.spec_version, stale: d.stale };
                wanted.insert(d.id.into(), want);
            }
        }
    }
    plan.give_up.sort_by_key(|g| g.destination);
    wanted
}

/// The next step of a session that nobody wants.
fn end(session: Option<&Session>, now_ms: i64) -> Step {
    match session {
        None => Step::Nothing,
        Some(s) if s.phase.is_over() => Step::Nothing,
        // A claim is a compare-and-set on this row: what is forgotten now can't be claimed later.
        Some(s) if s.phase == Phase::Placed || s.lease == Lease::Expired => Step::Forget,
        Some(s) => match s.stop {
            Some(asked) if now_ms - asked.last_ms < REPEAT_MS => Step::Wait(asked.last_ms + REPEAT_MS - now_ms),
            _ => Step::Stop,
        },
    }
}

/// The next step of a session that is wanted.
fn keep(want: &Want, session: Option<&Session>, now_ms: i64) -> Step {
    let Some(s) = session else { return Step::Run };
    if s.phase == Phase::Placed {
        return due(s.placed_at_ms + claim_patience_ms(s.placements), now_ms);
    }
    if s.phase.is_over() || s.lease == Lease::Expired {
        return due(s.placed_at_ms + placement_pause_ms(s.placements), now_ms);
    }
    if let Some(asked) = s.stop {
        return due(asked.first_ms + STOP_BEFORE_START_MS, now_ms);
    }
    if want.stale.is_some_and(|epoch| s.epoch <= epoch) {
        return Step::Stop;
    }
    if s.spec_version < want.spec_version {
        return match s.refresh {
            Some(asked) if now_ms - asked.last_ms < REPEAT_MS => Step::Wait(asked.last_ms + REPEAT_MS - now_ms),
            _ => Step::Refresh,
        };
    }
    Step::Nothing
}

fn due(at_ms: i64, now_ms: i64) -> Step {
    if now_ms >= at_ms { Step::Run } else { Step::Wait(at_ms - now_ms) }
}

fn claim_patience_ms(placements: u32) -> i64 {
    let extra = i64::from(placements.saturating_sub(FREE_PLACEMENTS)).min(4);
    (CLAIM_PATIENCE_MS << extra).min(CLAIM_PATIENCE_MAX_MS)
}

fn placement_pause_ms(placements: u32) -> i64 {
    match placements.saturating_sub(FREE_PLACEMENTS - 1) {
        0 => 0,
        n => (1_000 << i64::from(n - 1).min(3)).min(PLACEMENT_PAUSE_MAX_MS),
    }
}

fn note(plan: &mut Plan, epoch: Epoch, id: SessionId, want: Option<&Want>, session: Option<&Session>, step: Step) {
    let Some(job) = want.map(|w| w.job).or(session.map(|s| s.job)) else { return };
    let aim = session.map(|s| Aim { session: id, job, epoch: s.epoch });
    match step {
        Step::Nothing => {}
        Step::Wait(for_ms) => plan.wait.push(Wait { job, for_ms }),
        Step::Run => plan.run.push(Run { session: id, job, epoch, replaces: session.map(|s| s.epoch) }),
        Step::Stop => plan.stop.extend(aim),
        Step::Forget => plan.forget.extend(aim),
        Step::Refresh => plan.refresh.extend(aim),
    }
}
