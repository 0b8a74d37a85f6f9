use futures::future::join;
use platform_sim::{Action, Fault};
use serde_json::json;
use service_kit::Shutdown;
use testkit::wait::until_true;

use super::{super::Status, *};

fn validations(world: &World) -> Vec<JournalEntry> {
    world.sim.calls("GET", "/twitch-id/oauth2/validate")
}

async fn both(replicas: &[Accounts; 2]) {
    join(Box::pin(replicas[0].maintain()), Box::pin(replicas[1].maintain())).await;
}

#[tokio::test]
async fn twitch_accounts_are_validated_every_hour_by_one_replica() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    let account = world.link(&replicas[0], Platform::Twitch).await;
    world.link(&replicas[0], Platform::Youtube).await;
    both(&replicas).await;
    assert_eq!(validations(&world).len(), 0, "it was just linked");
    for hour in 1..=6 {
        world.advance(Duration::from_secs(3_600));
        both(&replicas).await;
        both(&replicas).await;
        assert_eq!(validations(&world).len(), hour);
    }
    assert!(
        validations(&world).iter().all(|call| call.status == Some(200) && call.headers["authorization"] == "OAuth ***")
    );
    // Twitch is away: not every half minute.
    world.sim.fault(Fault::on("GET", "/twitch-id/oauth2/validate").answer(503, json!({})));
    world.advance(Duration::from_secs(3_600));
    both(&replicas).await;
    both(&replicas).await;
    assert_eq!(validations(&world).len(), 7);
    world.advance(Duration::from_secs(301));
    both(&replicas).await;
    assert_eq!(validations(&world).len(), 8);
    // The person has taken the access back: found out within the hour, without anybody using the account.
    world
        .sim
        .act(&Action::Revoke { provider: "twitch".into(), account: "alice".into(), subcode: None })
        .expect("known");
    world.advance(Duration::from_secs(3_600));
    both(&replicas).await;
    let known = replicas[0].find(&tenant(), account.id).await.expect("answers").expect("there");
    assert_eq!(known.status, Status::ReauthRequired);
    let calls = world.sim.journal().len();
    world.advance(Duration::from_secs(3_600));
    both(&replicas).await;
    assert_eq!(world.sim.journal().len(), calls, "nobody asks again");
}

#[tokio::test]
async fn facebook_tokens_are_exchanged_days_ahead_of_their_end() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    let account = world.link(&replicas[0], Platform::Facebook).await;
    let linked = world.refreshes(Platform::Facebook).len();
    world.advance(Duration::from_secs(48 * 86_400));
    both(&replicas).await;
    assert_eq!(world.refreshes(Platform::Facebook).len(), linked, "not yet");
    world.advance(Duration::from_secs(4 * 86_400));
    both(&replicas).await;
    both(&replicas).await;
    assert_eq!(world.refreshes(Platform::Facebook).len(), linked + 1);
    let known = replicas[0].find(&tenant(), account.id).await.expect("answers").expect("there");
    assert!(known.token_expires_ms - world.sim.now_ms() > 59 * 86_400_000, "sixty days more");
}

#[tokio::test]
async fn the_loop_runs_and_ends() {
    let world = World::start().await;
    let accounts = world.replica().await;
    accounts.begin_link(&tenant(), Platform::Youtube).await.expect("begins");
    world.clock.advance(Duration::from_secs(601));
    let shutdown = Shutdown::new(Duration::from_secs(5));
    shutdown.tasks.spawn(accounts.clone().run(shutdown.clone()));
    let swept = async || world.count("SELECT count(*) FROM credentials.authorizations").await == 0;
    until_true("the first look", Duration::from_secs(10), swept).await.expect("in time");
    shutdown.trigger();
    assert!(shutdown.drained().await);
}
