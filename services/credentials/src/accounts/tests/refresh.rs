use futures::future::join_all;
use platform_sim::Action;
use secret::ExposeSecret;

use super::{super::Status, *};
use crate::crypto::Field;

/// Past the end of every access token, or (Facebook) into its last days.
fn due(on: Platform) -> Duration {
    Duration::from_secs(if on == Platform::Facebook { 58 * 86_400 } else { 4 * 3_600 + 1 })
}

fn expire(world: &World, on: Platform) {
    world.sim.act(&Action::ExpireTokens { provider: provider(on), account: "alice".into() }).expect("known");
}

#[tokio::test]
async fn twenty_needs_on_two_replicas_are_one_call() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    for on in PLATFORMS {
        let account = world.link(&replicas[0], on).await;
        let before = world.refreshes(on).len();
        world.advance(due(on));
        let tokens: Vec<_> = (0..20).map(|n: usize| replicas[n % 2].tokens(&account)).collect();
        let got = join_all(tokens.iter().map(|tokens| tokens.token())).await;
        assert_eq!(world.refreshes(on).len() - before, 1, "{on}");
        for token in got {
            let token = token.expect("a token");
            assert!(token.version <= account.token_version + 1, "{on}");
            if on != Platform::Facebook {
                assert_eq!(token.version, account.token_version + 1, "{on}: the old one is dead");
            }
        }
        let later = replicas[1].tokens(&account).token().await.expect("a token");
        assert_eq!((later.version, world.refreshes(on).len() - before), (account.token_version + 1, 1), "{on}");
    }
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once_whoever_is_rejected() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    for on in [Platform::Youtube, Platform::Twitch] {
        let account = world.link(&replicas[0], on).await;
        let tokens: Vec<_> = (0..10).map(|n: usize| replicas[n % 2].tokens(&account)).collect();
        let old = tokens[0].token().await.expect("a token");
        assert_eq!(world.refreshes(on).len(), 0, "{on}: it is fresh");
        expire(&world, on);
        let got = join_all(tokens.iter().map(|tokens| tokens.renew(&old))).await;
        assert_eq!(world.refreshes(on).len(), 1, "{on}");
        for new in got {
            let new = new.expect("a token");
            assert_eq!(new.version, old.version + 1);
            assert_ne!(new.secret.expose_secret(), old.secret.expose_secret());
        }
        // A platform that refuses what it has just given is not asked in a circle.
        let new = tokens[0].token().await.expect("a token");
        let again = tokens[0].renew(&new).await.expect_err("just renewed");
        assert!(again.is_transient() && again.after.is_some(), "{again:?}");
        assert_eq!(world.refreshes(on).len(), 1, "{on}");
    }
}

#[tokio::test]
async fn a_dead_grant_asks_the_person_once_and_a_new_sign_in_heals_it() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    for on in PLATFORMS {
        let account = world.link(&replicas[0], on).await;
        let before = world.refreshes(on).len();
        world
            .sim
            .act(&Action::Revoke { provider: provider(on), account: "alice".into(), subcode: None })
            .expect("known");
        // Past the end everywhere: before it, whoever does not ask for the new one may still use the old one.
        world.advance(Duration::from_secs(61 * 86_400));
        let tokens: Vec<_> = (0..6).map(|n: usize| replicas[n % 2].tokens(&account)).collect();
        for _ in 0..3 {
            for refused in join_all(tokens.iter().map(|tokens| tokens.token())).await {
                let failure = refused.expect_err("dead");
                assert_eq!((failure.code(), failure.is_transient()), ("reauth_required", false), "{on}");
                assert!(failure.fault.message.contains("Sign in"), "{failure:?}");
            }
        }
        assert_eq!(world.refreshes(on).len() - before, 1, "{on}: no loop");
        let known = replicas[1].find(&tenant(), account.id).await.expect("answers").expect("there");
        assert_eq!(known.status, Status::ReauthRequired, "{on}");
        assert_eq!(known.fault.expect("says why").code, "reauth_required");
        assert_eq!(code(replicas[0].refresh(&tenant(), account.id).await.expect_err("dead")), "reauth_required");
        let healed = world.link(&replicas[0], on).await;
        assert_eq!((healed.id, healed.status, healed.fault), (account.id, Status::Ok, None), "{on}");
        for tokens in &tokens {
            tokens.token().await.expect("a token");
        }
    }
}

#[tokio::test]
async fn google_keeps_its_refresh_token_and_twitch_rotates_or_not() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for (on, rotates) in [(Platform::Youtube, false), (Platform::Twitch, true), (Platform::Twitch, false)] {
        world.sim.set_flags("alice", |flags| flags.twitch_rotates_refresh_tokens = rotates);
        let account = world.link(&accounts, on).await;
        let first = stored(&accounts, &account, Field::RefreshToken).await;
        for turn in 1..=3 {
            world.advance(due(on));
            let token = accounts.tokens(&account).token().await.expect("a token");
            assert_eq!(token.version, account.token_version + turn, "{on}");
        }
        let last = stored(&accounts, &account, Field::RefreshToken).await;
        assert_eq!(first != last, rotates, "{on}");
    }
}

#[tokio::test]
async fn a_rotated_token_that_a_crash_lost_ends_in_one_request_to_sign_in() {
    let world = World::start().await;
    let accounts = world.replica().await;
    let account = world.link(&accounts, Platform::Twitch).await;
    // The answer came, and nothing was committed.
    let old = SecretString::from(stored(&accounts, &account, Field::RefreshToken).await);
    let this = &*accounts.0;
    let provider = this.provider(Platform::Twitch).expect("configured");
    super::super::endpoint::refresh(provider, &this.http, &old).await.expect("a pair that nobody keeps");
    world.advance(due(Platform::Twitch));
    for _ in 0..5 {
        let failure = accounts.tokens(&account).token().await.expect_err("the old one is dead");
        assert_eq!(failure.code(), "reauth_required");
    }
    assert_eq!(world.refreshes(Platform::Twitch).len(), 2, "the lost one, and one more");
}

#[tokio::test]
async fn a_person_may_ask_for_a_new_token() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for on in PLATFORMS {
        let account = world.link(&accounts, on).await;
        let before = world.refreshes(on).len();
        let new = accounts.refresh(&tenant(), account.id).await.expect("refreshed");
        assert_eq!((new.id, new.token_version), (account.id, account.token_version + 1), "{on}");
        assert_eq!(world.refreshes(on).len() - before, 1, "{on}");
        assert_eq!(
            code(accounts.refresh(&other_tenant(), account.id).await.expect_err("foreign")),
            "account_not_found"
        );
    }
}

pub(super) async fn stored(accounts: &Accounts, account: &Account, field: Field) -> String {
    let mut conn = accounts.0.store.pool().acquire().await.expect("connects");
    let secret = accounts.0.open(&mut conn, &account.tenant, account.id, field).await.expect("opens").expect("there");
    secret.expose_secret().to_owned()
}
