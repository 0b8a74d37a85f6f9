//! The table of decisions, and the laws over a small model of the world.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{Generation, StreamId},
    lifecycle::{Phase, Wish},
};

const NOW: i64 = 1_000_000;

fn destination(n: u128) -> Destination {
    Destination {
        id: DestinationId(Uuid::from_u128(n)),
        enabled: true,
        attached: true,
        auto_start: false,
        spec_version: 1,
        gave_up: None,
        ready: true,
        stale: None,
    }
}

fn session(n: u128, epoch: u64, phase: Phase) -> Session {
    let id = DestinationId(Uuid::from_u128(n));
    Session {
        id: id.into(),
        job: Job::Deliver(id),
        epoch: Epoch(epoch),
        phase,
        spec_version: 1,
        placed_at_ms: NOW - 1_000,
        placements: 1,
        lease: Lease::Presumed,
        stop: None,
        refresh: None,
    }
}

fn world(wish: Wish, destinations: Vec<Destination>, sessions: Vec<Session>) -> Snapshot {
    Snapshot {
        stream: StreamId(Uuid::from_u128(0xff)),
        wish,
        generation: Generation(1),
        next_epoch: Epoch(7),
        pull: false,
        source: Source { connected: true, epoch: Epoch(1), gone_since_ms: None },
        auto: Auto { started: false, handled: Epoch(1), end_grace_ms: 30_000 },
        destinations,
        sessions,
    }
}

#[track_caller]
fn check(snapshot: Snapshot, want: &str) {
    assert_eq!(plan(&snapshot, NOW).to_string(), want);
}

#[test]
fn starting() {
    use Wish::{Running, Stopped};
    let idle = "run=[] stop=[] wait=[] give_up=[]";
    check(world(Stopped, vec![destination(1)], vec![]), idle);
    check(world(Running, vec![], vec![]), idle);
    let three = vec![destination(3), destination(1), Destination { enabled: false, ..destination(2) }];
    check(world(Running, three, vec![]), "run=[D1 e7, D3 e7] stop=[] wait=[] give_up=[]");
    let apart = Destination { attached: false, ..destination(1) };
    check(world(Running, vec![apart], vec![]), idle);
    let failed = Destination { gave_up: Some("bad_key".into()), ..destination(2) };
    check(
        world(Running, vec![failed, destination(3)], vec![session(2, 5, Phase::Failed)]),
        "run=[D3 e7] stop=[] wait=[] give_up=[D2 bad_key]",
    );
    let pulled = Snapshot { pull: true, ..world(Running, vec![], vec![]) };
    check(pulled, "run=[pull e7] stop=[] wait=[] give_up=[]");
}

#[test]
fn a_running_session_is_left_alone() {
    for phase in [Phase::Claimed, Phase::WaitingSource, Phase::Connecting, Phase::Connected, Phase::Reconnecting] {
        let world = world(Wish::Running, vec![destination(1)], vec![session(1, 5, phase)]);
        check(world, "run=[] stop=[] wait=[] give_up=[]");
    }
}

#[test]
fn placing_again() {
    let with = |s: Session| world(Wish::Running, vec![destination(1)], vec![s]);
    let placed = session(1, 5, Phase::Placed);
    check(with(placed.clone()), "run=[] stop=[] wait=[D1 1s] give_up=[]");
    check(with(Session { placed_at_ms: NOW - 2_000, ..placed.clone() }), "run=[D1 e7] stop=[] wait=[] give_up=[]");
    let tired = Session { placed_at_ms: NOW - 2_000, placements: 9, ..placed };
    check(with(tired), "run=[] stop=[] wait=[D1 3s] give_up=[]");
    for over in [Phase::Failed, Phase::Ended, Phase::Released] {
        check(with(session(1, 5, over)), "run=[D1 e7] stop=[] wait=[] give_up=[]");
    }
    let dead = Session { lease: Lease::Expired, ..session(1, 5, Phase::Connected) };
    check(with(dead.clone()), "run=[D1 e7] stop=[] wait=[] give_up=[]");
    let spinning = Session { placements: 6, ..dead };
    check(with(spinning), "run=[] stop=[] wait=[D1 7s] give_up=[]");
    let pardoned = session(1, 5, Phase::Failed);
    check(with(pardoned), "run=[D1 e7] stop=[] wait=[] give_up=[]");
}

#[test]
fn stopping() {
    let stopped = |s: Session| world(Wish::Stopped, vec![destination(1)], vec![s]);
    let live = session(1, 5, Phase::Connected);
    check(stopped(live.clone()), "run=[] stop=[D1 e5] wait=[] give_up=[]");
    let asked = |ago: i64| Some(Asked { first_ms: NOW - ago, last_ms: NOW - ago });
    check(stopped(Session { stop: asked(100), ..live.clone() }), "run=[] stop=[] wait=[D1 400ms] give_up=[]");
    check(stopped(Session { stop: asked(500), ..live.clone() }), "run=[] stop=[D1 e5] wait=[] give_up=[]");
    let dead = Session { lease: Lease::Expired, stop: asked(100), ..live.clone() };
    check(stopped(dead), "run=[] stop=[] wait=[] give_up=[] forget=[D1 e5]");
    check(stopped(session(1, 5, Phase::Placed)), "run=[] stop=[] wait=[] give_up=[] forget=[D1 e5]");
    check(stopped(session(1, 5, Phase::Ended)), "run=[] stop=[] wait=[] give_up=[]");
    let disabled = Destination { enabled: false, ..destination(1) };
    check(
        world(Wish::Running, vec![disabled, destination(2)], vec![live.clone(), session(2, 4, Phase::Connected)]),
        "run=[] stop=[D1 e5] wait=[] give_up=[]",
    );
    check(world(Wish::Running, vec![], vec![live]), "run=[] stop=[D1 e5] wait=[] give_up=[]");
}

#[test]
fn stop_then_start_awaits_the_end_and_then_fences() {
    let asked = |ago: i64| Session {
        stop: Some(Asked { first_ms: NOW - ago, last_ms: NOW - 100 }),
        ..session(1, 5, Phase::Connected)
    };
    let wanted = |s: Session| world(Wish::Running, vec![destination(1)], vec![s]);
    check(wanted(asked(500)), "run=[] stop=[] wait=[D1 1500ms] give_up=[]");
    check(wanted(asked(2_000)), "run=[D1 e7] stop=[] wait=[] give_up=[]");
}

#[test]
fn a_new_specification_is_handed_to_the_owner() {
    let changed = Destination { spec_version: 2, ..destination(1) };
    let with = |s: Session| world(Wish::Running, vec![changed.clone()], vec![s]);
    let live = session(1, 5, Phase::Connected);
    check(with(live.clone()), "run=[] stop=[] wait=[] give_up=[] refresh=[D1 e5]");
    let asked = Some(Asked { first_ms: NOW - 100, last_ms: NOW - 100 });
    check(with(Session { refresh: asked, ..live.clone() }), "run=[] stop=[] wait=[D1 400ms] give_up=[]");
    check(with(Session { spec_version: 2, ..live }), "run=[] stop=[] wait=[] give_up=[]");
}

#[test]
fn auto_start_and_auto_end() {
    let auto = vec![Destination { auto_start: true, ..destination(1) }, destination(2)];
    let fresh = Source { connected: true, epoch: Epoch(2), gone_since_ms: None };
    let idle = Snapshot { source: fresh, ..world(Wish::Stopped, auto.clone(), vec![]) };
    check(idle.clone(), "run=[] stop=[] wait=[] give_up=[] begin=[D1]");
    let handled = Auto { started: false, handled: Epoch(2), end_grace_ms: 30_000 };
    check(Snapshot { auto: handled, ..idle }, "run=[] stop=[] wait=[] give_up=[]");

    let live = world(Wish::Running, auto, vec![session(1, 5, Phase::Connected), session(2, 5, Phase::Connected)]);
    let gone = |ago: i64, started: bool| Snapshot {
        source: Source { connected: false, epoch: Epoch(2), gone_since_ms: Some(NOW - ago) },
        auto: Auto { started, handled: Epoch(2), end_grace_ms: 30_000 },
        ..live.clone()
    };
    check(gone(29_999, true), "run=[] stop=[] wait=[] give_up=[]");
    check(gone(30_000, true), "run=[] stop=[] wait=[] give_up=[] end");
    check(gone(90_000, false), "run=[] stop=[] wait=[] give_up=[]");
}

#[test]
fn a_platform_is_prepared_before_a_session_is_placed() {
    let unready = Destination { ready: false, ..destination(1) };
    let of = |sessions| world(Wish::Running, vec![unready.clone(), destination(2)], sessions);
    check(of(vec![]), "run=[D2 e7] stop=[] wait=[] give_up=[]");
    // What still runs belongs to an earlier run, or to a broadcast that must be replaced.
    let live = session(1, 5, Phase::Connected);
    let other = session(2, 5, Phase::Connected);
    check(of(vec![live.clone(), other.clone()]), "run=[] stop=[D1 e5] wait=[] give_up=[]");
    let placed = session(1, 5, Phase::Placed);
    check(of(vec![placed, other.clone()]), "run=[] stop=[] wait=[] give_up=[] forget=[D1 e5]");
    let failed = Destination { gave_up: Some("reauth_required".into()), ..unready.clone() };
    check(world(Wish::Running, vec![failed], vec![]), "run=[] stop=[] wait=[] give_up=[D1 reauth_required]");
    let asked = Session { stop: Some(Asked { first_ms: NOW - 500, last_ms: NOW - 500 }), ..live };
    let ready = world(Wish::Running, vec![destination(1)], vec![asked]);
    check(ready, "run=[] stop=[] wait=[D1 1500ms] give_up=[]");
}

#[test]
fn what_must_connect_anew_stops_and_is_placed_again() {
    let stale = Destination { stale: Some(Epoch(5)), ..destination(1) };
    let with = |s: Session| world(Wish::Running, vec![stale.clone()], vec![s]);
    let live = session(1, 5, Phase::Connected);
    check(with(live.clone()), "run=[] stop=[D1 e5] wait=[] give_up=[]");
    let asked = Some(Asked { first_ms: NOW - 500, last_ms: NOW - 500 });
    check(with(Session { stop: asked, ..live }), "run=[] stop=[] wait=[D1 1500ms] give_up=[]");
    check(with(session(1, 5, Phase::Ended)), "run=[D1 e7] stop=[] wait=[] give_up=[]");
    check(with(session(1, 6, Phase::Connected)), "run=[] stop=[] wait=[] give_up=[]");
}

fn any_phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(Phase::ALL.to_vec())
}

prop_compose! {
    fn any_destination()(
        n in 1u128..6, enabled: bool, attached: bool, auto_start: bool, spec_version in 1u64..4, failed: bool,
        ready: bool, stale in prop::option::of((1u64..7).prop_map(Epoch)),
    ) -> Destination {
        let gave_up = (failed && n % 2 == 0).then(|| "bad_key".to_owned());
        Destination { enabled, attached, auto_start, spec_version, gave_up, ready, stale, ..destination(n) }
    }
}

prop_compose! {
    fn any_session()(
        n in 1u128..6, epoch in 1u64..7, phase in any_phase(), spec_version in 1u64..4, placed_ago in 0i64..9_000,
        placements in 0u32..12, expired: bool, stop in prop::option::of(0i64..4_000),
    ) -> Session {
        Session {
            spec_version,
            placed_at_ms: NOW - placed_ago,
            placements,
            lease: if expired { Lease::Expired } else { Lease::Presumed },
            stop: stop.map(|ago| Asked { first_ms: NOW - ago, last_ms: NOW - ago }),
            ..session(n, epoch, phase)
        }
    }
}

prop_compose! {
    fn any_world()(
        running: bool, pull: bool, connected: bool, auto_started: bool, source_epoch in 1u64..3, handled in 0u64..3,
        gone_ago in 0i64..60_000,
        destinations in prop::collection::vec(any_destination(), 0..6),
        sessions in prop::collection::vec(any_session(), 0..6),
    ) -> Snapshot {
        let mut world = world(if running { Wish::Running } else { Wish::Stopped }, destinations, sessions);
        world.pull = pull;
        world.source = Source { connected, epoch: Epoch(source_epoch), gone_since_ms: (!connected).then_some(NOW - gone_ago) };
        world.auto = Auto { started: auto_started, handled: Epoch(handled), end_grace_ms: 30_000 };
        world.destinations.sort_by_key(|d| d.id);
        world.destinations.dedup_by_key(|d| d.id);
        world.sessions.sort_by_key(|s| s.id);
        world.sessions.dedup_by_key(|s| s.id);
        world
    }
}

/// Obedient workers: each carries out what the plan asks before the next look.
fn carry_out(world: &mut Snapshot, plan: &Plan, now_ms: i64) {
    if plan.end {
        world.wish = Wish::Stopped;
    }
    if !plan.begin.is_empty() {
        world.wish = Wish::Running;
        world.auto = Auto { started: true, handled: world.source.epoch, ..world.auto };
        for d in &mut world.destinations {
            d.attached = plan.begin.contains(&d.id);
        }
    }
    for aim in plan.stop.iter().chain(&plan.forget) {
        if let Some(s) = world.sessions.iter_mut().find(|s| s.id == aim.session && s.epoch == aim.epoch) {
            s.phase = Phase::Ended;
        }
    }
    for aim in &plan.refresh {
        if let Some(s) = world.sessions.iter_mut().find(|s| s.id == aim.session && s.epoch == aim.epoch) {
            s.spec_version = spec_of(&world.destinations, aim.job);
        }
    }
    for run in &plan.run {
        world.sessions.retain(|s| s.id != run.session);
        world.sessions.push(Session {
            id: run.session,
            job: run.job,
            epoch: run.epoch,
            spec_version: spec_of(&world.destinations, run.job),
            placed_at_ms: now_ms,
            ..session(1, 1, Phase::Connected)
        });
    }
    world.next_epoch = Epoch(world.next_epoch.0 + 1);
}

fn spec_of(destinations: &[Destination], job: Job) -> u64 {
    destinations.iter().find(|d| Job::Deliver(d.id) == job).map_or(0, |d| d.spec_version)
}

proptest! {
    #[test]
    fn the_order_of_rows_is_irrelevant(world in any_world(), seed in 0usize..120) {
        let mut other = world.clone();
        other.destinations.rotate_left(seed % world.destinations.len().max(1));
        other.sessions.reverse();
        other.sessions.rotate_left(seed % world.sessions.len().max(1));
        prop_assert_eq!(plan(&other, NOW), plan(&world, NOW));
    }

    #[test]
    fn no_session_is_both_run_and_stopped(world in any_world()) {
        let plan = plan(&world, NOW);
        let mut ids: Vec<_> = plan.run.iter().map(|r| r.session).collect();
        ids.extend(plan.stop.iter().chain(&plan.forget).chain(&plan.refresh).map(|a| a.session));
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
        for run in &plan.run {
            prop_assert!(run.replaces.is_none_or(|old| old < run.epoch));
        }
    }

    #[test]
    fn the_world_converges_and_then_the_plan_is_empty(mut world in any_world()) {
        let mut now_ms = NOW;
        for _ in 0..8 {
            let next = plan(&world, now_ms);
            carry_out(&mut world, &next, now_ms);
            now_ms += 10_000;
        }
        let last = plan(&world, now_ms);
        prop_assert!(last.is_idle() && last.wait.is_empty(), "{}", last);
        for d in &world.destinations {
            let wanted = world.wish == Wish::Running && d.enabled && d.attached && d.gave_up.is_none() && d.ready;
            let runs = world.sessions.iter().any(|s| s.job == Job::Deliver(d.id) && !s.phase.is_over());
            prop_assert_eq!(wanted, runs, "{}", d.id);
        }
    }
}
