//! A replica is killed at each call of a preparation, before and after the platform has done what it was asked; another
//! one goes on. Exactly one broadcast exists for the run, it goes live and ends.

use std::time::Duration;

use domain::platform::Platform;
use platform_sim::Fault;
use serde_json::Value;
use testkit::wait;

use super::world::{Destination, Replica, World};

/// Longer than a killed replica lives; what it has asked for is done after its death.
const HOLD: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(20);
/// No preparation needs more calls.
const MOST_CALLS: u32 = 20;

struct Case {
    on: Platform,
    calls: &'static str,
    /// What may exist once only, in the simulator's state.
    list: &'static str,
}

const YOUTUBE: Case = Case { on: Platform::Youtube, calls: "/youtube/v3/*", list: "/youtube/broadcasts" };
const FACEBOOK: Case = Case { on: Platform::Facebook, calls: "/graph/*", list: "/facebook/lives" };
const CLOUDFLARE: Case = Case { on: Platform::Cloudflare, calls: "/cloudflare/*", list: "/cloudflare/inputs" };
const TWITCH: Case = Case { on: Platform::Twitch, calls: "/helix/*", list: "" };

fn count(world: &World, case: &Case) -> usize {
    world.sim.state().pointer(case.list).and_then(Value::as_array).map_or(0, Vec::len)
}

/// Whether the call that it was to be killed at took place.
async fn killed_at(world: &World, survivor: &Replica, case: &Case, fault: Fault) -> bool {
    let before = count(world, case);
    let destination = Destination::new(world, "tenant-1", case.on);
    let (runtime, mut client) = world.mortal().await;
    world.sim.fault(fault);
    let call = tokio::spawn({
        let request = destination.prepare();
        async move { client.prepare(request).await }
    });
    let met = || world.sim.faults().iter().any(|(_, met)| *met > 0);
    let outcome = wait::until("a kill or the end", SOON, async || (met() || call.is_finished()).then(met)).await;
    let was_met = outcome.expect("in time");
    runtime.shutdown_background();
    world.sim.clear_faults();
    survivor.ready(&destination).await;
    let media = survivor.publish(&destination).await;
    survivor.until(&destination, world.sim.now_ms(), "live").await;
    media.finish().await;
    survivor.finish(&destination).await;
    if !case.list.is_empty() {
        assert_eq!(count(world, case), before + 1, "{}", world.sim.state());
    }
    was_met
}

async fn check(case: Case) {
    let world = World::start().await;
    let survivor = world.replica().await;
    if case.on != Platform::Cloudflare {
        world.link(&survivor, "tenant-1", case.on, "alice").await;
    }
    let mut kills = 0;
    for nth in 1..=MOST_CALLS {
        let fault =
            |(before, after)| Fault { path: case.calls.to_owned(), ..Fault::default() }.nth(nth).delay(before, after);
        // Two preparations may differ by a call: the first of them finds less at the platform.
        let before = killed_at(&world, &survivor, &case, fault((HOLD, Duration::ZERO))).await;
        let after = killed_at(&world, &survivor, &case, fault((Duration::ZERO, HOLD))).await;
        if !before && !after {
            break;
        }
        kills += u32::from(before) + u32::from(after);
    }
    assert!(kills >= 2, "{} was never killed", case.on);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn youtube() {
    check(YOUTUBE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facebook() {
    check(FACEBOOK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudflare() {
    check(CLOUDFLARE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twitch() {
    check(TWITCH).await;
}
