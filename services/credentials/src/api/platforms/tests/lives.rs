//! From the sign-in to the end, two tenants side by side, two replicas taking turns.

use domain::platform::Platform;
use futures::future::join_all;
use wire::v1;

use super::world::{Destination, ON, Replica, World};

const PEOPLE: [(&str, &str); 2] = [("tenant-1", "alice"), ("tenant-2", "bob")];

async fn live_once(world: &World, a: &Replica, b: &Replica, destination: &Destination) {
    let ready = a.ready(destination).await;
    assert_eq!(ready.account_id.is_empty(), destination.on == Platform::Cloudflare);
    let again = b.ready(destination).await;
    assert_eq!((again.account_id, again.playback_url), (ready.account_id, ready.playback_url));
    assert_eq!(b.truth(destination, 0).await.expect("known").state, "waiting");
    let media = b.publish(destination).await;
    let live = a.until(destination, world.sim.now_ms(), "live").await;
    assert_eq!((live.repair.as_str(), live.fault), ("", None));
    assert!(live.seen_ms >= destination.run_ms);
    media.finish().await;
    b.finish(destination).await;
    a.until(destination, 0, "ended").await;
    a.finish(destination).await;
}

async fn lives_on(on: Platform) {
    let world = World::start().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let destinations: Vec<_> = PEOPLE.iter().map(|(tenant, _)| Destination::new(&world, tenant, on)).collect();
    if on != Platform::Cloudflare {
        for (tenant, person) in PEOPLE {
            let account = world.link(&a, tenant, on, person).await;
            assert_eq!((account.tenant_id.as_str(), account.status.as_str()), (tenant, "ok"));
        }
    }
    join_all(destinations.iter().map(|destination| live_once(&world, &a, &b, destination))).await;
    // Once more: what was kept is used again.
    let next = destinations.into_iter().map(|one| Destination { run_ms: one.run_ms + 1, ..one });
    let next: Vec<_> = next.collect();
    join_all(next.iter().map(|destination| live_once(&world, &a, &b, destination))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn youtube() {
    lives_on(Platform::Youtube).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twitch() {
    lives_on(Platform::Twitch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facebook() {
    lives_on(Platform::Facebook).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudflare() {
    lives_on(Platform::Cloudflare).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_set_up_and_accounts_are_the_tenants_own() {
    let world = World::start().await;
    let a = world.replica().await;
    let listed = a.client().list_platforms(v1::PlatformsEmpty {}).await.expect("answers").into_inner().platforms;
    assert!(listed.len() == 5 && listed.iter().all(|one| one.configured), "{listed:?}");
    assert_eq!(listed.iter().filter(|one| one.needs_account).count(), 3);
    let linked = world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    let list = async |tenant: &str, platform| {
        let request = v1::ListAccountsRequest { tenant_id: tenant.to_owned(), platform };
        a.client().list_accounts(request).await.expect("answers").into_inner().accounts
    };
    assert_eq!(list("tenant-1", 0).await, std::slice::from_ref(&linked));
    assert_eq!(list("tenant-1", v1::Platform::Youtube.into()).await, []);
    assert_eq!(list("tenant-2", 0).await, []);
    let of = |tenant: &str| v1::AccountRef { tenant_id: tenant.to_owned(), account_id: linked.id.clone() };
    for refused in
        [a.client().unlink(of("tenant-2")).await.map(drop), a.client().refresh_token(of("tenant-2")).await.map(drop)]
    {
        assert_eq!(refused.expect_err("another tenant's").code(), tonic::Code::NotFound);
    }
    a.client().refresh_token(of("tenant-1")).await.expect("refreshes");
    assert!(a.client().unlink(of("tenant-1")).await.expect("unlinks").into_inner().revoked);
    assert_eq!(list("tenant-1", 0).await, []);
    assert_eq!(ON.len() + 1, listed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_at_twitch_needs_no_account() {
    let world = World::start().await;
    let a = world.replica().await;
    let destination = Destination::new(&world, "tenant-1", Platform::Twitch);
    let account = world.link(&a, "tenant-1", Platform::Twitch, "alice").await;
    a.ready(&destination).await;
    let of = v1::AccountRef { tenant_id: "tenant-1".to_owned(), account_id: account.id };
    a.client().unlink(of).await.expect("unlinks");
    a.finish(&destination).await;
}
