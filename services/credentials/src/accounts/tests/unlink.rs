use platform_sim::Fault;
use testkit::wait::until_true;

use super::*;

const SECRETS: &str = "SELECT count(*) FROM credentials.secrets";
const ROWS: &str = "SELECT count(*) FROM credentials.accounts";

fn revocations(world: &World) -> Vec<JournalEntry> {
    let mut calls = world.sim.journal();
    calls.retain(|call| {
        call.path.ends_with("/revoke") || call.method == "DELETE" && call.path.ends_with("/me/permissions")
    });
    calls
}

#[tokio::test]
async fn unlinking_revokes_and_forgets() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for (n, on) in PLATFORMS.into_iter().enumerate() {
        let account = world.link(&accounts, on).await;
        let tokens = accounts.tokens(&account);
        tokens.token().await.expect("a token");
        let foreign = accounts.unlink(&other_tenant(), account.id).await;
        assert_eq!(code(foreign.expect_err("unknown")), "account_not_found");
        assert!(accounts.unlink(&tenant(), account.id).await.expect("unlinked"), "{on}: confirmed");
        assert_eq!((world.count(ROWS).await, world.count(SECRETS).await), (0, 0), "{on}");
        assert_eq!(revocations(&world).len(), n + 1, "{on}");
        assert_eq!(tokens.token().await.expect_err("gone").code(), "account_not_linked", "{on}");
        assert_eq!(code(accounts.unlink(&tenant(), account.id).await.expect_err("gone")), "account_not_found");
    }
}

#[tokio::test]
async fn tokens_are_forgotten_also_when_the_platform_does_not_listen() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for (on, method, path) in [
        (Platform::Youtube, "POST", "/google-oauth/revoke"),
        (Platform::Twitch, "POST", "/twitch-id/oauth2/revoke"),
        (Platform::Facebook, "DELETE", "/graph/v26.0/me/permissions"),
    ] {
        let account = world.link(&accounts, on).await;
        world.sim.fault(Fault::on(method, path).answer(500, "<html>".into()));
        assert!(!accounts.unlink(&tenant(), account.id).await.expect("unlinked"), "{on}: not confirmed");
        assert_eq!((world.count(ROWS).await, world.count(SECRETS).await), (0, 0), "{on}");
    }
    assert_eq!(revocations(&world).len(), 3);
}

#[tokio::test]
async fn an_account_that_somebody_else_has_linked_too_is_not_revoked() {
    let world = World::start().await;
    let accounts = world.replica().await;
    for on in PLATFORMS {
        let ours = world.link(&accounts, on).await;
        let consent = Consent::of("alice");
        let theirs = world.link_as(&accounts, &other_tenant(), on, &consent).await.expect("linked");
        assert!(!accounts.unlink(&tenant(), ours.id).await.expect("unlinked"), "{on}");
        assert_eq!(revocations(&world).len(), 0, "{on}");
        world.advance(Duration::from_secs(5 * 3_600));
        accounts.tokens(&theirs).token().await.expect("their link is good");
    }
}

#[tokio::test]
async fn an_unlink_in_the_middle_of_a_refresh_leaves_nothing() {
    let world = World::start().await;
    let replicas = [world.replica().await, world.replica().await];
    for unlinking in &replicas {
        let account = world.link(&replicas[0], Platform::Twitch).await;
        world.advance(Duration::from_secs(5 * 3_600));
        let before = world.refreshes(Platform::Twitch).len();
        let slow = Fault::on("POST", "/twitch-id/oauth2/token").delay(Duration::ZERO, Duration::from_millis(300));
        world.sim.fault(slow);
        let tokens = replicas[0].tokens(&account);
        let refreshing = tokio::spawn(async move { tokens.token().await });
        let called = async || world.refreshes(Platform::Twitch).len() > before;
        until_true("the call", Duration::from_secs(10), called).await.expect("in time");
        assert!(unlinking.unlink(&tenant(), account.id).await.expect("unlinked"), "the newest pair is revoked");
        refreshing.await.expect("runs").expect("it came before");
        assert_eq!((world.count(ROWS).await, world.count(SECRETS).await), (0, 0));
        let gone = replicas[0].tokens(&account).renew(&replicas_token(&account)).await.expect_err("gone");
        assert_eq!(gone.code(), "account_not_linked");
    }
}

fn replicas_token(account: &Account) -> crate::platforms::Token {
    crate::platforms::Token { secret: SecretString::from("x".to_owned()), version: account.token_version }
}
