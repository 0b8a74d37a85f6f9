//! Platforms that fail, and grants that die.

use domain::platform::Platform;
use platform_sim::{Fault, Reset};
use wire::v1;

use super::world::{Destination, World};

/// A call of each platform's preparation that must not happen twice.
const WRITES: [(Platform, &str, &str); 3] = [
    (Platform::Youtube, "POST", "/youtube/v3/liveBroadcasts"),
    (Platform::Facebook, "POST", "/graph/*/live_videos"),
    (Platform::Cloudflare, "POST", "/cloudflare/client/v4/accounts/*/stream/live_inputs"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_makes_no_second_broadcast() {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    for (on, method, path) in WRITES {
        if on != Platform::Cloudflare {
            world.link(&a, "tenant-1", on, "alice").await;
        }
        world.sim.fault(Fault::on(method, path).reset(Reset::After));
        let destination = Destination::new(&world, "tenant-1", on);
        let first = a.prepare(destination.prepare()).await;
        let fault = first.fault.map(|fault| fault.code);
        assert!(matches!(fault.as_deref(), None | Some("platform_unavailable")), "{on}: {fault:?}");
        b.ready(&destination).await;
        assert!(world.sim.faults().iter().all(|(_, met)| *met == 1), "the fault must happen: {:?}", world.sim.faults());
        world.sim.clear_faults();
        let media = b.publish(&destination).await;
        b.until(&destination, world.sim.now_ms(), "live").await;
        media.finish().await;
        a.finish(&destination).await;
    }
    let state = world.sim.state();
    for list in ["/youtube/broadcasts", "/facebook/lives", "/cloudflare/inputs"] {
        let made = state.pointer(list).and_then(|list| list.as_array()).expect("a list");
        assert_eq!(made.len(), 1, "{list}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_grant_asks_the_person_to_sign_in_again() {
    let world = World::start().await;
    let a = world.replica().await;
    let account = world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    let destination = Destination::new(&world, "tenant-1", Platform::Twitch);
    a.ready(&destination).await;
    world
        .sim
        .act(&platform_sim::Action::Revoke { provider: "twitch".into(), account: "alice".into(), subcode: None })
        .expect("revokes");
    let refresh = v1::AccountRef { tenant_id: "tenant-1".into(), account_id: account.id };
    assert!(a.client().refresh_token(refresh).await.is_err());
    let next = Destination { run_ms: destination.run_ms + 1, ..destination };
    let fault = a.prepare(next.prepare()).await.fault.expect("the grant is dead");
    assert_eq!(fault.code, "reauth_required");
    world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    a.ready(&next).await;
}
